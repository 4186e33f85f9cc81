"""What is applied to patches: expressions, functions by name, wrappers that ask for more."""
