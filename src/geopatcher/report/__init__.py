"""Looking at results: seams, reports, a local viewer, and advice on overlap."""
