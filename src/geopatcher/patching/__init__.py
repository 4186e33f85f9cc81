"""Where patches lie, how large they are and what their pixels weigh: geometries, samplers, windows."""
