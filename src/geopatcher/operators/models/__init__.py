"""Models as operators: what is told of one, the libraries that run it, and how patches go through it."""
