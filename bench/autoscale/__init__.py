"""The autoscaler in pictures: simulated load, and a real region under a real one."""
