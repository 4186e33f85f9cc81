"""What GDAL and zarr have to be told, or kept from: their environment, messages, warnings and limits."""
