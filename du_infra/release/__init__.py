"""Versions of a service: what a release is, and what a node is asked to run."""
