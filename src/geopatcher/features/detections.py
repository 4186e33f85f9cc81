"""Objects that a detector has found, as a table: outlines in pixels, scores and classes."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from geopatcher._optional import later

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import shapely
    from numpy.typing import NDArray

    from geopatcher.core.protocols import Array
else:
    shapely = later("shapely")

#: What an object is told as: an upright rectangle, an outline (a rotated rectangle, too), or a point.
Kind: TypeAlias = Literal["box", "polygon", "point"]
KINDS: tuple[Kind, ...] = ("box", "polygon", "point")


@dataclass(frozen=True)
class Detections:
    """Objects, each with an outline, a score and a class.

    ``points`` is ``(m, 2)``: x to the right and y down, in pixels from the corner of a patch or of the
    raster; those of object ``i`` end before ``ends[i]``. A rectangle has its four corners. ``cut`` says that
    an object touches a border of its patch which is none of the raster, ``core`` that its centre is nearer to
    the centre of its patch than to that of any other.

    >>> boxes = Detections.of_boxes([[0, 0, 4, 2], [10, 10, 12, 12]], [0.9, 0.5], [1, 1])
    >>> len(boxes), boxes.bounds.tolist(), boxes.centres[0].tolist()
    (2, [[0.0, 0.0, 4.0, 2.0], [10.0, 10.0, 12.0, 12.0]], [2.0, 1.0])
    """

    kind: Kind
    points: NDArray[np.float64]
    ends: NDArray[np.int64]
    scores: NDArray[np.float64]
    labels: NDArray[np.int64]
    cut: NDArray[np.bool_]
    core: NDArray[np.bool_]

    @classmethod
    def of(cls, kind: Kind, rings: Sequence[Array], scores: Array, labels: Array) -> Detections:
        """Return objects of outlines, ``(k, 2)`` each."""
        n = len(rings)
        points = np.concatenate([np.zeros((0, 2)), *rings]).astype(np.float64)
        ends = np.cumsum([len(ring) for ring in rings], dtype=np.int64)
        return cls(
            kind,
            points,
            ends,
            np.asarray(scores, np.float64),
            np.asarray(labels, np.int64),
            np.zeros(n, bool),
            np.ones(n, bool),
        )

    @classmethod
    def of_boxes(cls, boxes: object, scores: object, labels: object) -> Detections:
        """Return objects of upright rectangles, ``(n, 4)``: left, top, right, bottom."""
        x0, y0, x1, y1 = np.asarray(boxes, np.float64).reshape(-1, 4).T
        corners = np.stack([x0, y0, x1, y0, x1, y1, x0, y1], axis=1).reshape(-1, 4, 2)
        found = cls.of("box", [], np.asarray(scores), np.asarray(labels))
        n = len(corners)
        return replace(
            found,
            points=corners.reshape(-1, 2),
            ends=np.arange(1, n + 1, dtype=np.int64) * 4,
            cut=np.zeros(n, bool),
            core=np.ones(n, bool),
        )

    @classmethod
    def none(cls, kind: Kind = "box") -> Detections:
        """Return no objects."""
        return cls.of(kind, [], np.zeros(0), np.zeros(0))

    @classmethod
    def joined(cls, parts: Sequence[Detections]) -> Detections:
        """Return the objects of several tables, one behind the other.

        Raises
        ------
        ValueError
            They are of several kinds.

        """
        some = [part for part in parts if len(part)]
        if not some:
            return cls.none(parts[0].kind if parts else "box")
        require_one_kind({part.kind for part in some})
        starts = np.cumsum([0, *(len(part.points) for part in some[:-1])])
        return cls(
            some[0].kind,
            np.concatenate([part.points for part in some]),
            np.concatenate([part.ends + start for part, start in zip(some, starts, strict=True)]),
            np.concatenate([part.scores for part in some]),
            np.concatenate([part.labels for part in some]),
            np.concatenate([part.cut for part in some]),
            np.concatenate([part.core for part in some]),
        )

    def __len__(self) -> int:
        return len(self.ends)

    @property
    def starts(self) -> NDArray[np.int64]:
        """Where the points of each begin."""
        return np.concatenate([np.zeros(1, np.int64), self.ends])[: len(self.ends)]

    @cached_property
    def bounds(self) -> NDArray[np.float64]:
        """Left, top, right and bottom of each, ``(n, 4)``."""
        if not len(self):
            return np.zeros((0, 4))
        low = np.minimum.reduceat(self.points, self.starts)
        high = np.maximum.reduceat(self.points, self.starts)
        return np.concatenate([low, high], axis=1)

    @cached_property
    def shapes(self) -> Array:
        """Their geometries, as shapely has them."""
        if self.kind == "point":
            return np.asarray(shapely.points(self.points), object)
        which = np.repeat(np.arange(len(self)), self.ends - self.starts)
        return np.asarray(shapely.polygons(shapely.linearrings(self.points, indices=which)), object)

    @cached_property
    def areas(self) -> NDArray[np.float64]:
        """Their areas, in square pixels."""
        if self.kind == "box":
            sides = self.bounds[:, 2:] - self.bounds[:, :2]
            return np.asarray(sides[:, 0] * sides[:, 1])
        return np.asarray(shapely.area(self.shapes), np.float64)

    @cached_property
    def centres(self) -> NDArray[np.float64]:
        """The middle of rectangles, the centroid of other outlines, ``(n, 2)``."""
        if self.kind == "box":
            return np.asarray((self.bounds[:, :2] + self.bounds[:, 2:]) / 2)
        return np.asarray(shapely.get_coordinates(shapely.centroid(self.shapes)), np.float64)

    def taken(self, which: Array) -> Detections:
        """Return some of them: by their numbers, in that order, or by a mask."""
        numbers = np.flatnonzero(which) if which.dtype == bool else which
        lengths = (self.ends - self.starts)[numbers]
        ends = np.cumsum(lengths, dtype=np.int64)
        points = np.arange(lengths.sum()) + np.repeat(self.starts[numbers] - (ends - lengths), lengths)
        return Detections(
            self.kind,
            self.points[points],
            ends,
            self.scores[numbers],
            self.labels[numbers],
            self.cut[numbers],
            self.core[numbers],
        )

    def shifted(self, x: float, y: float) -> Detections:
        """Return them moved to the right and down."""
        return replace(self, points=self.points + np.array([x, y], np.float64))

    def to_bytes(self) -> bytes:
        """Return them as a file of NumPy arrays, which holds numbers and nothing else."""
        file = io.BytesIO()
        np.savez(
            file,
            kind=np.array(KINDS.index(self.kind)),
            points=self.points,
            ends=self.ends,
            scores=self.scores,
            labels=self.labels,
            cut=self.cut,
            core=self.core,
        )
        return file.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Detections:
        """Return what `to_bytes` was given."""
        with np.load(io.BytesIO(data), allow_pickle=False) as held:
            return cls(
                KINDS[int(held["kind"])],
                held["points"],
                held["ends"],
                held["scores"],
                held["labels"],
                held["cut"],
                held["core"],
            )


def require_one_kind(kinds: Iterable[Kind]) -> None:
    """Refuse objects of several kinds: they have neither areas to compare nor one column for their shapes.

    Raises
    ------
    ValueError
        Names the kinds.

    """
    several = sorted(set(kinds))
    if len(several) > 1:
        raise ValueError(f"a detector found objects of several kinds ({', '.join(several)}): let it give one")
