"""A netCDF file of the classic format as xarray opens it: windows of its variables are read by ranges.

This module imports xarray, and is loaded by `geopatcher._optional.load` when it is needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from xarray import Variable
from xarray.backends import AbstractDataStore, BackendArray
from xarray.core.indexing import (
    ExplicitIndexer,
    IndexingSupport,
    LazilyIndexedArray,
    explicit_indexing_adapter,
)

from geopatcher.formats.classic_netcdf import read_header

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geopatcher.core.arrays import Array
    from geopatcher.formats.classic_netcdf import ClassicVariable
    from geopatcher.formats.remote_file import RemoteFile


class ClassicArray(BackendArray):
    """The cells of one variable; it travels with its file."""

    def __init__(self, file: RemoteFile, variable: ClassicVariable) -> None:
        self._file, self._variable = file, variable
        self.shape = variable.shape
        self.dtype = variable.dtype.newbyteorder("=")

    def __getitem__(self, key: ExplicitIndexer) -> Array:
        cells: Array = explicit_indexing_adapter(key, self.shape, IndexingSupport.BASIC, self._read)
        return cells

    def _read(self, key: tuple[int | slice, ...]) -> Array:
        """Return cells of a rectangle, each step of a slice or each single index."""
        starts, stops = [], []
        then: list[int | slice] = []
        for part, length in zip(key, self.shape, strict=True):
            if isinstance(part, slice):
                places = range(length)[part]
                low, high = (min(places[0], places[-1]), max(places[0], places[-1])) if places else (0, -1)
                then.append(slice(None, None, places.step))
            else:
                low = high = range(length)[part]
                then.append(0)
            starts.append(low)
            stops.append(high + 1)
        cells: Array = np.asarray(self._variable.read(self._file, starts, stops))[tuple(then)]
        return cells


class ClassicStore(AbstractDataStore):
    """What xarray opens a file by.

    Raises
    ------
    SourceError
        Its header cannot be read.

    """

    def __init__(self, file: RemoteFile) -> None:
        self._file, self._header = file, read_header(file, str(file))

    def get_dimensions(self) -> Mapping[str, int]:
        """Return their lengths by their names."""
        return self._header.dimensions

    def get_attrs(self) -> Mapping[str, object]:
        """Return what is said of the whole file."""
        return self._header.attributes

    def get_variables(self) -> Mapping[str, Variable]:
        """Return all variables, whose cells are read when they are needed."""
        return {
            name: Variable(each.dims, LazilyIndexedArray(ClassicArray(self._file, each)), each.attributes)
            for name, each in self._header.variables.items()
        }

    def get_encoding(self) -> Mapping[str, object]:
        """Return which dimension may grow."""
        return {"unlimited_dims": set(self._header.unlimited)}
