"""Cloud-Optimized GeoTIFFs, made of tiles that are encoded once, as blocks are finished."""
