from __future__ import annotations

import hashlib

import numpy as np
import pytest

from geopatcher.core import digests
from geopatcher.core.digests import array_digest, cells_digest, digest_of, file_digest


class Sliced:
    """Cells that are read strip by strip, and how large the strips were."""

    def __init__(self, array):
        self.array, self.shape, self.dtype, self.read = array, array.shape, array.dtype, []

    def __getitem__(self, index):
        part = self.array[index]
        self.read.append(part.nbytes)
        return part


@pytest.fixture
def small_strips(monkeypatch):
    monkeypatch.setattr(digests, "STRIP_BYTES", 1000)


def test_where_a_text_ends_counts():
    assert digest_of("ab", "c") != digest_of("a", "bc") != digest_of("abc")
    assert digest_of("a") == digest_of(b"a") == hashlib.sha256(b"1:a").hexdigest()[:16]
    assert digest_of("\ud800") == digest_of(b"\\ud800")  # a name of a file need not be text


@pytest.mark.parametrize("shape", [(7,), (3, 40), (2, 30, 40), (2, 3, 20, 20), (0, 5), (5, 0)])
def test_an_array_is_its_cells_however_they_lie(small_strips, shape):
    array = np.random.default_rng(0).integers(0, 99, shape).astype("int16")
    wanted = array_digest(array)
    assert array_digest(np.asfortranarray(array)) == wanted
    assert array_digest(np.repeat(array[..., np.newaxis], 2, axis=-1)[..., 0]) == wanted
    if array.ndim >= 2 and array.size:
        sliced = Sliced(array)
        assert cells_digest(sliced) == wanted
        assert sum(sliced.read) == array.nbytes
        assert max(sliced.read) <= 1000


@pytest.mark.parametrize("where", [(0, 0, 0), (1, 29, 39), (0, 15, 7)])
def test_any_cell_dtype_and_shape_count(small_strips, where):
    array = np.zeros((2, 30, 40), "int16")
    changed = array.copy()
    changed[where] = 1
    others = [changed, array.astype("uint16"), array.astype(">i2"), array.reshape(2, 40, 30), array[0]]
    found = {array_digest(each) for each in (array, *others)}
    assert len(found) == len(others) + 1


def test_a_file_is_its_bytes(tmp_path):
    (tmp_path / "x").write_bytes(b"123")
    assert file_digest(tmp_path / "x") == hashlib.sha256(b"123").hexdigest()[:16]
    with pytest.raises(FileNotFoundError):
        file_digest(tmp_path / "y")
