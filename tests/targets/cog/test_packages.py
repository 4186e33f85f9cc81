"""Files of blocks on their way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from geopatcher.core.gaps import Gaps
from geopatcher.errors import TargetError
from geopatcher.targets.cog.packages import FOOTER, Package, PackageReader, framed

RANDOM = np.random.default_rng(0)
HALF = RANDOM.integers(0, 9, (2, 8, 5)).astype("int16")
ASIDE = HALF + 1
KNOWN = RANDOM.random(HALF.shape) > 0.5
MOMENTS = RANDOM.random((2, 5))
WHOLE = Package(b"tile bytes", b"mask", HALF, ASIDE, KNOWN, MOMENTS, Gaps(1, 2, 3))


def packed(tmp_path, package=WHOLE):
    (tmp_path / "0").write_bytes(package.pack())
    return PackageReader(tmp_path / "0")


def test_every_part_comes_back(tmp_path):
    with packed(tmp_path) as reader:
        assert reader.tile() == framed(b"tile bytes")
        assert reader.mask() == framed(b"mask")
        np.testing.assert_array_equal(reader.half(HALF.shape, HALF.dtype, aside=False), HALF)
        np.testing.assert_array_equal(reader.half(HALF.shape, HALF.dtype, aside=True), ASIDE)
        np.testing.assert_array_equal(reader.known(HALF.shape), KNOWN)
        np.testing.assert_array_equal(reader.moments(2), MOMENTS)
        assert reader.footer.gaps == (1, 2, 3)


def test_another_tile_takes_the_place_of_one(tmp_path):
    with packed(tmp_path, replace(WHOLE, way=3, tried=(5, 4, 3, 2, 1, 0))) as reader:
        assert (reader.footer.way, reader.footer.tried) == (3, (5, 4, 3, 2, 1, 0))
        (tmp_path / "1").write_bytes(reader.with_tile(b"shorter", 2))
    with PackageReader(tmp_path / "1") as reader:
        assert reader.tile() == framed(b"shorter")
        assert (reader.footer.way, reader.footer.tried) == (2, (5, 4, 3, 2, 1, 0))
        assert reader.mask() == framed(b"mask")
        np.testing.assert_array_equal(reader.half(HALF.shape, HALF.dtype, aside=True), ASIDE)
        np.testing.assert_array_equal(reader.moments(len(MOMENTS)), MOMENTS)
        assert reader.footer.gaps == (1, 2, 3)


def test_what_is_not_said_is_the_usual(tmp_path):
    with packed(tmp_path, Package(b"t", b"", HALF, None, None, MOMENTS, Gaps())) as reader:
        np.testing.assert_array_equal(reader.half(HALF.shape, HALF.dtype, aside=True), HALF)
        assert reader.known(HALF.shape).all()
        assert reader.mask() == b""
    with packed(tmp_path, Package(b"", b"mask", None, None, None, MOMENTS, Gaps(4))) as reader:
        assert reader.half(HALF.shape, HALF.dtype, aside=False) is None
        assert not reader.known(HALF.shape).any()
        assert reader.tile() == b""


@pytest.mark.parametrize("harm", ["cut", "longer", "empty", "other"])
def test_a_file_that_is_not_whole_is_refused(tmp_path, harm):
    content = WHOLE.pack()
    harmed = {
        "cut": content[5:],
        "longer": b"x" + content,
        "empty": b"",
        "other": content[: -FOOTER.size] + bytes(FOOTER.size),
    }
    (tmp_path / "0").write_bytes(harmed[harm])
    with pytest.raises(TargetError, match=r"0 is no whole block: remove it, and run the same again"):
        PackageReader(tmp_path / "0")


def test_a_file_that_is_not_there_holds_fill(tmp_path):
    with pytest.raises(FileNotFoundError):
        PackageReader(tmp_path / "0")


def test_short_tiles_have_a_frame_too():
    assert framed(b"") == b""
    assert framed(b"ab") == b"\x02\0\0\0ab\0\0ab"
