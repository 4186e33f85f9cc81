"""The classic format of netCDF by ranges, against what the netCDF library reads of the file."""

from __future__ import annotations

import numpy as np
import pytest

from classic_files import FORMATS, Held, filled
from geopatcher.errors import SourceError
from geopatcher.formats.classic_netcdf import MAGIC, read_header

netcdf = pytest.importorskip("netCDF4")

RNG = np.random.default_rng(5)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("records", [0, 1, 3])
@pytest.mark.parametrize("one", [False, True])
def test_all_that_the_library_reads(tmp_path, kind, records, one):
    path, dtypes = tmp_path / "a.nc", ["i1", "i2", "i4", "f4", "f8"]
    if kind == "NETCDF3_64BIT_DATA":
        dtypes += ["u1", "u2", "u4", "i8", "u8"]
    held = Held(filled(path, kind, dtypes, records, one))
    assert held.content.startswith(MAGIC[FORMATS[kind]])
    header = read_header(held, "a.nc")
    with netcdf.Dataset(path) as file:
        file.set_auto_maskandscale(False)
        assert {name: len(each) for name, each in file.dimensions.items()} == header.dimensions
        assert header.unlimited == ("time",)
        assert header.attributes["title"] == file.title
        assert header.attributes["one"] == file.one
        np.testing.assert_array_equal(header.attributes["numbers"], file.numbers)
        assert set(header.variables) == set(file.variables)
        for name, variable in header.variables.items():
            wanted = np.asarray(file.variables[name][...])
            assert variable.shape == wanted.shape
            found = variable.read(held, [0] * wanted.ndim, wanted.shape)
            assert found.dtype == wanted.dtype
            assert found.dtype.isnative
            np.testing.assert_array_equal(found, wanted)
            for _ in range(20):
                starts = [int(RNG.integers(0, length + 1)) for length in wanted.shape]
                stops = [
                    int(RNG.integers(low, length + 1))
                    for low, length in zip(starts, wanted.shape, strict=True)
                ]
                part = tuple(map(slice, starts, stops))
                np.testing.assert_array_equal(variable.read(held, starts, stops), wanted[part])


def test_a_file_that_was_not_closed_has_as_many_records_as_there_are(tmp_path):
    content = filled(tmp_path / "a.nc", "NETCDF3_CLASSIC")
    held = Held(content[:4] + b"\xff\xff\xff\xff" + content[8:])
    assert read_header(held, "a.nc").dimensions["time"] == 3


@pytest.mark.parametrize("kind", FORMATS)
def test_what_is_cut_off_is_an_error(tmp_path, kind):
    content = filled(tmp_path / "a.nc", kind)
    for n_bytes in [4, 8, 50, 200, 400, len(content) // 2, len(content) - 16]:
        with pytest.raises(SourceError, match=r"a\.nc is cut off: .* write or fetch it again"):
            read_header(Held(content[:n_bytes]), "a.nc")


def test_a_damaged_header_is_an_error_or_read(tmp_path):
    content = bytearray(filled(tmp_path / "a.nc", "NETCDF3_CLASSIC"))
    for _ in range(400):
        bad = bytearray(content)
        for _ in range(3):
            bad[int(RNG.integers(4, 900))] = int(RNG.integers(0, 256))
        held = Held(bytes(bad))
        try:
            header = read_header(held, "a.nc")
        except SourceError:
            continue
        for variable in header.variables.values():
            variable.read(held, [0] * len(variable.shape), [min(2, length) for length in variable.shape])
