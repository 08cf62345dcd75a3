"""Machines of a region: which there are, which there should be, and who makes them."""
