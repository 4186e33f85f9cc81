"""Small operators that compose: `Lambda(scale) | ndvi | Identity()`.

The operators that cut a field into patches and put it together again are in `geotoolz.patch_ops`;
they bring geopatcher with them, so they are imported by name.
"""

from geotoolz.operators import Identity, Lambda, Operator, Sequential

__all__ = ["Identity", "Lambda", "Operator", "Sequential"]
