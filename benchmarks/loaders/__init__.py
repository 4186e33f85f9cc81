"""Ways to give a loader of PyTorch random patches: each module has ``arguments(path, count)``."""
