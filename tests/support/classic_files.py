"""Small netCDF files of the classic format."""

from __future__ import annotations

import numpy as np
import pytest

FORMATS = {"NETCDF3_CLASSIC": 0, "NETCDF3_64BIT_OFFSET": 1, "NETCDF3_64BIT_DATA": 2}
RNG = np.random.default_rng(4)


class Held:
    """A file in memory."""

    def __init__(self, content):
        self.content = content

    @property
    def n_bytes(self):
        return len(self.content)

    def read_spans(self, spans):
        for start, target in spans:
            assert start + len(target) <= len(self.content)
            target[:] = self.content[start : start + len(target)]


def filled(path, kind, dtypes=("i1", "i2", "i4", "f4", "f8"), records=3, one=False):
    """Write variables of all kinds, along a dimension that grows and not."""
    netcdf = pytest.importorskip("netCDF4")
    with netcdf.Dataset(path, "w", format=kind) as file:
        for name, length in {"time": None, "y": 5, "x": 7, "letters": 6}.items():
            file.createDimension(name, length)
        file.title = "Schnee\u00df"
        file.numbers = np.array([1, 2, 3], "i2")
        file.one = np.float64(2.5)
        for dtype in dtypes if not one else dtypes[:1]:
            grows = file.createVariable(f"grows {dtype}", dtype, ("time", "y", "x"))
            grows.units = "K"
            grows[:] = RNG.integers(0, 100, (records, 5, 7))
        if not one:
            for dtype in dtypes:
                fixed = file.createVariable(f"fixed {dtype}", dtype, ("y", "x"))
                fixed[:] = RNG.integers(0, 100, (5, 7))
            file.createVariable("time", "i2", ("time",))[:] = np.arange(records) * 3
            file.createVariable("alone", "i4", ())[...] = 77
            file.createVariable("name", "S1", ("letters",))[:] = np.array(list("netcdf"), "S1")
    return path.read_bytes()
