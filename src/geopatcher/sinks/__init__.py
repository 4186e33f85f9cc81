"""Where finished blocks go."""
