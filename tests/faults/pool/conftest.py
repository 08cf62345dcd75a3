"""What runs with `make faults` only is not collected otherwise."""

from tests.faults.choice import ALL

collect_ignore = [] if ALL else ["test_up_and_down.py"]
