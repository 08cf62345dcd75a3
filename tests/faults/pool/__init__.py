"""A region's pool on real nodes, with something going wrong while nodes come, go and are replaced.

A short choice runs with the other tests; ``DU_FAULTS=all`` runs the rest.
"""
