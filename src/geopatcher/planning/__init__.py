"""What a run will do and cost, known before any pixel is read."""
