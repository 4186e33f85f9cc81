"""The code of the specification, typed: its calls in its order, without the pictures."""

import tempfile
import warnings
from pathlib import Path

import numpy as np
import rasterio
from georeader.geotensor import GeoTensor
from georeader.rasterio_reader import RasterioReader
from rasterio.transform import from_origin

from geopatcher import (
    Patch,
    RasterField,
    SpatialBoxcar,
    SpatialHann,
    SpatialMedian,
    SpatialOverlapAdd,
    SpatialPatcher,
    SpatialRectangular,
    SpatialRegularStride,
)
from geopatcher._src.spatial.aggregation import _warn_if_unsafe_streaming
from geotoolz import Lambda, Sequential
from geotoolz.patch_ops import (
    ApplyToChips,
    GridSampler,
    Stitch,
)


def double_patch(patch: Patch) -> Patch:
    return Patch(
        data=np.asarray(patch.data) * 2.0,
        anchor=patch.anchor,
        indices=patch.indices,
        weights=patch.weights,
    )


class _Domain2D:
    """Lightweight 2-D domain stand-in for the stitch.

    `Stitch` only reads `.shape` from the domain, so a single-attribute object
    is enough. In production you'd pass a `GeoTensor` or a 2-D
    `RasterioReader`-shaped view.
    """

    def __init__(self, h: int, w: int) -> None:
        self.shape = (h, w)


def model_per_chip(chip: RasterioReader) -> np.ndarray:
    """Materialise the lazy reader, squeeze (1, h, w) -> (h, w), then square.

    Shapes:
        in : RasterioReader (lazy, .shape = (1, 64, 64))
        out: ndarray (64, 64) float64
    """
    arr = chip.values[0].astype(np.float64)  # (64, 64) — single GDAL read
    return np.asarray(arr * arr)  # (64, 64)


def part_one() -> None:
    arr = np.ones((32, 32), dtype=np.float32)
    print(f"arr.shape: {arr.shape}")  # (32, 32)
    field = RasterField(GeoTensor(values=arr, transform=rasterio.Affine.identity(), crs="EPSG:32630"))
    patcher = SpatialPatcher(
        geometry=SpatialRectangular(size=(8, 8)),
        sampler=SpatialRegularStride(step=8),
        window=SpatialBoxcar(),
        aggregation=SpatialOverlapAdd(),
    )
    patches = list(patcher.split(field))
    print(f"len(patches): {len(patches)}")  # 4x4 = 16
    print(f"patches[0].data.shape: {patches[0].data.shape}")  # (8, 8)
    in_memory = SpatialOverlapAdd().merge(patches, field.reader)
    print(f"in_memory.shape: {in_memory.shape}")  # (32, 32)
    print(f"in_memory.sum(): {in_memory.sum():.1f}")
    with tempfile.TemporaryDirectory() as tmpdir:
        on_disk_agg = SpatialOverlapAdd(streaming=True, target_path=tmpdir, chunks=(8, 8))
        on_disk = on_disk_agg.merge(patches, field.reader)
        print(f"on_disk.shape: {on_disk.shape}, dtype: {on_disk.dtype}")
        np.testing.assert_allclose(np.asarray(on_disk[:]), in_memory)
        print("disk-backed result matches in-memory baseline")
    big = np.outer(np.linspace(0, 1, 64), np.linspace(0, 1, 64)).astype(np.float32)
    print(f"big.shape: {big.shape}")  # (64, 64)
    big_field = RasterField(GeoTensor(values=big, transform=rasterio.Affine.identity(), crs="EPSG:32630"))
    outer = SpatialPatcher(
        geometry=SpatialRectangular(size=(32, 32)),
        sampler=SpatialRegularStride(step=32),
        window=SpatialBoxcar(),
        aggregation=SpatialOverlapAdd(),
    )
    inner = SpatialPatcher(
        geometry=SpatialRectangular(size=(8, 8)),
        sampler=SpatialRegularStride(step=8),
        window=SpatialBoxcar(),
        aggregation=SpatialOverlapAdd(),
    )

    def run_per_supertile(supertile_data: np.ndarray) -> np.ndarray:
        """Inner pipeline: split → double → stitch, fits in super-tile RAM."""
        super_field = RasterField(
            GeoTensor(
                values=supertile_data,
                transform=rasterio.Affine.identity(),
                crs="EPSG:32630",
            )
        )
        inner_patches = [double_patch(p) for p in inner.split(super_field)]
        return SpatialOverlapAdd().merge(inner_patches, super_field.reader)

    result = np.zeros_like(big)
    for super_patch in outer.split(big_field):
        super_arr = np.asarray(super_patch.data)
        print(f"  super-tile anchor={super_patch.anchor} shape={super_arr.shape}")
        reconstructed = run_per_supertile(super_arr)
        r0, c0 = super_patch.anchor
        h, w = reconstructed.shape
        result[r0 : r0 + h, c0 : c0 + w] = reconstructed
    np.testing.assert_allclose(result, big * 2.0)
    print(f"result.shape: {result.shape}")
    with warnings.catch_warnings(record=True) as captured:
        warnings.simplefilter("always")
        _warn_if_unsafe_streaming(SpatialMedian())
    print(str(captured[0].message))


def part_two() -> None:
    H, W = 256, 256
    gt_arr = (
        np.outer(np.linspace(0, 1, H), np.linspace(0, 1, W))
        + 0.3 * np.sin(np.linspace(0, 8 * np.pi, W))[None, :]
    ).astype(np.float32)
    print(f"truth array shape: {gt_arr.shape}, dtype: {gt_arr.dtype}")
    tif_dir = tempfile.mkdtemp(prefix="geotoolz-stream-")
    tif_path = Path(tif_dir) / "synthetic.tif"
    with rasterio.open(
        tif_path,
        "w",
        driver="GTiff",
        height=H,
        width=W,
        count=1,
        dtype="float32",
        crs="EPSG:32630",
        transform=from_origin(0.0, float(H), 1.0, 1.0),
        tiled=True,
        blockxsize=64,
        blockysize=64,
    ) as dst:
        dst.write(gt_arr, 1)
    print(f"wrote: {tif_path}  ({tif_path.stat().st_size:,} bytes)")
    reader = RasterioReader(str(tif_path))
    print(f"reader.shape: {reader.shape}")  # (1, 256, 256)
    print(f"reader.dtype: {reader.dtype}")
    geotiff_field = RasterField(reader)
    geotiff_patcher = SpatialPatcher(
        geometry=SpatialRectangular(size=(64, 64)),
        sampler=SpatialRegularStride(step=64),
        window=SpatialBoxcar(),
        aggregation=SpatialOverlapAdd(),
    )
    print(f"expected anchors: {(H // 64)} x {(W // 64)} = {(H // 64) * (W // 64)}")
    first_patch = next(iter(geotiff_patcher.split(geotiff_field)))
    print(f"first patch anchor: {first_patch.anchor}")
    print(f"first patch indices: {first_patch.indices}")
    print(f"first patch data type: {type(first_patch.data).__name__}")
    print(f"first patch data.shape: {first_patch.data.shape}")  # (1, 64, 64)
    materialised = first_patch.data.values
    print(f"materialised .values.shape: {materialised.shape}, dtype: {materialised.dtype}")
    model = Lambda(model_per_chip, name="square")
    domain_2d = _Domain2D(H, W)
    pipe = Sequential(
        [
            GridSampler(geotiff_patcher),
            ApplyToChips(model),
            Stitch(SpatialOverlapAdd(), domain=domain_2d),
        ]
    )
    in_ram = pipe(geotiff_field)
    print(f"in-RAM result shape: {in_ram.shape}, dtype: {in_ram.dtype}")
    np.testing.assert_allclose(in_ram, gt_arr.astype(np.float64) ** 2, rtol=1e-6)
    print("in-RAM result matches ground truth")
    stream_dir = tempfile.mkdtemp(prefix="geotoolz-stream-output-")
    patches: list[Patch] = []
    for raw in geotiff_patcher.split(geotiff_field):
        chip = model(raw.data)  # (64, 64) float64
        patches.append(
            Patch(
                data=chip,
                anchor=raw.anchor,
                indices=raw.indices,
                weights=raw.weights,
            )
        )
    print(f"materialised {len(patches)} patches")
    print(f"patches[0].data.shape: {patches[0].data.shape}")  # (64, 64)
    print(f"patches[0].data.dtype: {patches[0].data.dtype}")  # float64
    streaming_agg = SpatialOverlapAdd(streaming=True, target_path=stream_dir, chunks=(64, 64))
    on_disk_zarr = streaming_agg.merge(patches, domain_2d)
    on_disk = np.asarray(on_disk_zarr[:]).astype(np.float64)
    print(f"on-disk zarr.shape: {on_disk_zarr.shape}, dtype: {on_disk_zarr.dtype}")
    print(f"on-disk materialised.shape: {on_disk.shape}, dtype: {on_disk.dtype}")
    truth = gt_arr.astype(np.float64) ** 2
    np.testing.assert_allclose(on_disk, truth, atol=1e-5)
    print("disk-backed result matches ground truth")
    np.testing.assert_allclose(in_ram, on_disk, atol=1e-5)
    print("in-RAM and disk-backed reconstructions agree")
    patcher_ola = SpatialPatcher(
        geometry=SpatialRectangular(size=(64, 64)),
        sampler=SpatialRegularStride(step=32),
        window=SpatialHann(),
        aggregation=SpatialOverlapAdd(),
    )
    pipe_ola = Sequential(
        [
            GridSampler(patcher_ola),
            ApplyToChips(model),
            Stitch(SpatialOverlapAdd(), domain=domain_2d),
        ]
    )
    ola_result = pipe_ola(geotiff_field)
    print(f"ola_result.shape: {ola_result.shape}")
    ola_stream_dir = tempfile.mkdtemp(prefix="geotoolz-stream-hann-")
    ola_patches: list[Patch] = []
    for raw in patcher_ola.split(geotiff_field):
        chip = model(raw.data)
        ola_patches.append(
            Patch(
                data=chip,
                anchor=raw.anchor,
                indices=raw.indices,
                weights=raw.weights,
            )
        )
    ola_disk_zarr = SpatialOverlapAdd(streaming=True, target_path=ola_stream_dir, chunks=(64, 64)).merge(
        ola_patches, domain_2d
    )
    ola_disk = np.asarray(ola_disk_zarr[:]).astype(np.float64)
    print(f"hann/zarr.shape: {ola_disk_zarr.shape}, dtype: {ola_disk_zarr.dtype}")
    interior_ram = ola_result[40:-40, 40:-40]
    interior_zarr = ola_disk[40:-40, 40:-40]
    interior_truth = truth[40:-40, 40:-40]
    np.testing.assert_allclose(interior_ram, interior_truth, atol=1e-5)
    np.testing.assert_allclose(interior_zarr, interior_truth, atol=1e-5)
    print("Hann interior reconstruction matches ground truth (both paths)")


if __name__ == "__main__":
    part_one()
    part_two()
