"""Adapters: where pixels come from."""
