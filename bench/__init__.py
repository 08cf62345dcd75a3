"""The goals of du-infra, measured. ``make bench`` prints a table; docs/performance.md keeps the results."""
