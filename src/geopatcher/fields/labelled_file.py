"""A variable of a netCDF, HDF5 or GRIB file, by xarray."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from geopatcher._optional import load
from geopatcher.errors import MissingExtraError, SourceAccessError, SourceError
from geopatcher.errors.redaction import shown
from geopatcher.fields.labelled import LabelledArray
from geopatcher.fields.xarray_field import XarrayField
from geopatcher.formats.local_files import is_elsewhere

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

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


def variable_of(path: str, name: str) -> XarrayField:
    """Open a variable of a file; ``name`` may begin with the groups it is in, as in ``science/grids/data``.

    Values are those that are stored: a scale and an offset are kept as metadata.

    Raises
    ------
    SourceError
        There is no such file or variable, or it cannot be used.
    MissingExtraError
        What reads such a file is not installed.

    """
    if is_elsewhere(path):
        raise SourceError(
            f"variable={name!r} names an array of a zarr store, or of a netCDF, HDF5 or GRIB file of this "
            f"machine, and {shown(path)} is none: fetch it, or name the subdataset by GDAL's own path"
        )
    place = Path(path)
    if not place.is_file():
        raise SourceAccessError(f"there is no file {place} (working directory: {Path.cwd()})")
    group, _, variable = name.rpartition("/")
    options = _options(place) | ({"group": group} if group else {})
    try:
        dataset = load("xarray").open_dataset(
            place, mask_and_scale=False, decode_coords="all", decode_timedelta=False, **options
        )
    except ImportError as error:
        raise _missing(place, error) from error
    except (OSError, ValueError, KeyError) as error:
        if "IO backends" in str(error) or "unrecognized engine" in str(error):
            raise _missing(place, error) from error
        raise SourceError(f"cannot open {place}: {error}") from error
    return in_dataset(dataset, variable, str(place))


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


def _options(place: Path) -> dict[str, str]:
    """Return with what xarray opens a file; by itself it asks each of its engines."""
    if place.suffix.lower() in GRIBS:
        return {"engine": "cfgrib"}
    with place.open("rb") as file:
        if file.read(len(HDF5)) != HDF5:
            return {}
    if "h5netcdf" not in load("xarray").backends.list_engines():
        return {}
    return {"engine": "h5netcdf", "phony_dims": "access"}  # files without names of dimensions, too


def _missing(place: Path, error: Exception) -> MissingExtraError:
    """Return what says how to read a file."""
    grib = place.suffix.lower() in GRIBS
    package = "cfgrib" if grib else "'geopatcher[netcdf]'"
    return MissingExtraError(
        f"nothing that is installed reads {place} ({type(error).__name__}): pip install {package}"
    )
