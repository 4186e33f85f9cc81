"""A scene made from nothing, an index over it, and the proof that the result is right."""
