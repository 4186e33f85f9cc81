"""A path, an array, a DataArray and a RasterField through `reconstruct`."""

from pathlib import Path

import numpy as np
import rasterio
import xarray as xr
from rasterio.transform import from_origin

import geopatcher
from geopatcher import RasterField, Reconstruction


def write_scene(path: Path) -> np.ndarray:
    pixels = np.random.default_rng(0).integers(1, 4000, (4, 96, 128)).astype("uint16")
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=96,
        width=128,
        count=4,
        dtype="uint16",
        crs="EPSG:32633",
        transform=from_origin(500000, 5000000, 10, 10),
    ) as dataset:
        dataset.write(pixels)
    return pixels


def brighter(patch: np.ndarray) -> np.ndarray:
    return patch * np.float32(1.5)


def main() -> None:
    path = Path("scene.tif")
    pixels = write_scene(path)
    labelled = xr.DataArray(pixels, dims=("band", "y", "x"))
    field = RasterField.from_array(
        pixels,
        transform=from_origin(0, 96, 1, 1),
        crs="EPSG:32633",
        nodata=0,
        band_names=("b", "g", "r", "n"),
    )

    from_path = geopatcher.reconstruct(path, brighter, size=32, step=16)
    from_text = geopatcher.reconstruct("scene.tif", brighter, size=(32, 48), window="boxcar", progress=False)
    from_array = geopatcher.reconstruct(pixels, lambda x: x * np.float32(1.5), size=32)
    from_labels = geopatcher.reconstruct(labelled, brighter, size=32)
    from_field = geopatcher.reconstruct(field, brighter, size=32, dtype="float32", layers=["weight"])
    from_reader = geopatcher.reconstruct(RasterField(path), brighter, size=32)

    results: list[Reconstruction] = [from_path, from_text, from_array, from_labels, from_field, from_reader]
    for result in results:
        values = np.asarray(result.array)
        np.testing.assert_allclose(result.array, pixels * 1.5, rtol=1e-5)
        print(result.array.shape, result.array.dtype, values.mean(), result.stats.patches, len(result.errors))
    corner = from_path.array[0, :8, :8]
    print(corner.sum(), from_path.valid[...].all(), from_path.domain.crs, from_field.layers["weight"].shape)
    data: xr.DataArray = from_path.to_xarray()
    print(data.dims)

    ndvi = geopatcher.Expression("(b4 - b3) / (b4 + b3)")
    stored = geopatcher.reconstruct(
        path, ndvi, "ndvi.zarr", size=32, workers=1, on_error="skip", overwrite=True
    )
    if stored.path is not None:
        print(stored.path.name, stored.plan.n_patches)


if __name__ == "__main__":
    main()
