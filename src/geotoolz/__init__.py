"""Small operators that compose: `Scale(1e-4) | NDVI(nir=8, red=4) | Clip(-1, 1)`.

They take patches ``(bands, h, w)`` and batches of them ``(n, bands, h, w)`` alike, count bands from 1,
and run by themselves on arrays or, for rasters bigger than memory, as operators of
`geopatcher.reconstruct`. Integers are widened to float32 before anything is computed from them, and a
mask or NaN stays with its pixel.

The public names stand in the stub beside this file, and are loaded when they are first used: composing
functions takes no NumPy. The operators that cut a field into patches and put it together again are in
`geotoolz.patch_ops`; they bring geopatcher with them, so they are imported by name.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
