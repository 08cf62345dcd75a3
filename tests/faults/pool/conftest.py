"""What runs with `make faults` only is not collected otherwise."""

from tests.faults.choice import ALL

_LONG = (
    "test_flaky_provider.py",
    "test_never_answers.py",
    "test_refused_drain.py",
    "test_two_controllers.py",
    "test_up_and_down.py",
)
collect_ignore = [] if ALL else list(_LONG)
