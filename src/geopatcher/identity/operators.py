"""The identity of an operator: what two runs must agree in to be the same run."""

from __future__ import annotations

import functools
import sys
from collections import defaultdict
from dataclasses import dataclass
from types import FunctionType, MethodType
from typing import TYPE_CHECKING

from geopatcher.core.digests import digest_of
from geopatcher.identity.capabilities import Fingerprinted
from geopatcher.identity.values import said
from geopatcher.identity.walk import Walk

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Most parts that are told one by one; beyond, those of a module become one.
MOST_PARTS = 256
#: Longest text an object says of itself that is told as it is.
LONGEST = 64


@dataclass(frozen=True)
class Identity:
    """What an object is: ``parts`` by name, and what of it is ``unknown``, in words.

    Numbers are told as they are, and what an object says of itself; all else by digests.
    """

    parts: Mapping[str, str | int | float]
    unknown: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """One digest of all parts."""
        return digest_of(*(f"{name}={value}" for name, value in sorted(self.parts.items())), *self.unknown)


def identity_of(operator: object, without: frozenset[str] = frozenset()) -> Identity:
    """Return what an operator is: its code and that of all it refers to, and its state.

    Functions and classes count by their code, together with what they look up: variables of the function
    around them, globals, other functions and classes, imports. Objects count by their state, arrays by
    all cells, files of models and settings that are named by their content. What is installed counts by
    its version. An object with a method ``fingerprint() -> str`` is what that says. Attributes ``without``
    are left out of the operator's own.

    Examples
    --------
    >>> one, same, other = (identity_of(lambda x, k=k: x * k) for k in (2, 2, 3))
    >>> one == same, one == other
    (True, False)
    >>> identity_of(open).unknown
    ()

    """
    walk = Walk(_home(operator))
    _root(walk, operator, without)
    walk.finish()
    parts = dict(walk.parts)
    if walk.has_code:
        parts["python"] = f"{sys.version_info.major}.{sys.version_info.minor}"
    return Identity(parts if len(parts) <= MOST_PARTS else _by_module(parts), tuple(walk.unknown))


def _root(walk: Walk, operator: object, without: frozenset[str]) -> None:
    """Add the operator itself, its arguments and attributes each as a part of its own."""
    if isinstance(operator, FunctionType | type):
        walk.parts["itself"] = walk.refer(operator, root=True)
    elif isinstance(operator, Fingerprinted):
        text = said(operator)
        walk.parts["fingerprint"] = text if len(text) <= LONGEST else digest_of(text)
    elif isinstance(operator, functools.partial):
        _root(walk, operator.func, without)
        for name, value in [*enumerate(operator.args), *operator.keywords.items()]:
            walk.part(f"argument {name}", value)
    elif isinstance(operator, MethodType):
        _root(walk, operator.__self__, without)
        if isinstance(operator.__func__, FunctionType):
            walk.parts["method"] = walk.refer(operator.__func__, root=True)
        else:
            walk.part("method", operator.__func__)
    else:
        _object(walk, operator, without)


def _object(walk: Walk, operator: object, without: frozenset[str]) -> None:
    attributes = walk.attributes(operator)
    if attributes is None:
        walk.part("itself", operator)
        return
    walk.parts["itself"] = walk.refer(type(operator))
    for name, value in attributes.items():
        if name not in without:
            walk.part(f"attribute {name}", value)


def _home(operator: object) -> str:
    """Return the top-level module an operator is from."""
    named = operator
    while isinstance(named, functools.partial):
        named = named.func
    if isinstance(named, MethodType):
        named = named.__self__
    if not isinstance(named, FunctionType | type):
        named = type(named)
    return (named.__module__ or "").partition(".")[0]


def _by_module(parts: Mapping[str, str | int | float]) -> dict[str, str | int | float]:
    """Return parts with those of a module made one: a fingerprint is no list of a library."""
    told: dict[str, str | int | float] = {}
    gathered: dict[str, list[str]] = defaultdict(list)
    for name, value in parts.items():
        place = name.rpartition(" of ")[2]
        if place == name or name.startswith("version of "):
            told[name] = value
        else:
            gathered[place].append(f"{name}={value}")
    return told | {f"code of {place}": digest_of(*sorted(found)) for place, found in gathered.items()}
