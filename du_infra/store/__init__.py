"""Releases, identities and events of a fleet; SQLite beside fleet.yaml."""
