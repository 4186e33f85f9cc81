"""The fingerprint of a job: everything its result's bytes follow from, as far as it can be known."""

from __future__ import annotations

import json
import math
import warnings
from dataclasses import fields
from functools import partial
from operator import attrgetter
from pathlib import PurePath
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

import geopatcher  # whose version is looked up when it is asked for
from geopatcher.core.digests import array_digest
from geopatcher.core.source_identity import source_identity
from geopatcher.identity.operators import identity_of
from geopatcher.operators.named import NamedOperator
from geopatcher.planning.anchors import Lattice, Listed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from _typeshed import DataclassInstance

    from geopatcher.accumulators.base import AnyCellAggregation
    from geopatcher.engine.job import Job
    from geopatcher.planning.plan import Plan
    from geopatcher.runs.ledger.book import Fingerprint

#: Parameters of an aggregation that say where its result goes, not what it is.
PLACES = frozenset({"streaming", "target_path", "writer", "memory_limit", "scratch"})
#: Entries that say what of a part cannot be known.
UNKNOWN = ("operator.unknown", "aggregation.unknown", "source.unknown")
#: Longest entry that is told.
MAX_MESSAGE = 200


@runtime_checkable
class Configured(Protocol):
    """An aggregation that describes itself."""

    def get_config(self) -> Mapping[str, object]:
        """Return its parameters, as values JSON can hold."""
        ...


def fingerprint_of(job: Job) -> Fingerprint:
    """Return what two runs must agree in for one to go on where the other stopped.

    How the run is carried out (memory limit, batch size, workers, retries, threads) is not in it. Of the
    operator there is a part for each function, class and value it is made of or refers to, see
    `identity_of`; what of it cannot be known is named by entries of `UNKNOWN`.
    """
    return {
        "library": geopatcher.__version__,
        "library.numpy": np.__version__,
        **identity_of_source(job),
        **_plan(job.plan),
        "operator": job.name,
        **_parts("operator", _plainly(job.operator)),
        "window.weights": "ones" if job.weights is None else array_digest(job.weights),
        "aggregation": _config(job.aggregation),
        **_code("aggregation", job.aggregation),
        "layers": _json({name: _config(layer) for name, layer in job.layers.items()}),
        "skip_empty": job.skip_empty,
        **{f"result.{name}": str(value) for name, value in job.output.settings().items()},
    }


def unknown_in(fingerprint: Fingerprint) -> list[str]:
    """Return what cannot be known of a run, for people.

    >>> unknown_in({"library": "1", "operator.unknown": "attribute model: onnx.Session (cannot pickle)"})
    ['operator: attribute model: onnx.Session (cannot pickle)']
    """
    return [f"{key.partition('.')[0]}: {fingerprint[key]}" for key in UNKNOWN if key in fingerprint]


def warn_of_unknown(fingerprint: Fingerprint) -> None:
    """Say what cannot be known of a run, and what follows from it."""
    unknown = unknown_in(fingerprint)
    if unknown:
        warnings.warn(
            f"what this run is cannot be known ({'; '.join(unknown)}). So no later run goes on with it or "
            f"takes its result, unless resume='always' (--resume-always) says that it is the same; an "
            f"operator or field is known by a method fingerprint() -> str",
            RuntimeWarning,
            stacklevel=3,
        )


def differing(old: Fingerprint, new: Fingerprint, *, trusting: bool = False) -> list[str]:
    """Return what two fingerprints disagree in, for people; ``trusting`` that the operator is the same.

    Another Python compiles the same code to other instructions: then it alone is told. So is what an
    operator is, where that is another thing altogether.

    >>> old = {"operator": "op", "operator.python": "3.11", "operator.function f of m": "12ab"}
    >>> new = {"operator": "op", "operator.python": "3.13", "operator.function f of m": "ff00"}
    >>> differing(old, new), differing(old, new, trusting=True)
    (['operator.python was 3.11 and is 3.13'], [])
    """
    left_out: tuple[str, ...] = ("operator",) if trusting else ()
    for name in ("operator", "aggregation"):
        if old.get(f"{name}.python") != new.get(f"{name}.python") and {f"{name}.python"} <= {*old} & {*new}:
            left_out += tuple(f"{name}.{kind} " for kind in ("function", "class"))
    mark = "operator.itself"
    if mark in old and mark in new and old[mark] != new[mark]:
        left_out += tuple(key for key in {*old, *new} if key.startswith("operator.") and key != mark)
    kept = [{key: value for key, value in one.items() if not key.startswith(left_out)} for one in (old, new)]
    return differences(*kept)


def identity_of_source(job: Job) -> Fingerprint:
    """Return which source a job reads, and which version of it, see `source_identity`."""
    return {
        f"source.{key}": str(value) if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in source_identity(job.source).items()
    }


def _plan(plan: Plan) -> Fingerprint:
    known: dict[str, str | int | float] = {
        "plan.size": _by(plan.anchors.patch_shape),
        "plan.margin": _by(plan.reading.margin),
        "plan.output_scale": str(plan.reading.scale),
        "plan.boundary": plan.boundary,
        "plan.pad_value": str(plan.pad_value),
        "plan.chunks": _by(plan.chunks),
        "plan.region": str(plan.region),
    }
    if any(plan.around):
        known["plan.around"] = " ".join(map(str, plan.around))
    if isinstance(plan.anchors, Lattice):
        known["plan.step"] = _by((plan.anchors.rows.step, plan.anchors.cols.step))
    elif isinstance(plan.anchors, Listed):
        known["plan.anchors"] = f"{plan.anchors.count} {array_digest(plan.anchors.boxes)}"
    return known


def _fields(instance: DataclassInstance) -> dict[str, object]:
    return {one.name: attrgetter(one.name)(instance) for one in fields(instance) if one.compare}


def _plainly(operator: object) -> object:
    """Return the function itself for one that travels by its name: a run goes on with either."""
    if not isinstance(operator, NamedOperator):
        return operator
    plain = operator.__wrapped__
    return partial(plain, **operator.arguments) if callable(plain) and operator.arguments else plain


def _parts(name: str, thing: object, without: frozenset[str] = frozenset()) -> dict[str, str | int | float]:
    identity = identity_of(thing, without)
    known = {f"{name}.{part}": value for part, value in identity.parts.items()}
    return known | ({f"{name}.unknown": "; ".join(identity.unknown[:3])} if identity.unknown else {})


def _code(name: str, aggregation: AnyCellAggregation) -> dict[str, str | int | float]:
    """Return the parts of an aggregation somebody else has written, or given functions to; of ours, none."""
    parts = _parts(name, aggregation, PLACES)
    return parts if f"{name}.python" in parts or f"{name}.unknown" in parts else {}


def _config(configured: Configured) -> str:
    known = {"type": type(configured).__name__, **configured.get_config()}
    return _json({key: value for key, value in known.items() if key not in PLACES})


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True, default=_described)


def _described(value: object) -> str:
    """Stand for what JSON cannot hold: never by an address, which differs from run to run."""
    if isinstance(value, np.ndarray):
        return array_digest(value)
    if isinstance(value, np.dtype | np.generic | PurePath):
        return str(value)
    return type(value).__qualname__


def _by(pair: tuple[int, int]) -> str:
    return f"{pair[0]}x{pair[1]}"


def differences(old: Fingerprint, new: Fingerprint) -> list[str]:
    """Return what two fingerprints disagree in, for people.

    >>> differences({"plan.step": "64x64", "batch_size": 1}, {"plan.step": "32x32", "batch_size": 1})
    ['plan.step was 64x64 and is 32x32']
    """
    keys = sorted({*old, *new})
    return [
        f"{key:.{MAX_MESSAGE}} was {_shown(old.get(key))} and is {_shown(new.get(key))}"
        for key in keys
        if old.get(key) != new.get(key)
    ]


def _shown(value: str | int | float | None) -> str:
    text = "not there" if value is None else str(value)
    return text if len(text) <= MAX_MESSAGE else f"{text[:MAX_MESSAGE]}..."
