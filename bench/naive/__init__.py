"""The straightforward release script that the project is compared with, on the same kind of node."""
