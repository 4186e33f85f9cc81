"""Items of a catalogue through `from_stac` into `reconstruct` and `plan`."""

import json
from pathlib import Path

import numpy as np
import pystac
import rasterio
from rasterio.transform import from_origin

import geopatcher
from geopatcher import Grid
from geostack import Mask, StacSource, from_stac


def write_item(pixels: np.ndarray) -> Path:
    place = from_origin(500000, 5000000, 10, 10)
    with rasterio.open(
        "B04.tif",
        "w",
        driver="GTiff",
        height=60,
        width=80,
        count=1,
        dtype="uint16",
        crs="EPSG:32633",
        transform=place,
    ) as dataset:
        dataset.write(pixels, 1)
    item: dict[str, object] = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": "S2A",
        "geometry": None,
        "properties": {"datetime": "2024-06-11T18:49:21Z", "eo:cloud_cover": 3},
        "links": [],
        "assets": {"B04": {"href": "./B04.tif"}},
    }
    path = Path("item.json")
    path.write_text(json.dumps(item))
    return path


def signed(item: pystac.Item) -> pystac.Item:
    return item


def main() -> None:
    pixels = np.random.default_rng(0).integers(1, 4000, (60, 80)).astype("uint16")
    path = write_item(pixels)
    source = from_stac(path, bands=["B04"], nodata=0, sign=signed)
    small: StacSource = from_stac(
        [path],
        "B04",
        grid=Grid(resolution=20),
        order="median",
        mask=Mask("B04", classes=(7,)),
        resampling="average",
    )
    result = geopatcher.reconstruct(source, lambda patch: patch, size=32)
    np.testing.assert_array_equal(result.array[:], pixels[None])
    print(result.domain.band_names, geopatcher.plan(small, size=16).shape, len(small))


if __name__ == "__main__":
    main()
