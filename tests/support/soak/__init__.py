"""Runs, kills, edits and losses in any order, against a model of what must be there. `make soak` runs it."""
