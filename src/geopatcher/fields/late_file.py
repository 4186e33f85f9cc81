"""One band of a file whose grid is known before it is opened, and looked up when it is."""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from affine import Affine
from rasterio.warp import transform

from geopatcher.core.domain import RasterDomain
from geopatcher.errors import SourceAccessError, SourceError
from geopatcher.errors.redaction import shown
from geopatcher.fields.array_source import exact_nodata
from geopatcher.fields.file_identity import SourceFiles
from geopatcher.fields.grids import crs_of, pixels_at, same_crs, whole_shift
from geopatcher.fields.rasterio_source import RasterioSource
from geopatcher.fields.scenes import AlignedScene, scene_on
from geopatcher.fields.source_files import files_behind
from geopatcher.fields.touching import touched
from geopatcher.fields.under_tile import Places
from geopatcher.fields.url_identity import url_of
from geopatcher.fields.warped_scene import WarpedScene
from geopatcher.formats.gdal_environment import GDAL_ERRORS, environment
from geopatcher.formats.signing import SIGNED

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from geopatcher.core.blocks_below import BlocksBelow
    from geopatcher.core.box import Box
    from geopatcher.fields.catalogued import DescribedFile
    from geopatcher.fields.warping import Cells
    from geopatcher.formats.signing import Sign

#: A file may lie this far from where it is said to, in pixels: people write fewer digits than there are.
NEAR_PX = 0.01
#: Blocks of a file that is not opened yet, in pixels: no file of a catalogue has much larger ones.
USUAL_BLOCK = (512, 512)
#: Pixels of a grid on each side, past which corners are no pixels of it.
_CORNERS = ((0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0))


@dataclass(frozen=True)
class LateFile:
    """One band of a file: ``domain`` is what is said of it, ``(1, height, width)``.

    ``missing`` is the value of missing pixels where the file itself has no way to tell them, and ``told`` the
    one that it is said to have. Opening it is left to the first look at its pixels, and fails if it is not
    what was said.
    """

    name: str
    path: str = field(repr=False)
    index: int | None
    domain: RasterDomain
    missing: float | int | None = None
    told: float | int | None = None
    sign: Sign | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self._note()

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._note()

    def _note(self) -> None:
        """Tell who signs it, who may be wanted before it is opened."""
        if self.sign is not None:
            SIGNED.note(self.path, self.sign)

    @classmethod
    def of(cls, told: DescribedFile, dtype: np.dtype | None) -> LateFile:
        """Return a file as it is described; what is not told is asked of the file, a ``dtype`` is not.

        Raises
        ------
        SourceError
            It has to be asked, and cannot be, or what is told cannot be.

        """
        grid, said = told.grid, told.told
        missing = told.nodata if said.nodata is None else said.nodata
        dtype = dtype if said.dtype is None else np.dtype(said.dtype)
        if grid.crs is None or grid.transform is None or grid.shape is None or dtype is None:
            with named(told.name):
                file = _only_band(told.href, told.index, told.sign)
            domain = file.domain
            if not file.has_nodata:
                domain = replace(domain, nodata=_exact(missing, domain.dtype))
            made = cls(told.name, told.href, told.index, domain, missing, said.nodata, told.sign)
            vars(made)["source"] = made.checked(file)
            return made
        try:
            crs = crs_of(grid.crs).to_wkt()
            domain = RasterDomain((1, *grid.shape), Affine(*grid.transform), crs, None, dtype)
        except ValueError as error:
            raise SourceError(f"{told.name} is described as what cannot be: {error}") from error
        domain = replace(domain, nodata=_exact(missing, dtype))
        return cls(told.name, told.href, told.index, domain, missing, said.nodata, told.sign)

    @cached_property
    def source(self) -> RasterioSource:
        """The file, opened.

        Raises
        ------
        SourceError
            It cannot be, or it is not what was said of it.

        """
        with named(self.name):
            file = _only_band(self.path, self.index, self.sign)
        return self.checked(file)

    @property
    def shown(self) -> str:
        """What messages call it and where it is."""
        return f"{self.name} ({shown(self.path)})"

    @property
    def fill(self) -> float | int | None:
        """The value of missing pixels that has to be looked for, since the file tells of none."""
        return None if self.source.has_nodata else _exact(self.missing, self.domain.dtype)

    def names(self) -> tuple[str, ...]:
        """Return the files behind it; one on a server is not asked, unless it lists others."""
        return (self.path,) if self._is_page else SourceFiles.of(self.path).names

    def local_files(self) -> tuple[Path, ...]:
        """Return the files of this machine behind it."""
        return () if self._is_page else files_behind(self.path)

    @property
    def _is_page(self) -> bool:
        """Whether it is on a server, and lists no others."""
        url = url_of(SIGNED.of(self.path))
        return url is not None and not url.partition("?")[0].lower().endswith(".vrt")

    def checked(self, file: RasterioSource) -> RasterioSource:
        """Return an open file if it is what was said.

        Raises
        ------
        SourceError
            It is not; says what it is.

        """
        own, said = file.domain, self.domain
        trouble = None
        if own.dtype != said.dtype:
            trouble = f"holds {own.dtype}, and its item says {said.dtype}"
        elif own.grid_shape != said.grid_shape:
            trouble = f"has {own.grid_shape} pixels, and its item says {said.grid_shape}"
        elif not _same_place(own, said):
            trouble = (
                f"has the bounds {own.bounds} in {_called(own)}, and its item says {said.bounds} in "
                f"{_called(said)}"
            )
        else:
            value = _exact(self.told, own.dtype)
            if own.nodata is not None and value is not None and not _equal(own.nodata, value):
                trouble = f"has the nodata value {own.nodata}, and its item says {self.told}"
        if trouble is None:
            return file
        raise SourceError(f"{self.shown} {trouble}: have the files asked instead, with headers=True")


@dataclass(frozen=True)
class LateScene:
    """A `LateFile` on the grid of a map; its file is opened when it is read."""

    file: LateFile
    box: Box
    onto: RasterDomain
    method: str
    density: float

    @classmethod
    def on(cls, file: LateFile, onto: RasterDomain, method: str | None) -> LateScene:
        """Put a file on a grid; pixels of integers are the nearest where no method is named.

        Raises
        ------
        SourceError
            It has no place there.

        """
        usual = "bilinear" if file.domain.dtype.kind == "f" else "nearest"
        box, density = touched(file.domain, onto, file.name)
        return cls(file, box, onto, method or usual, density)

    def read(self, box: Box, tile: tuple[int, int]) -> Cells:
        """Return pixels ``(1, h, w)`` of a rectangle of the map within ``box``, and where they hold data.

        Raises
        ------
        SourceError
            The file cannot be opened or read, or is not what was said; names it.

        """
        with named(self.file.name):
            pixels, held = self._scene.read(box, tile)
        fill = self.file.fill
        if fill is None or not isinstance(self._scene, AlignedScene):
            return pixels, held
        if pixels.dtype.kind == "f":
            pixels[pixels == fill] = np.nan
            return pixels, held
        return pixels, pixels != fill

    def blocks_below(self, tile: tuple[int, int]) -> tuple[BlocksBelow, ...]:
        """Return what blocks of its file lie below the map, where it is warped: its own are not known yet."""
        domain = self.file.domain
        if self.box.empty or whole_shift(domain, self.onto) is not None:
            return ()
        with environment():
            places = Places.of(self.onto.cut(self.box), domain)
        if places is None:
            return ()
        return (places.blocks(tile, domain.grid_shape, USUAL_BLOCK, domain.dtype.itemsize + 1),)

    @property
    def _scene(self) -> AlignedScene | WarpedScene:
        """One for all threads, which have its blocks in common."""
        known: AlignedScene | WarpedScene | None = vars(self).get("_made")
        return known or vars(self).setdefault("_made", self._placed())

    def _placed(self) -> AlignedScene | WarpedScene:
        scene = scene_on(self.file.source, self.onto, self.method)
        if isinstance(scene, WarpedScene) and self.file.fill is not None:
            scene = scene.without(self.file.fill)
        if not isinstance(scene, AlignedScene | WarpedScene):
            raise SourceError(f"{self.file.shown} does not lie where its item says")
        return scene


@contextmanager
def named(name: str) -> Iterator[None]:
    """Have errors of reading begin with the name of an asset."""
    try:
        yield
    except SourceAccessError as error:
        raise SourceAccessError(_led_by(name, error)) from error
    except SourceError as error:
        raise SourceError(_led_by(name, error)) from error


def _led_by(name: str, error: SourceError) -> str:
    return str(error) if str(error).startswith(name) else f"{name}: {error}"


def _only_band(path: str, index: int | None, sign: Sign | None) -> RasterioSource:
    """Open a band of a file, or the only one it has."""
    if index is not None:
        return RasterioSource(path, (index,), sign=sign)
    file = RasterioSource(path, sign=sign)
    if file.domain.n_bands > 1:
        raise SourceError(
            f"{file.name} has {file.domain.n_bands} bands: say which one, as in KEY.1 for the first one of "
            f"asset KEY"
        )
    return file


def _exact(value: float | int | None, dtype: np.dtype) -> float | int | None:
    """Return a nodata value as pixels may hold it; ``None`` where none can."""
    return None if value is None else exact_nodata(value, dtype)


def _equal(one: float | int, other: float | int) -> bool:
    """Whether two numbers are the same, or both none.

    >>> _equal(0.0, 0), _equal(math.nan, math.nan), _equal(0, 1)
    (True, True, False)
    """
    return one == other or (math.isnan(one) and math.isnan(other))


def _same_place(own: RasterDomain, said: RasterDomain) -> bool:
    """Whether corners of a file are where they are said to be."""
    if same_crs(own.crs, said.crs) and whole_shift(own, said) == (0, 0):
        return True
    if own.crs is None or said.crs is None:
        return False
    places = np.array(_CORNERS) * own.grid_shape
    a, b, c, d, e, f = own.transform[:6]
    xs, ys = a * places[:, 1] + b * places[:, 0] + c, d * places[:, 1] + e * places[:, 0] + f
    try:
        with environment():
            moved = transform(crs_of(own.crs), crs_of(said.crs), xs.tolist(), ys.tolist())
    except GDAL_ERRORS:
        return False
    found = np.stack(pixels_at(said.transform, np.asarray(moved[0]), np.asarray(moved[1])), axis=1)
    return bool(np.abs(found - places).max() < NEAR_PX)


def _called(domain: RasterDomain) -> str:
    return "no CRS" if domain.crs is None else crs_of(domain.crs).to_string()
