"""Single nodes by somebody's order; each holds the region's lock, and can be killed and run again."""
