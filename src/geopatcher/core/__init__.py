"""What all else is made of: rectangles, axes, domains, patches, protocols."""
