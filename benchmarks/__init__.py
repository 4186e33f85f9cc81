"""Benchmarks that stay: one command, every method in its own process, every pixel checked. See README.md."""
