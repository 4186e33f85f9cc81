"""One variable of a netCDF or HDF5 file in a bucket or on a web server, read by ranges of bytes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from geopatcher._optional import load
from geopatcher.errors import MissingExtraError, SourceAccessError, SourceError
from geopatcher.errors.redaction import shown
from geopatcher.fields.labelled_file import HDF5, is_grib, options_of, variable_in
from geopatcher.fields.url_identity import query_digest
from geopatcher.formats.classic_netcdf import MAGIC
from geopatcher.formats.urls import file_address
from geopatcher.formats.web_pages import page_instead_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geopatcher.core.protocols import PixelSource
    from geopatcher.fields.array_source import ArraySource
    from geopatcher.formats.remote_file import RemoteFile
    from geopatcher.formats.signing import Sign


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
    if is_grib(shown(path)):
        raise SourceError(f"GRIB files are read where they are on this machine: fetch {shown(path)}")
    load("obstore")  # says which extra brings it
    file: RemoteFile = load("geopatcher.formats.remote_file").RemoteFile(path, credentials, sign)
    source = _opened(file, name)
    return replace(source, origin=RemoteOrigin(file, name))


def _opened(file: RemoteFile, name: str) -> ArraySource:
    start = file.read(len(HDF5)) or b""
    file.seek(0)
    if start.startswith(MAGIC):
        store = load("geopatcher.formats.classic_store").ClassicStore(file)
        return variable_in(store, name, {"engine": "store"}, str(file))
    if start != HDF5:
        page = page_instead_of(file.path)
        if page:
            raise SourceAccessError(f"cannot open {file}: {page}")
        raise SourceError(f"{file} is no netCDF and no HDF5 file: check the address")
    options = options_of(start)
    if not options:
        raise MissingExtraError(f"h5netcdf is needed to read {file}: pip install 'geopatcher[netcdf,cloud]'")
    try:
        return variable_in(file, name, options, str(file))
    except SourceError as error:
        raise file.trouble or error from error
