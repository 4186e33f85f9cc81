"""Processes that compute regions: who gives them work, how it travels, what they run."""
