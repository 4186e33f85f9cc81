"""Arithmetic of the global reducers: states of bounded size that take cells in any order and merge."""
