"""One variable of a netCDF, HDF5 or GRIB file, or of a `xarray.Dataset`: read by xarray, window by window."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable
from urllib.parse import unquote

from geopatcher._optional import load
from geopatcher.errors import MissingExtraError, SourceAccessError, SourceError
from geopatcher.errors.redaction import shown
from geopatcher.fields.labelled import LabelledArray
from geopatcher.fields.xarray_field import XarrayField
from geopatcher.formats.local_files import is_elsewhere

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from geopatcher.core.protocols import PixelSource
    from geopatcher.fields.array_source import ArraySource
    from geopatcher.formats.remote_file import RemoteFile

#: Endings of GRIB files.
GRIBS = frozenset({".grib", ".grib1", ".grib2", ".grb", ".grb1", ".grb2"})
#: What files begin with that h5netcdf reads.
HDF5 = b"\x89HDF\r\n\x1a\n"
#: Addresses of files that are read in ranges.
_ELSEWHERE = re.compile(r"((?:s3|gs|az|https?)://[^/?#@]+)/([^?#]+)", re.IGNORECASE)


@runtime_checkable
class HasVariables(Protocol):
    """A `xarray.Dataset`."""

    @property
    def data_vars(self) -> Mapping[Hashable, object]:
        """Its variables, by name."""
        ...


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
        return {"path": str(self.file), "variable": self.variable, "version": self.file.stamp()}

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


def variable_of(path: str, name: str, credentials: str | None = None) -> PixelSource:
    """Open a variable of a file; ``name`` may begin with the groups it is in, as in ``science/grids/data``.

    Values are those that are stored: a scale and an offset are kept as metadata. A file in a bucket or on a
    web server is read in ranges as they are needed, with the ``credentials`` that a function of this name
    gives, or else those of the environment.

    Raises
    ------
    SourceError
        There is no such file or variable, or it cannot be used.
    MissingExtraError
        What reads such a file is not installed.

    """
    if is_elsewhere(path):
        return _elsewhere(path, name, credentials)
    if credentials is not None:
        raise ValueError(
            f"credentials={credentials!r} are for files in buckets, and {path} is on this machine"
        )
    place = Path(path)
    if not place.is_file():
        raise SourceAccessError(f"there is no file {place} (working directory: {Path.cwd()})")
    if place.suffix.lower() in GRIBS:
        return _of_grib(place, name)
    with place.open("rb") as file:
        start = file.read(len(HDF5))
    return _variable(place, name, _options(start), str(place))


def in_dataset(dataset: object, name: str, of: str = "a Dataset") -> XarrayField:
    """Return a variable of a `xarray.Dataset`.

    Raises
    ------
    SourceError
        There is none of this name, or it cannot be used.
    TypeError
        It is no Dataset.

    """
    if not isinstance(dataset, HasVariables):
        raise TypeError(
            f"variable={name!r} names an array of a zarr store, of a netCDF, HDF5 or GRIB file, or of a "
            f"xarray.Dataset, not of a {type(dataset).__name__}"
        )
    found = dataset.data_vars.get(name)
    if not isinstance(found, LabelledArray):
        known = ", ".join(sorted(map(str, dataset.data_vars))) or "none"
        raise SourceError(f"{of} has no variable {name!r}; its variables: {known}")
    try:
        return XarrayField(found)
    except (ValueError, TypeError) as error:
        raise SourceError(f"{name} of {of} cannot be used: {error}") from error


def _elsewhere(path: str, name: str, credentials: str | None) -> PixelSource:
    """Open a variable of an HDF5 file, of which ranges are fetched as they are read."""
    found = _ELSEWHERE.fullmatch(path)
    if found is None:
        raise SourceError(
            f"variable={name!r} names an array of a file on this machine, or at https://, s3://, gs:// or "
            f"az:// without a user or a query, and {shown(path)} is none: fetch it, or name the subdataset "
            f"by GDAL's own path"
        )
    if os.path.splitext(found[2])[1].lower() in GRIBS:  # noqa: PTH122 - it is no path of this machine
        raise SourceError(f"GRIB files are read where they are on this machine: fetch {shown(path)}")
    root, key = found[1], unquote(found[2]) if found[1].lower().startswith("http") else found[2]
    load("obstore")  # says which extra brings it
    file: RemoteFile = load("geopatcher.formats.remote_file").RemoteFile(root, key, credentials)
    start = file.read(len(HDF5)) or b""
    file.seek(0)
    if start != HDF5:
        what = "netCDF-3" if start.startswith(b"CDF") else "no HDF5"
        raise SourceError(
            f"{file} is {what}, of which xarray would read all at once: only netCDF-4 and HDF5 files are "
            f"read in windows from elsewhere. Fetch it, or convert it, as by nccopy -k nc4"
        )
    options = _options(start)
    if not options:
        raise MissingExtraError(f"h5netcdf is needed to read {file}: pip install 'geopatcher[netcdf,cloud]'")
    try:
        source = _variable(file, name, options, str(file))
    except SourceError as error:
        raise file.trouble or error from error
    return replace(source, origin=RemoteOrigin(file, name))


def _of_grib(place: Path, name: str) -> PixelSource:
    """Open a variable of a GRIB file, without an index beside it; others may lie on other levels."""
    options: dict[str, object] = {"engine": "cfgrib"}
    alone = {"indexpath": "", "filter_by_keys": {"cfVarName": name}}
    dataset = _dataset(place, options | {"backend_kwargs": alone})
    if not (isinstance(dataset, HasVariables) and name in dataset.data_vars):
        dataset = _dataset(place, options | {"backend_kwargs": {"indexpath": ""}})
    field = in_dataset(dataset, name, str(place))
    return _named(field, f"{name} of {place}")


def _variable(place: Path | RemoteFile, name: str, options: Mapping[str, object], of: str) -> ArraySource:
    group, _, variable = name.rpartition("/")
    dataset = _dataset(place, {**options, **({"group": group} if group else {})})
    return _named(in_dataset(dataset, variable, of), f"{name} of {of}")


def _named(field: XarrayField, label: str) -> ArraySource:
    return replace(field.source, label=label)


def _dataset(place: Path | RemoteFile, options: Mapping[str, object]) -> object:
    """Open a file by xarray; values stay as they are stored."""
    known = {"mask_and_scale": False, "decode_coords": "all", "decode_timedelta": False}
    try:
        dataset: object = load("xarray").open_dataset(place, **known, **options)
    except ImportError as error:
        raise _missing(place, error) from error
    except (OSError, ValueError, KeyError, EOFError) as error:
        if "IO backends" in str(error) or "unrecognized engine" in str(error):
            raise _missing(place, error) from error
        raise SourceError(f"cannot open {place}: {error}") from error
    return dataset


def _options(start: bytes) -> dict[str, object]:
    """Return with what xarray opens a file that begins so; by itself it asks each of its engines."""
    if start != HDF5 or "h5netcdf" not in load("xarray").backends.list_engines():
        return {}
    return {"engine": "h5netcdf", "phony_dims": "access"}  # files without names of dimensions, too


def _missing(place: Path | RemoteFile, error: Exception) -> MissingExtraError:
    """Return what says how to read a file."""
    grib = Path(str(place)).suffix.lower() in GRIBS
    package = "cfgrib" if grib else "'geopatcher[netcdf]'"
    return MissingExtraError(
        f"nothing that is installed reads {place} ({type(error).__name__}): pip install {package}"
    )
