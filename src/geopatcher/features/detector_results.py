"""What detectors return, read by what it has: no library of theirs is imported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias, runtime_checkable

import numpy as np

from geopatcher._optional import later
from geopatcher.core.places import Geometric
from geopatcher.features.detections import Detections

if TYPE_CHECKING:
    from collections.abc import Callable

    import shapely
    from numpy.typing import NDArray

    from geopatcher.core.protocols import Array
else:
    shapely = later("shapely")

#: Columns of an array of boxes: left, top, right, bottom, score, class.
BOX_COLUMNS = 6
#: Columns of one of rotated rectangles: centre x and y, width, height, angle in radians, score, class.
ROTATED_COLUMNS = 7
#: Corners of a rectangle, from its centre, in halves of its sides.
CORNERS = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float64)
#: Keys of a dict that say where objects are.
PLACES = ("boxes", "xywhr", "polygons", "points")
ADVICE = (
    "a detector returns an array (n, 6) of left, top, right, bottom, score and class in pixels of the "
    "patch; a "
    "dict of boxes, polygons, points or xywhr with scores and labels; or what has .boxes, .obb or .xyxy"
)


@runtime_checkable
class Tensor(Protocol):
    """An array that may be on a GPU, or part of a graph, as those of torch."""

    def detach(self) -> Tensor:
        """Return it without the graph."""
        ...

    def cpu(self) -> Tensor:
        """Return it in the memory of this machine."""
        ...


@runtime_checkable
class UprightBoxes(Protocol):
    """Boxes as ultralytics gives them."""

    @property
    def xyxy(self) -> object:
        """Left, top, right and bottom, ``(n, 4)``."""
        ...

    @property
    def conf(self) -> object:
        """Scores, ``(n,)``."""
        ...

    @property
    def cls(self) -> object:
        """Classes, ``(n,)``."""
        ...


@runtime_checkable
class RotatedBoxes(Protocol):
    """Rotated rectangles as ultralytics gives them."""

    @property
    def xywhr(self) -> object:
        """Centre, sides and angle in radians, ``(n, 5)``."""
        ...

    @property
    def conf(self) -> object:
        """Scores, ``(n,)``."""
        ...

    @property
    def cls(self) -> object:
        """Classes, ``(n,)``."""
        ...


@runtime_checkable
class HasRotated(Protocol):
    """A result with rotated rectangles, or ``None``."""

    @property
    def obb(self) -> object:
        """The rectangles."""
        ...


@runtime_checkable
class HasBoxes(Protocol):
    """A result with boxes, or ``None``."""

    @property
    def boxes(self) -> object:
        """The boxes."""
        ...


@runtime_checkable
class Supervised(Protocol):
    """Boxes as supervision gives them; scores and classes may be ``None``."""

    @property
    def xyxy(self) -> object:
        """Left, top, right and bottom, ``(n, 4)``."""
        ...

    @property
    def confidence(self) -> object:
        """Scores, ``(n,)``."""
        ...

    @property
    def class_id(self) -> object:
        """Classes, ``(n,)``."""
        ...


#: What a detector returns of a patch: one of the above, a dict, or an array.
Detected: TypeAlias = "HasBoxes | HasRotated | Supervised | Mapping[str, object] | Sequence[object] | Array"


def numbers_of(given: object) -> Array:
    """Return an array of numbers, of a tensor too.

    Raises
    ------
    ValueError
        It is no array of numbers.

    """
    if isinstance(given, Tensor):
        given = given.detach().cpu()
    array = np.asarray(given)
    if array.size and array.dtype.kind not in "biuf":
        raise ValueError(f"an array of {array.dtype} is none of numbers")
    return array.astype(np.float64)


def results_of(returned: object, n: int | None) -> list[object]:
    """Return the result of each of ``n`` patches; ``None`` is one that came without the axis of a batch.

    Raises
    ------
    ValueError
        There are more or fewer of them.

    """
    if n is None:  # many detectors return a list for one image, too
        alone = isinstance(returned, list | tuple) and len(returned) == 1 and not _is_row(returned[0])
        return [returned[0] if alone and isinstance(returned, list | tuple) else returned]
    if isinstance(returned, Tensor):
        returned = returned.detach().cpu()
    whole = np.asarray(returned) if not isinstance(returned, list | tuple | Mapping) else returned
    if isinstance(whole, Mapping) or (isinstance(whole, np.ndarray) and (whole.ndim != 3)):
        raise ValueError(f"one result for a batch of {n} patches: return a list with one for each")
    if len(whole) != n:
        raise ValueError(f"{len(whole)} results for a batch of {n} patches")
    return list(whole)


def _is_row(one: object) -> bool:
    """Whether this is a row of a table, rather than a table of one patch."""
    return isinstance(one, list | tuple | np.ndarray) and len(one) > 0 and np.ndim(one[0]) == 0


def detections_of(result: object, least: float) -> Detections:
    """Return what was found in a patch with a score of ``least`` or more, in pixels of the patch.

    Boxes without an area are left out. Nothing is asked of the places of those with a lower score: networks
    of fixed length fill up with anything.

    Raises
    ------
    ValueError
        The result is of no known form, numbers do not fit together, or are none that boxes can have; says
        what a detector returns.

    Examples
    --------
    >>> detections_of([[0, 0, 8, 4, 0.9, 3], [0, 0, 8, 4, 0.1, 3]], 0.25).labels.tolist()
    [3]
    >>> detections_of({"points": [[4, 4]], "scores": [0.5], "labels": [1]}, 0.25).kind
    'point'

    """
    found = _read(result, least)
    if not np.isfinite(found.points).all():
        raise ValueError("coordinates that are NaN or infinite")
    if found.kind == "point" or not len(found):
        return found
    if found.kind == "polygon":
        crossing = ~shapely.is_valid(found.shapes)
        if crossing.any():
            number = int(crossing.argmax())
            raise ValueError(
                f"an outline that is no polygon: {shapely.is_valid_reason(found.shapes[number])}; mend it, "
                f"for example by shapely.make_valid"
            )
    return found.taken(found.areas > 0)


class _Kept(NamedTuple):
    """Which rows count, with their scores and classes."""

    rows: NDArray[np.intp]
    scores: NDArray[np.float64]
    labels: NDArray[np.int64]


class _Above(NamedTuple):
    """The least score that counts, and scores and classes as they were given."""

    least: float
    scores: object
    labels: object

    def of(self, n: int) -> _Kept:
        """Return which of ``n`` objects count.

        Raises
        ------
        ValueError
            There are more or fewer scores or classes, or one of them is none.

        """
        scores, labels = numbers_of(self.scores).reshape(-1), numbers_of(self.labels).reshape(-1)
        if len(scores) != n or len(labels) != n:
            raise ValueError(f"{n} objects, {len(scores)} scores and {len(labels)} classes")
        if not np.isfinite(scores).all():
            raise ValueError("scores that are NaN or infinite")
        rows = np.flatnonzero(scores >= self.least)
        return _Kept(rows, scores[rows], _classes(labels[rows]))


def _read(result: object, least: float) -> Detections:
    if isinstance(result, Mapping):
        return _of_mapping(result, least)
    if isinstance(result, HasRotated) and isinstance(result.obb, RotatedBoxes):
        return _rotated(result.obb.xywhr, _Above(least, result.obb.conf, result.obb.cls))
    if isinstance(result, HasBoxes) and isinstance(result.boxes, UprightBoxes):
        return _upright(result.boxes.xyxy, _Above(least, result.boxes.conf, result.boxes.cls))
    if isinstance(result, Supervised):
        boxes = numbers_of(result.xyxy)
        ones, zeros = np.ones(len(boxes)), np.zeros(len(boxes))
        scores = ones if result.confidence is None else result.confidence
        return _upright(boxes, _Above(least, scores, zeros if result.class_id is None else result.class_id))
    if isinstance(result, list | tuple) and not len(result):
        return Detections.none()
    try:
        table = numbers_of(result)
    except (TypeError, ValueError) as error:
        raise ValueError(f"a {type(result).__name__}: {ADVICE}") from error
    return _of_table(table, least)


def _of_table(table: Array, least: float) -> Detections:
    if table.ndim == 2 and table.shape[1] == BOX_COLUMNS:
        return _upright(table[:, :4], _Above(least, table[:, 4], table[:, 5]))
    if table.ndim == 2 and table.shape[1] == ROTATED_COLUMNS:
        return _rotated(table[:, :5], _Above(least, table[:, 5], table[:, 6]))
    if table.size == 0 and table.ndim:
        return Detections.none()
    raise ValueError(f"an array of shape {table.shape}: {ADVICE}")


def _of_mapping(result: Mapping[str, object], least: float) -> Detections:
    given = [name for name in PLACES if name in result]
    if len(given) != 1 or "scores" not in result:
        keys = ", ".join(map(repr, result)) or "none"
        raise ValueError(f"a dict with the keys {keys}: {ADVICE}")
    name, scores = given[0], numbers_of(result["scores"])
    labels = result.get("labels", np.zeros(len(scores)))
    read: Mapping[str, Callable[[object, _Above], Detections]] = {
        "boxes": _upright,
        "xywhr": _rotated,
        "polygons": _outlined,
        "points": _pointed,
    }
    return read[name](result[name], _Above(least, scores, labels))


def _shaped(given: object, columns: int, what: str) -> NDArray[np.float64]:
    table = numbers_of(given)
    if not table.size:
        return np.zeros((0, columns))
    if table.ndim != 2 or table.shape[1] != columns:
        raise ValueError(f"{what} of shape {table.shape}, not (n, {columns})")
    return table


def _classes(numbers: Array) -> NDArray[np.int64]:
    if not (np.isfinite(numbers).all() and (numbers == np.floor(numbers)).all()):
        raise ValueError("classes that are no whole numbers")
    return numbers.astype(np.int64)


def _upright(boxes: object, above: _Above) -> Detections:
    table = _shaped(boxes, 4, "boxes")
    kept = above.of(len(table))
    table = table[kept.rows]
    wrong = (table[:, 2:] < table[:, :2]).any(axis=1)
    if wrong.any():
        raise ValueError(
            f"a box {table[wrong][0].tolist()} whose right edge is left of its left one, or whose bottom is "
            f"above "
            f"its top: boxes are left, top, right, bottom"
        )
    return Detections.of_boxes(table, kept.scores, kept.labels)


def _rotated(rectangles: object, above: _Above) -> Detections:
    table = _shaped(rectangles, 5, "rotated rectangles")
    kept = above.of(len(table))
    table = table[kept.rows]
    if (table[:, 2:4] < 0).any():
        raise ValueError("rotated rectangles with sides below 0: they are centre x, y, width, height, angle")
    corners = CORNERS * table[:, np.newaxis, 2:4] / 2
    cos, sin = np.cos(table[:, 4]), np.sin(table[:, 4])
    turn = np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], -2)
    rings = np.einsum("nij,nkj->nki", turn, corners) + table[:, np.newaxis, :2]
    return Detections.of("polygon", list(rings), kept.scores, kept.labels)


def _outlined(outlines: object, above: _Above) -> Detections:
    if not isinstance(outlines, Sequence | np.ndarray):
        raise ValueError(f"polygons in a {type(outlines).__name__}: give a list of (k, 2) corners each")  # noqa: TRY004
    kept = above.of(len(outlines))
    rings = [_ring(outlines[row]) for row in kept.rows.tolist()]
    return Detections.of("polygon", rings, kept.scores, kept.labels)


def _ring(outline: object) -> Array:
    if isinstance(outline, Geometric) and isinstance(outline, shapely.Polygon):
        if outline.interiors:
            raise ValueError("a polygon with holes: give its outline")
        outline = shapely.get_coordinates(outline)
    ring = _shaped(outline, 2, "the corners of a polygon")
    closed = len(ring) > 1 and (ring[0] == ring[-1]).all()
    ring = ring[:-1] if closed else ring
    if len(ring) < 3:
        raise ValueError(f"a polygon of {len(ring)} corners: it has three or more")
    return ring


def _pointed(points: object, above: _Above) -> Detections:
    table = _shaped(points, 2, "points")
    kept = above.of(len(table))
    return Detections.of("point", list(table[kept.rows, np.newaxis]), kept.scores, kept.labels)
