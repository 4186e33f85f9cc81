"""Find scenes: a collection, a box and some dates in, items ready to open out.

Examples
--------
>>> from geostack import LAKE_TAHOE_TILE
>>> LAKE_TAHOE_TILE
'10SGJ'

"""

from geostack.errors import GeostackError, MissingExtraError, NoItemsError, StacApiError
from geostack.query import LAKE_TAHOE_TILE
from geostack.stac import API_VARIABLE, PLANETARY_COMPUTER, load_stac_items

__all__ = [
    "API_VARIABLE",
    "LAKE_TAHOE_TILE",
    "PLANETARY_COMPUTER",
    "GeostackError",
    "MissingExtraError",
    "NoItemsError",
    "StacApiError",
    "load_stac_items",
]
