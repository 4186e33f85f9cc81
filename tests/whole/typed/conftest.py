"""The scripts here are read by type checkers, and run by `test_typing` as users run theirs."""

collect_ignore_glob = ["*.py"]
