"""One variable of a netCDF, HDF5 or GRIB file in a bucket or on a web server, read by ranges of bytes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from geopatcher._optional import load
from geopatcher.errors import MissingExtraError, SourceAccessError, SourceError
from geopatcher.errors.redaction import shown
from geopatcher.fields.labelled_file import HDF5, options_of, variable_in, variable_of_grib
from geopatcher.fields.url_identity import query_digest
from geopatcher.formats.classic_netcdf import MAGIC
from geopatcher.formats.fetched_file import FetchedFile
from geopatcher.formats.urls import file_address
from geopatcher.formats.web_pages import page_instead_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import EllipsisType

    import numpy as np

    from geopatcher.core.protocols import Array, PixelSource, Sliceable
    from geopatcher.fields.array_source import ArraySource
    from geopatcher.formats.remote_file import RemoteFile
    from geopatcher.formats.signing import Sign

#: What each message of a GRIB file begins with.
GRIB = b"GRIB"


@dataclass(frozen=True)
class RemoteOrigin:
    """A variable of a file elsewhere, by what its server says of the version there is."""

    file: RemoteFile
    variable: str

    def identity(self) -> Mapping[str, str | int | float]:
        """Return the address, the variable, and the etag and the size of the file.

        Raises
        ------
        SourceError
            The server cannot be asked.

        """
        query = query_digest(self.file.path)
        known = {"path": str(self.file), "variable": self.variable, "version": self.file.stamp()}
        return known | ({"query": query} if query else {})

    @property
    def working_bytes(self) -> int:
        """Of the file, beside pixels."""
        return self.file.working_bytes

    def version(self) -> str:
        """Return the etag and the size.

        Raises
        ------
        SourceError
            The server cannot be asked.

        """
        return self.file.stamp()


def variable_elsewhere(path: str, name: str, credentials: str | None, sign: Sign | None) -> PixelSource:
    """Open a variable of a file of which ranges are fetched as they are read.

    Values are those that are stored. A bucket lets us in by the ``credentials`` that a function of this name
    gives, or else those of the environment; a web server by the query of the address, or by what ``sign``
    makes of it.

    Raises
    ------
    SourceError
        There is no such file or variable, or it cannot be used.
    MissingExtraError
        What reads such a file is not installed.

    """
    if file_address(path) is None:
        raise SourceError(
            f"variable={name!r} names an array of a file on this machine, or at https://, s3://, gs:// or "
            f"az:// without a user, and {shown(path)} is none: fetch it, or name the subdataset by GDAL's "
            f"own path"
        )
    load("obstore")  # says which extra brings it
    file: RemoteFile = load("geopatcher.formats.remote_file").RemoteFile(path, credentials, sign)
    source = _opened(file, name)
    return replace(source, origin=RemoteOrigin(file, name))


def _fetched(file: RemoteFile, name: str) -> ArraySource:
    """Open a variable of a GRIB file, in which nothing says where its messages are: it is fetched whole."""
    if "cfgrib" not in load("xarray").backends.list_engines():
        raise MissingExtraError(f"nothing that is installed reads {file}: pip install cfgrib")
    copy = FetchedFile(file)
    source = variable_of_grib(copy.path, name, str(file))
    cells = _CopiedCells(copy, name, source.array.shape, source.array.dtype)
    vars(cells)["_array"] = source.array  # it need not be opened again here
    return replace(source, array=cells)


@dataclass(frozen=True, eq=False)
class _CopiedCells:
    """Cells of a variable of a file that was fetched, and is opened where they are read."""

    copy: FetchedFile
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype

    @cached_property
    def _array(self) -> Sliceable:
        return variable_of_grib(self.copy.path, self.name, "a copy").array

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in self.__dict__.items() if name != "_array"}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)

    def __getitem__(self, index: tuple[EllipsisType | slice, ...]) -> Array:
        cells: Array = self._array[index]
        return cells


def _opened(file: RemoteFile, name: str) -> ArraySource:
    start = file.read(len(HDF5)) or b""
    file.seek(0)
    if start.startswith(GRIB):
        return _fetched(file, name)
    if start.startswith(MAGIC):
        store = load("geopatcher.formats.classic_store").ClassicStore(file)
        return variable_in(store, name, {"engine": "store"}, str(file))
    if start != HDF5:
        page = page_instead_of(file.path)
        if page:
            raise SourceAccessError(f"cannot open {file}: {page}")
        raise SourceError(f"{file} is no netCDF, HDF5 or GRIB file: check the address")
    options = options_of(start)
    if not options:
        raise MissingExtraError(f"h5netcdf is needed to read {file}: pip install 'geopatcher[netcdf,cloud]'")
    try:
        return variable_in(file, name, options, str(file))
    except SourceError as error:
        raise file.trouble or error from error
