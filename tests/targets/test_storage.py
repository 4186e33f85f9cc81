"""How results are stored: options that are checked when they are said, and what they make of a result."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest

import geopatcher as gp
from geopatcher.core.domain import LayerSpec, RasterDomain, ResultSpec
from geopatcher.targets.levels import levels_bytes
from geopatcher.targets.open import storage_for
from geopatcher.targets.protocol import MemoryStorage

SPEC = ResultSpec(RasterDomain((2, 900, 900)), (256, 256), 0, overview="mode")


@pytest.mark.parametrize(
    ("kind", "options", "complaint"),
    [
        (gp.ZarrStorage, {"codec": "zip"}, "codec 'zip' is none of: zstd"),
        (gp.ZarrStorage, {"codec": "gzip-12"}, "has a level of 12: gzip has 0 to 9"),
        (gp.ZarrStorage, {"overview": "cubic"}, "overview 'cubic' is none of average, mode, nearest"),
        (gp.ZarrStorage, {"shards": "big"}, "shards is a whole number of pixels, .*, not 'big'"),
        (gp.CogStorage, {"compress": "ZIP"}, "compress='ZIP' is none of NONE, DEFLATE"),
        (gp.CogStorage, {"level": 99}, "level=99 is none of DEFLATE, which has 1 to 12"),
        (gp.CogStorage, {"compress": "LZW", "level": 1}, "level=1 is for DEFLATE.*, not LZW: leave it out"),
        (gp.CogStorage, {"blocksize": 100}, "multiple of 16 pixels, such as 512, not 100"),
        (gp.CogStorage, {"overview": "cubic"}, "none of average"),
        (gp.CogStorage, {"predictor": 0}, r"predictor is 1, 2 or 3 \(3 for floats\), not 0"),
        (gp.CogStorage, {"compress": "LERC", "predictor": 2}, "predictor=2 is for DEFLATE.*, not LERC"),
        (gp.CogStorage, {"colormap": {3: (0, 0, 0)}}, r"colormap has \(0, 0, 0\) for 3: a color is"),
        (gp.CogStorage, {"colormap": {3: (0, 0, 256, 0)}}, "0 to 255 each"),
        (gp.CogStorage, {"colorinterp": ("rot",)}, "colorinterp names 'rot', and what is known is .*red"),
    ],
)
def test_wrong_options_are_refused_when_they_are_said(kind, options, complaint):
    with pytest.raises(ValueError, match=complaint):
        kind(**options)


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        (None, MemoryStorage()),
        ("x.zarr", gp.ZarrStorage()),
        ("x.tif", gp.CogStorage()),
        ("x.TIFF", gp.CogStorage()),
    ],
)
def test_each_format_has_its_own(path, wanted):
    assert storage_for(path) == wanted
    assert pickle.loads(pickle.dumps(wanted)) == wanted  # noqa: S301 - our own


@pytest.mark.parametrize("path", ["x.png", "x.ZARR", "x"])
def test_other_endings_have_none(path):
    with pytest.raises(ValueError, match="must end in .zarr or .tif"):
        storage_for(path)


def test_what_is_no_storage_is_refused():
    with pytest.raises(TypeError, match="storage is a ZarrStorage or a CogStorage, not 'zstd'"):
        gp.reconstruct(np.ones((9, 9)), np.copy, "x.zarr", size=4, storage="zstd")


def test_a_result_has_the_options_of_its_storage():
    stored = gp.ZarrStorage("gzip-1", 512, multiscales=True, checksum=True).applied(SPEC)
    assert (stored.codec, stored.shards, stored.multiscales, stored.checksum) == (
        "gzip-1",
        (512, 512),
        True,
        True,
    )
    assert stored.overview == "mode"  # that of the result
    assert gp.ZarrStorage(overview="nearest").applied(SPEC).overview == "nearest"
    assert MemoryStorage().applied(SPEC) is SPEC


def test_values_with_colors_are_names_and_no_averages_are_made_of_them():
    spec = ResultSpec(RasterDomain((1, 9, 9), dtype=np.dtype("uint8")), (9, 9), 0)
    colors = {1: (255, 0, 0, 255)}
    assert gp.CogStorage(colormap=colors).applied(spec).overview == "mode"
    assert gp.CogStorage(colormap=colors, overview="nearest").applied(spec).overview == "nearest"
    assert gp.CogStorage().applied(spec).overview == "average"


def test_what_is_put_together_afterwards_takes_memory():
    assert MemoryStorage().assembly_bytes(SPEC) == gp.ZarrStorage().assembly_bytes(SPEC) == 0
    assert gp.ZarrStorage(multiscales=True).assembly_bytes(SPEC) > 0
    large, small = (gp.CogStorage(blocksize=side).assembly_bytes(SPEC) for side in (1024, 128))
    assert large > small > 0


def test_shards_hold_whole_chunks():
    assert gp.ZarrStorage(shards=(512, 1024)).blocks((256, 256)) == (512, 1024)
    with pytest.raises(ValueError, match=r"shards of \(700, 700\) do not hold whole chunks of \(256, 256\)"):
        gp.ZarrStorage(shards=700).applied(SPEC)


def test_what_it_takes_to_put_a_result_together_is_known_beforehand():
    large = ResultSpec(RasterDomain((3, 4000, 5000)), (512, 512), 0)
    assert MemoryStorage().assembly_bytes(large) == gp.ZarrStorage().assembly_bytes(large) == 0
    assert gp.ZarrStorage(multiscales=True).assembly_bytes(large) == levels_bytes(large) > 0
    one = gp.CogStorage().assembly_bytes(large)
    assert one > 0
    small = replace(large, layers={"count": LayerSpec(np.dtype("uint8"), 0)})
    assert gp.CogStorage().assembly_bytes(small) == one  # layers are written one after another
    narrow = ResultSpec(RasterDomain((1, 4000, 5000), dtype=np.dtype("uint8")), (512, 512), 0)
    wide = replace(narrow, layers={"weight": LayerSpec(np.dtype("float64"), 0)})
    assert gp.CogStorage().assembly_bytes(wide) > gp.CogStorage().assembly_bytes(narrow)


@pytest.mark.parametrize(
    ("storage", "grid", "chunks", "tile"),
    [
        (gp.CogStorage(), (9000, 9000), (512, 512), (512, 512)),
        (gp.CogStorage(), (9000, 9000), (1024, 768), (1024, 768)),
        (gp.CogStorage(), (9000, 9000), (300, 17), (304, 32)),
        (gp.CogStorage(blocksize=256), (9000, 9000), (512, 512), (256, 256)),
        (gp.CogStorage(), (20, 30), (512, 512), (512, 512)),  # tiles of usual size are left as they are
        (
            gp.CogStorage(),
            (700, 30),
            (10_000, 10_000),
            (704, 512),
        ),  # and none is for pixels that are not there
    ],
)
def test_the_chunks_of_a_result_are_the_tiles_of_its_file(storage, grid, chunks, tile):
    assert storage.tile(grid, chunks) == tile
    blocks = storage.blocks(chunks)
    assert storage.blocks(blocks) == blocks
    assert not any(side % 16 for side in blocks)
    spec = ResultSpec(RasterDomain(grid), chunks, 0)
    assert storage.applied(spec).chunks == blocks


def test_bands_lie_together_as_long_as_tiles_are_small():
    together = gp.CogStorage().interleaves
    assert together(RasterDomain((4, 9000, 9000)), (512, 512))
    assert not together(RasterDomain((5, 9000, 9000)), (512, 512))
    assert not together(RasterDomain((4, 9000, 9000)), (1024, 1024))
    assert together(RasterDomain((1, 9000, 9000)), (4096, 4096))
    # WebP knows whole cells only.
    assert gp.CogStorage("webp").interleaves(
        RasterDomain((3, 9000, 9000), dtype=np.dtype("uint8")), (2048, 2048)
    )


def test_a_lossy_compression_has_a_mask_in_place_of_a_value():
    spec = ResultSpec(RasterDomain((8, 8), dtype=np.dtype("uint8"), nodata=255), (8, 8), 255)
    for name in ("JPEG", "webp"):
        stored = gp.CogStorage(name)
        assert (stored.applied(spec).masked, stored.applied(spec).domain.nodata) == (True, None)
        assert stored.plain == gp.CogStorage()
    assert gp.CogStorage("LERC").applied(spec).domain.nodata == 255
    nothing = ResultSpec(RasterDomain((8, 8), dtype=np.dtype("uint8")), (8, 8), 0)
    assert not gp.CogStorage("JPEG").applied(nothing).masked
