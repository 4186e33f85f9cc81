"""A finished result, opened to be looked at: its rasters, its plan, and what its run wrote down."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from geopatcher.api.result import Reconstruction
from geopatcher.core.axis import Axis, pixel_pair
from geopatcher.errors import SourceError
from geopatcher.errors.redaction import shown
from geopatcher.fields.open import as_field
from geopatcher.fields.zarr_places import is_store_elsewhere
from geopatcher.formats.local_files import is_elsewhere, is_here
from geopatcher.inspect.arrays import RESULT, file_layers, stored_rasters
from geopatcher.inspect.levels import raster_of
from geopatcher.inspect.meaning import all_meant
from geopatcher.planning.anchors import Lattice
from geopatcher.report.inputs import Origin
from geopatcher.runs.glance import account_at
from geopatcher.targets.places import bucket_url

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from geopatcher.core.domain import RasterDomain
    from geopatcher.core.json_values import Json
    from geopatcher.inspect.levels import Raster
    from geopatcher.planning.anchors import AnchorSet
    from geopatcher.runs.ledger.book import Account

#: What is looked at: what `reconstruct` returned, or the path of what it wrote.
Result: TypeAlias = "Reconstruction | str | os.PathLike[str]"
#: Aggregations whose results are names, such as classes.
LABELLING = frozenset({"SpatialMode", "SpatialHardVote", "SpatialSoftVote"})
#: ``size`` or ``step``: pixels, or ``(rows, columns)``.
Pixels: TypeAlias = "int | tuple[int, int]"


@dataclass(frozen=True)
class Failure:
    """A patch that failed: where, and why."""

    anchor: tuple[int, int]
    kind: str
    message: str


@dataclass(frozen=True)
class Opened:
    """A result: ``rasters`` by name, the result itself first, then the layers beside it, all as `meant`.

    ``anchors`` is where its patches lie, ``None`` when that is not known. ``stats`` is what its run
    counted (see `RunStats.as_dict`), empty when nothing was written down; ``made`` how it was made,
    name by name. ``labels`` is `True` where its aggregation chose between names, such as classes; ``origin``
    is what it was made from, where that is written down.
    """

    name: str
    rasters: Mapping[str, Raster]
    anchors: AnchorSet | None = None
    boundary: str = "cover"
    stats: Mapping[str, Json] = field(default_factory=dict)
    failures: Sequence[Failure] = ()
    made: Mapping[str, str] = field(default_factory=dict)
    path: Path | None = None
    labels: bool | None = None
    origin: Origin | None = None

    @property
    def result(self) -> Raster:
        """The result itself."""
        return self.rasters[RESULT]

    @property
    def domain(self) -> RasterDomain:
        """The result's."""
        return self.result.domain


def open_result(result: Result, size: Pixels | None = None, step: Pixels | None = None) -> Opened:
    """Open what `reconstruct` returned, or the path of a result or of any raster.

    Where patches lie comes from the result's plan, or from the ledger beside it, unless ``size`` is
    given; ``step`` is then half of it by default.

    Raises
    ------
    SourceError
        There is nothing at the path, or it is no raster.
    TargetError
        The ledger beside it is damaged.
    ValueError
        ``step`` is given without ``size``, or either is not a number of pixels.

    """
    opened = _of_run(result) if isinstance(result, Reconstruction) else _of_path(os.fspath(result))
    opened = replace(opened, rasters=all_meant(opened.rasters))
    if size is None:
        if step is not None:
            raise ValueError(f"step={step} says where patches lie only together with a size: give both")
        return opened
    rows, cols = pixel_pair(size, "size")
    stride = (max(1, rows // 2), max(1, cols // 2)) if step is None else pixel_pair(step, "step")
    anchors = _lattice(opened.domain.grid_shape, (rows, cols), stride, opened.boundary)
    made = {"size": f"{rows} x {cols}", "step": f"{stride[0]} x {stride[1]}"}
    return replace(opened, anchors=anchors, made=dict(opened.made) | made)


def _of_run(result: Reconstruction) -> Opened:
    plan = result.plan
    size = plan.anchors.patch_shape
    made = {"source": plan.source_name, "size": f"{size[0]} x {size[1]}"}
    if isinstance(plan.anchors, Lattice):
        made["step"] = f"{plan.anchors.rows.step} x {plan.anchors.cols.step}"
    opened = Opened(
        name=plan.source_name if result.path is None else result.path.name,
        rasters=result.rasters(),
        anchors=plan.anchors,
        boundary=plan.boundary,
        stats={key: value for key, value in result.stats.as_dict().items()},  # noqa: C416 - widens the type
        failures=[Failure(each.anchor, each.stage, each.message) for each in result.errors],
        made=made,
        path=result.path if isinstance(result.path, Path) else None,
    )
    account = None if result.path is None else account_at(result.path)
    if account is None:
        return opened
    labels = _gives_labels(account.header.fingerprint.get("aggregation"))
    return replace(opened, labels=labels, origin=Origin.of(account, opened.path))


def _of_path(name: str) -> Opened:
    url = bucket_url(name) if is_store_elsewhere(name) else None
    if url is not None:
        opened, account = Opened(url.name, stored_rasters(url)), account_at(url)
        return opened if account is None else _with_account(opened, account)
    if is_elsewhere(name):
        raster = raster_of(as_field(name).source)
        return Opened(shown(name).rpartition("/")[2], {RESULT: raster})
    path = Path(name)
    if not is_here(name):
        raise SourceError(f"there is no result {path} (working directory: {Path.cwd()})")
    opened = Opened(path.name, stored_rasters(path), path=path)
    account = account_at(path)
    return opened if account is None else _with_account(opened, account)


def _with_account(opened: Opened, account: Account) -> Opened:
    """Add what the ledger says; a ledger of a result of another shape says nothing."""
    spec = account.header.spec
    if spec.domain.grid_shape != opened.domain.grid_shape:
        return opened
    print_ = account.header.fingerprint
    made = {
        key.split(".")[-1]: str(value).replace("x", " x ")
        for key in ("plan.size", "plan.step")
        if (value := print_.get(key)) is not None
    }
    known = (
        ("source", "source.path"),
        ("operator", "operator"),
        ("boundary", "plan.boundary"),
        ("library", "library"),
    )
    made |= {name: str(print_[key]) for name, key in known if key in print_}
    boundary = str(print_.get("plan.boundary", "cover"))
    size, step = _pair(print_.get("plan.size")), _pair(print_.get("plan.step"))
    anchors = None
    if size is not None and step is not None:
        around = _around(print_.get("plan.around", "0 0 0 0"))
        anchors = _lattice(opened.domain.grid_shape, size, step, boundary, around)
    stats = {} if account.completion is None else dict(account.completion.stats)
    if account.completion is not None and account.completion.at:
        made["finished"] = account.completion.at
    failures = [Failure(flaw.anchor, flaw.kind, flaw.message) for flaw in account.flaws()]
    layers = {} if opened.path is None else file_layers(opened.path, spec.layers)
    return replace(
        opened,
        rasters={**opened.rasters, **layers},
        anchors=anchors,
        boundary=boundary,
        stats=stats,
        failures=failures,
        made=made,
        labels=_gives_labels(print_.get("aggregation")),
        origin=Origin.of(account, opened.path),
    )


def _gives_labels(told: object) -> bool | None:
    """Whether the aggregation of a ledger chooses between names; ``None`` where that is not known.

    >>> _gives_labels('{"type": "SpatialMode"}'), _gives_labels('{"type": "SpatialMean"}')
    (True, None)
    """
    try:
        known = json.loads(str(told))
    except ValueError:
        return None
    return True if isinstance(known, dict) and known.get("type") in LABELLING else None


def _pair(text: object) -> tuple[int, int] | None:
    """Read ``"64x32"``."""
    match = re.fullmatch(r"([0-9]+)x([0-9]+)", str(text))
    return None if match is None else (int(match[1]), int(match[2]))


def _around(text: object) -> tuple[int, int, int, int]:
    """Read how far the source of a run went on beyond its grid: ``"100 0 20 0"``."""
    if re.fullmatch(r"[0-9]+( [0-9]+){3}", str(text)) is None:
        return (0, 0, 0, 0)
    above, below, left, right = map(int, str(text).split())
    return above, below, left, right


def _lattice(
    grid: tuple[int, int],
    size: tuple[int, int],
    step: tuple[int, int],
    boundary: str,
    around: tuple[int, int, int, int] = (0, 0, 0, 0),
) -> Lattice:
    # A plan whose patches have to fit exactly (boundary="raise") is a lattice that drops nothing.
    kind = "drop" if boundary == "raise" else boundary
    above, below, left, right = around
    return Lattice(
        Axis(grid[0] + above + below, size[0], step[0], kind, above),
        Axis(grid[1] + left + right, size[1], step[1], kind, left),
    )
