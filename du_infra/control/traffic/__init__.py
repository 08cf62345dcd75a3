"""The world's entrance from beginning to end: look at it, judge, plan, change it, ask it."""
