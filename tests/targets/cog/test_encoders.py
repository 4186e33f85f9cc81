"""Tiles, decoded by GDAL in a file around them."""

from __future__ import annotations

import zlib
from functools import partial

import deflate
import numpy as np
import pytest
import rasterio
from isal import isal_zlib

from cogs import written
from geopatcher.errors import TargetError
from geopatcher.targets.cog.encoders import TileCodec, deflated, packed_mask
from geopatcher.targets.storage import CogStorage

DTYPES = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64"]


def image_of(dtype, n_bands):
    kind, random = np.dtype(dtype), np.random.default_rng(0)
    if kind.kind == "f":
        return (random.standard_normal((n_bands, 75, 90)) * 1e3).astype(kind)
    limits = np.iinfo(kind)
    return random.integers(limits.min, limits.max, (n_bands, 75, 90), kind, endpoint=True)


@pytest.mark.parametrize("compress", ["deflate", "ZSTD", "LZW", "NONE"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_bands", [1, 3])
def test_tiles_without_loss_are_decoded_by_gdal(tmp_path, compress, dtype, n_bands):
    image = image_of(dtype, n_bands)
    product = written(image, tmp_path, CogStorage(compress))
    np.testing.assert_array_equal(np.asarray(product.arrays["data"]), image)


@pytest.mark.parametrize("compress", ["deflate", "ZSTD", "LZW"])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint64", "float32", "float64"])
@pytest.mark.parametrize("n_bands", [1, 3])
def test_predictors_that_are_asked_for_are_decoded_by_gdal(tmp_path, compress, dtype, n_bands):
    image = image_of(dtype, n_bands)
    for predictor in (1, 2, 3) if image.dtype.kind == "f" else (1, 2):
        (tmp_path / str(predictor)).mkdir()
        product = written(image, tmp_path / str(predictor), CogStorage(compress, predictor=predictor))
        np.testing.assert_array_equal(np.asarray(product.arrays["data"]), image)
        with rasterio.open(tmp_path / str(predictor) / "x.tif") as dataset:
            said = dataset.tags(ns="IMAGE_STRUCTURE").get("PREDICTOR", "1")
        assert said == str(predictor)


@pytest.mark.parametrize("compress", ["LZMA", "LERC", "LERC_ZSTD", "LERC_DEFLATE"])
def test_what_gdal_alone_knows_is_encoded_by_gdal(tmp_path, compress):
    image = image_of("float32", 2)
    product = written(image, tmp_path, CogStorage(compress))
    np.testing.assert_array_equal(np.asarray(product.arrays["data"]), image)


@pytest.mark.parametrize("compress", ["JPEG", "WEBP"])
@pytest.mark.parametrize("n_bands", [1, 3])
def test_tiles_with_loss_are_near(tmp_path, compress, n_bands):
    if (compress, n_bands) == ("WEBP", 1):
        with pytest.raises(TargetError, match=r"cannot write WEBP tiles of 1 band\(s\) of uint8: .*; choose"):
            written(np.zeros((1, 9, 9), "uint8"), tmp_path, CogStorage(compress))
        return
    rows, cols = np.mgrid[:300, :200]
    image = np.stack([(rows + band * cols) % 256 // 2 + 40 for band in range(n_bands)]).astype("uint8")
    product = written(image, tmp_path, CogStorage(compress))
    off = np.abs(np.asarray(product.arrays["data"]).astype(int) - image)
    assert off.mean() < 6


def test_what_a_compression_cannot_hold_is_said_before_anything_is_computed(tmp_path):
    with pytest.raises(TargetError, match=r"cannot write JPEG tiles of 1 band\(s\) of float32"):
        written(np.zeros((1, 9, 9), "float32"), tmp_path, CogStorage("JPEG"))
    assert list(tmp_path.iterdir()) == []


def test_predictors_are_those_of_the_cells():
    known = [
        TileCodec.of(*given, labels=labels).predictor
        for *given, labels in [
            ("ZSTD", 1, np.dtype("float64"), False),
            ("LZW", None, np.dtype("int16"), False),
            ("ZSTD", 1, np.dtype("uint8"), True),  # of classes, differences say nothing
            ("JPEG", None, np.dtype("uint8"), False),
        ]
    ]
    assert known == [3, 2, 1, 1]
    asked = [TileCodec.of("ZSTD", 1, np.dtype("f4"), labels=labels, predictor=2) for labels in (True, False)]
    assert [codec.predictor for codec in asked] == [2, 2]


@pytest.mark.parametrize(
    ("level", "known"),
    [
        (1, partial(isal_zlib.compress, level=2)),
        (2, partial(deflate.zlib_compress, compresslevel=2)),
        (12, partial(deflate.zlib_compress, compresslevel=12)),
    ],
)
def test_levels_are_those_of_their_compressor(level, known):
    cells = (np.random.default_rng(0).gamma(2, 9, 64 * 64)).astype("uint8").reshape(1, 64, 64)
    tile = TileCodec("DEFLATE", level, 1).encoder(cells.dtype, cells.shape)(cells)
    assert bytes(tile) == deflated(cells.tobytes(), level) == known(cells.tobytes())
    assert zlib.decompress(tile) == cells.tobytes()


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_fast_tiles_are_decoded_by_gdal_and_not_much_larger(tmp_path, dtype):
    rows, cols = np.mgrid[:256, :256]
    smooth = 900 + 500 * np.sin(rows / 90) * np.cos(cols / 70)
    image = (smooth + np.random.default_rng(0).normal(0, 5, smooth.shape)).astype(dtype)[np.newaxis]
    product = written(image, tmp_path, CogStorage("DEFLATE", 1))
    np.testing.assert_array_equal(np.asarray(product.arrays["data"]), image)
    codecs = [TileCodec.of("DEFLATE", level, image.dtype, labels=False) for level in (1, 6)]
    fast, usual = (len(codec.encoder(image.dtype, image.shape)(image)) for codec in codecs)
    assert usual < 1.05 * fast
    assert fast < 1.05 * usual


def test_a_mask_is_a_bit_for_each_cell():
    held = np.random.default_rng(0).random((20, 30)) > 0.5
    bits = np.frombuffer(zlib.decompress(packed_mask(held, (32, 48))), np.uint8)
    whole = np.unpackbits(bits).reshape(32, 48).astype(bool)
    np.testing.assert_array_equal(whole[:20, :30], held)
    assert not whole[20:].any()
    assert not whole[:, 30:].any()
