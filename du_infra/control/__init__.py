"""What a command does from beginning to end: observe, plan, act, across the rooms."""
