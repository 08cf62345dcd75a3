"""Releases on real nodes under load, with something going wrong at every step.

A short choice runs with the other tests; ``DU_FAULTS=all`` (``make faults``) runs every fault at every step, on every
runtime and gateway, and the full number of switches.
"""
