"""How many nodes a region should have, by what they had to do: pure planners, and a simulation to try them in."""
