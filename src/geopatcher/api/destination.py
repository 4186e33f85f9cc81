"""Where a run puts its result: a raster, or polygons that are drawn of one."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from geopatcher.api.polygons import polygons
from geopatcher.errors import TargetExistsError
from geopatcher.features.vector_files import DRIVERS, require_named_crs
from geopatcher.targets.open import target_for
from geopatcher.targets.protocol import DurableTarget, Placed
from geopatcher.targets.replacing import require_apart

if TYPE_CHECKING:
    from geopatcher.api.result import Reconstruction
    from geopatcher.core.protocols import PixelSource, Resume
    from geopatcher.targets.protocol import Target
    from geopatcher.targets.storage import CogStorage, ZarrStorage

#: Ending of the raster that polygons are drawn of.
RASTER = ".zarr"


@dataclass(frozen=True)
class Destination:
    """What a caller names as a target; of a vector file the raster stays beside it, as a ``.zarr``."""

    target: str | os.PathLike[str] | Target | None = None
    storage: ZarrStorage | CogStorage | None = None
    overwrite: bool = False
    resume: Resume = True

    @property
    def drawing(self) -> Path | None:
        """The vector file, if it is one."""
        if not isinstance(self.target, str | os.PathLike):
            return None
        path = Path(self.target)
        return path if path.suffix.lower() in DRIVERS else None

    @property
    def raster(self) -> str | os.PathLike[str] | Target | None:
        """Where the raster goes.

        >>> str(Destination("fields.gpkg").raster)
        'fields.zarr'
        """
        return self.target if self.drawing is None else self.drawing.with_suffix(RASTER)

    def place(self, source: PixelSource) -> Target:
        """Return the target of the raster that is made of a source.

        Raises
        ------
        UnsupportedTargetError
            Polygons would be GeoJSON, which cannot name the CRS.
        TargetError
            The vector file is where the pixels come from.
        TargetExistsError
            There is a vector file that no run of this raster can have drawn.

        """
        drawing, raster = self._drawable(source), self.raster
        if drawing is not None and drawing.exists() and not self.overwrite:
            beside = drawing.with_suffix(RASTER)
            if not beside.exists():
                raise TargetExistsError(
                    f"{drawing} exists, and {beside}, of which a run would have drawn it, does not: pass "
                    f"overwrite=True to replace it, or take another name"
                )
        return target_for(raster, overwrite=self.overwrite, resume=self.resume, storage=self.storage)

    def check(self, source: PixelSource) -> None:
        """Refuse a place on this machine where no run can put its raster, whatever is there.

        Raises
        ------
        TargetError
            The folder is missing, or it is where the pixels come from.
        UnsupportedTargetError
            Polygons would be GeoJSON, which cannot name the CRS.

        """
        self._drawable(source)
        place = target_for(self.raster, overwrite=self.overwrite, resume=self.resume, storage=self.storage)
        here = place.places(()) if isinstance(place, Placed) else []
        require_apart(source, here)
        if here and isinstance(place, DurableTarget):
            place.check_place()

    def _drawable(self, source: PixelSource) -> Path | None:
        """Return the vector file, if it is one that a source can be drawn into, and lies apart from it."""
        drawing = self.drawing
        if drawing is not None:
            require_named_crs(drawing, source.domain.crs)
            require_apart(source, [drawing])
        return drawing

    def drawn(self, result: Reconstruction) -> Reconstruction:
        """Draw the polygons that are asked for of a finished result, and return it."""
        drawing = self.drawing
        if drawing is not None:
            polygons(result, drawing, overwrite=True, progress=False)
        return result
