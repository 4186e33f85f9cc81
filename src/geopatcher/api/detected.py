"""What `detect` gives back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from geopatcher._optional import load
from geopatcher.core.html_cards import card, facts_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import geopandas

    from geopatcher.engine.error_policy import PatchErrorRecord
    from geopatcher.engine.stats import RunStats


@dataclass(frozen=True)
class DetectedObjects:
    """A file of objects, as `geopatcher.detect` returns it; ``print`` it for a summary.

    Parameters
    ----------
    path
        The vector file.
    n
        How many objects are in it.
    n_seen
        How many detections there were in all patches, before those of one object became one.
    most_held
        How many of them were held in memory at most while they were made one.
    by_class
        How many objects there are of each class, by its number.
    stats
        Counts, bytes and seconds of the run: of this session, where it went on with another.
    names
        Names of classes, where they are known; none by default.
    errors
        The patches that failed under an error policy that carries on; none by default.

    """

    path: Path
    n: int
    n_seen: int
    most_held: int
    by_class: Mapping[int, int]
    stats: RunStats
    names: Mapping[int, str] = field(default_factory=dict)
    errors: list[PatchErrorRecord] = field(default_factory=list)

    def to_geodataframe(self) -> geopandas.GeoDataFrame:
        """Return the objects as a table; needs the extra ``features``.

        Returns
        -------
        geopandas.GeoDataFrame
            Columns ``class``, ``name`` where names are known, ``score`` and ``geometry``.

        Raises
        ------
        MissingExtraError
            geopandas is not installed.

        """
        library = load("geopandas")
        read = library.read_parquet if self.path.suffix.lower() == ".parquet" else library.read_file
        table: geopandas.GeoDataFrame = read(self.path)
        columns = {"class": "int64", **({"name": "object"} if self.names else {}), "score": "float64"}
        for at, (name, dtype) in enumerate(columns.items()):
            if not len(table) and name not in table.columns:  # GeoJSON without an object has no columns
                table.insert(at, name, np.empty(0, dtype))
        return table

    def __repr__(self) -> str:
        return f"DetectedObjects({self.path.name}, {self.n:,} objects of {self.n_seen:,} detections)"

    def __str__(self) -> str:
        stats = self.stats
        classes = ", ".join(
            f"{self.names.get(number, str(number))} {count:,}" for number, count in self.by_class.items()
        )
        lines = [
            f"result     {self.path}",
            f"objects    {self.n:,} of {self.n_seen:,} detections"
            + (f" ({classes})" if classes and len(self.by_class) <= 20 else ""),
            f"patches    {stats.patches:,}, {stats.skipped:,} without data left out, {stats.failed:,} failed",
            f"held       {self.most_held:,} detections at most",
            f"time       {stats.elapsed:.1f} s",
            *(f"note       {note}" for note in stats.notes),
        ]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return card("DetectedObjects", facts_of(str(self)))
