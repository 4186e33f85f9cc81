"""Items of a catalogue with files of their own: what is said of them, and what is in them."""

from __future__ import annotations

from affine import Affine

from geotiffs import write_geotiff

EAST, NORTH = 500_000, 4_600_000
COG = "image/tiff; application=geotiff; profile=cloud-optimized"
PROJ = "https://stac-extensions.github.io/projection/v1.1.0/schema.json"


def asset(folder, name, array, *, side=10.0, crs="EPSG:32633", at=(0, 0), nodata=0, told=True, **more):
    """Write bands, or one, as a file of pixels of a side, ``at`` meters east and south; return its asset."""
    array = array if array.ndim == 3 else array[None]
    transform = Affine(side, 0, EAST + at[0], 0, -side, NORTH - at[1])
    path = folder / f"{name}.tif"
    write_geotiff(path, array, transform=transform, crs=crs, nodata=nodata)
    made = {"href": f"./{name}.tif", "type": COG, "roles": ["data"]}
    if told:
        made |= {
            "proj:epsg": int(crs.partition(":")[2]),
            "proj:shape": list(array.shape[-2:]),
            "proj:transform": list(transform[:6]),
            "raster:bands": [{"data_type": str(array.dtype), "nodata": nodata} for _ in array],
        }
    return made | more


def item(folder, name, assets, *, day="2024-06-11", cloud=1.0, **properties):
    """Return an item whose files lie in a folder."""
    said = {"datetime": f"{day}T18:49:21Z", "eo:cloud_cover": cloud}
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": [PROJ],
        "id": name,
        "collection": "sentinel-2-l2a",
        "geometry": None,
        "properties": {key: value for key, value in (said | properties).items() if value is not None},
        "links": [{"rel": "self", "href": f"{folder}/{name}.json"}],
        "assets": assets,
    }
