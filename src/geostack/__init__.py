"""Find scenes, and name their files: a collection, a box and some dates in, items or a source of pixels out.

Examples
--------
>>> from geostack import LAKE_TAHOE_TILE
>>> LAKE_TAHOE_TILE
'10SGJ'

"""

from geostack.errors import GeostackError, ItemError, MissingExtraError, NoItemsError, StacApiError
from geostack.query import LAKE_TAHOE_TILE
from geostack.signing import PLANETARY_COMPUTER
from geostack.source import Mask, StacSource, from_stac
from geostack.stac import API_VARIABLE, load_stac_items, summary

__all__ = [
    "API_VARIABLE",
    "LAKE_TAHOE_TILE",
    "PLANETARY_COMPUTER",
    "GeostackError",
    "ItemError",
    "Mask",
    "MissingExtraError",
    "NoItemsError",
    "StacApiError",
    "StacSource",
    "from_stac",
    "load_stac_items",
    "summary",
]
