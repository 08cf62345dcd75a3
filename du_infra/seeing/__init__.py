"""What the loop saw, shown: metrics, a page, JSON. Nothing here looks at a region, or changes one."""
