"""Membership of a K3s cluster: who joins, who is a server, who leaves. Pure: no I/O."""
