"""One variable of a netCDF, HDF5 or GRIB file, or of a `xarray.Dataset`: read by xarray, window by window."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from geopatcher._optional import load
from geopatcher.errors import MissingExtraError, SourceAccessError, SourceError
from geopatcher.fields.labelled import LabelledArray
from geopatcher.fields.xarray_field import StoredVariable, XarrayField

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from geopatcher.core.protocols import PixelSource
    from geopatcher.fields.array_source import ArraySource

#: Endings of GRIB files.
GRIBS = frozenset({".grib", ".grib1", ".grib2", ".grb", ".grb1", ".grb2"})
#: What files begin with that h5netcdf reads.
HDF5 = b"\x89HDF\r\n\x1a\n"


@runtime_checkable
class HasVariables(Protocol):
    """A `xarray.Dataset`."""

    @property
    def data_vars(self) -> Mapping[Hashable, object]:
        """Its variables, by name."""
        ...


def variable_here(path: str, name: str) -> PixelSource:
    """Open a variable of a file of this machine.

    Values are those that are stored: a scale and an offset are kept as metadata. ``name`` may begin with the
    groups it is in, as in ``science/grids/data``.

    Raises
    ------
    SourceError
        There is no such file or variable, or it cannot be used.
    MissingExtraError
        What reads such a file is not installed.

    """
    place = Path(path)
    if not place.is_file():
        raise SourceAccessError(f"there is no file {place} (working directory: {Path.cwd()})")
    if is_grib(path):
        return variable_of_grib(place, name, str(place))
    with place.open("rb") as file:
        start = file.read(len(HDF5))
    return variable_in(place, name, options_of(start), str(place))


def is_grib(path: str) -> bool:
    """Whether a file, here or elsewhere, is called as GRIB files are.

    >>> is_grib("s3://bucket/gfs.GRIB2"), is_grib("a.nc")
    (True, False)
    """
    return path.lower().endswith(tuple(GRIBS))


def in_dataset(
    dataset: object, name: str, of: str = "a Dataset", kind: type[XarrayField] = XarrayField
) -> XarrayField:
    """Return a variable of a `xarray.Dataset` as a ``kind`` of field.

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
        return kind(found)
    except (ValueError, TypeError) as error:
        raise SourceError(f"{name} of {of} cannot be used: {error}") from error


def variable_of_grib(place: Path, name: str, of: str) -> ArraySource:
    """Open a variable of a GRIB file, without an index beside it; others may lie on other levels.

    Raises
    ------
    SourceError, MissingExtraError
        See `variable_here`.

    """
    options: dict[str, object] = {"engine": "cfgrib"}
    alone = {"indexpath": "", "filter_by_keys": {"cfVarName": name}}
    dataset = _dataset(place, options | {"backend_kwargs": alone}, of)
    if not (isinstance(dataset, HasVariables) and name in dataset.data_vars):
        dataset = _dataset(place, options | {"backend_kwargs": {"indexpath": ""}}, of)
    return _named(in_dataset(dataset, name, of, StoredVariable), f"{name} of {of}")


def variable_in(place: object, name: str, options: Mapping[str, object], of: str) -> ArraySource:
    """Open a variable of what xarray opens with such ``options``, a file called ``of``.

    Raises
    ------
    SourceError, MissingExtraError
        See `variable_here`.

    """
    group, _, variable = name.rpartition("/")
    dataset = _dataset(place, {**options, **({"group": group} if group else {})}, of)
    return _named(in_dataset(dataset, variable, of, StoredVariable), f"{name} of {of}")


def _named(field: XarrayField, label: str) -> ArraySource:
    return replace(field.source, label=label)


def _dataset(place: object, options: Mapping[str, object], of: str) -> object:
    """Open a file by xarray; values stay as they are stored."""
    known = {"mask_and_scale": False, "decode_coords": "all", "decode_timedelta": False}
    try:
        dataset: object = load("xarray").open_dataset(place, **known, **options)
    except ImportError as error:
        raise _missing(of, error) from error
    except (OSError, ValueError, KeyError, EOFError) as error:
        if "IO backends" in str(error) or "unrecognized engine" in str(error):
            raise _missing(of, error) from error
        raise SourceError(f"cannot open {of}: {error}") from error
    return dataset


def options_of(start: bytes) -> dict[str, object]:
    """Return with what xarray opens a file that begins so; by itself it asks each of its engines."""
    if start != HDF5 or "h5netcdf" not in load("xarray").backends.list_engines():
        return {}
    return {"engine": "h5netcdf", "phony_dims": "access"}  # files without names of dimensions, too


def _missing(of: str, error: Exception) -> MissingExtraError:
    """Return what says how to read a file."""
    package = "cfgrib" if is_grib(of) else "'geopatcher[netcdf]'"
    return MissingExtraError(
        f"nothing that is installed reads {of} ({type(error).__name__}): pip install {package}"
    )
