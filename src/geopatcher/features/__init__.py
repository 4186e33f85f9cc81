"""Vector features made of rasters, row of blocks by row of blocks."""
