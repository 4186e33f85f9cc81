"""Compressors by name."""

from __future__ import annotations

import numpy as np
import pytest
import zarr

import geopatcher as gp
from geopatcher.targets.codecs import codec_from_name

IMAGE = np.random.default_rng(0).integers(0, 9, (40, 50)).astype("float32")


@pytest.mark.parametrize(
    ("name", "kind", "settings"),
    [
        ("zstd", "ZstdCodec", {"level": 0}),
        ("zstd-9", "ZstdCodec", {"level": 9}),
        ("gzip", "GzipCodec", {"level": 5}),
        ("gzip-1", "GzipCodec", {"level": 1}),
        ("blosc-lz4", "BloscCodec", {"clevel": 1, "typesize": 4}),
        ("blosc-zstd-7", "BloscCodec", {"clevel": 7, "typesize": 4}),
        ("none", "NoneType", {}),
    ],
)
def test_a_name_stands_for_a_codec_and_the_result_is_stored_with_it(tmp_path, name, kind, settings):
    codec = codec_from_name(name, 4)
    assert type(codec).__name__ == kind
    for key, value in settings.items():
        assert vars(codec)[key] == value
    gp.reconstruct(
        IMAGE,
        lambda x: x,
        tmp_path / "x.zarr",
        size=16,
        step=16,
        window="boxcar",
        storage=gp.ZarrStorage(name),
    )
    stored = zarr.open_group(tmp_path / "x.zarr", mode="r")["data"]
    np.testing.assert_array_equal(stored[:], IMAGE)
    assert [type(c).__name__ for c in stored.compressors] == ([] if codec is None else [kind])


@pytest.mark.parametrize(
    "name", ["", "lzma", "zstd-", "zstd--1", "blosc", "blosc-lzma", "none-3", "ZSTD", "zstd-x"]
)
def test_other_names_are_refused(name):
    with pytest.raises(ValueError, match="is none of: zstd, zstd-LEVEL, gzip-LEVEL, blosc-lz4"):
        codec_from_name(name, 4)
