"""Hetzner's DNS: a region is in the answer or it is not."""
