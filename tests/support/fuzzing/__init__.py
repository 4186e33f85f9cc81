"""Mutated inputs against every way in: the right pixels, or an error of ours. `make fuzz` runs it."""
