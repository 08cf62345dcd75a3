"""``python -m du_infra``: the command line, for a caller that knows a Python and not where its programs are."""

from du_infra.cli.main import main

main()
