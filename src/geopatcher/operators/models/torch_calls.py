"""How networks of PyTorch are called with several tensors: in order, by name, or with one dict."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Call(Enum):
    """How several tensors are handed over."""

    IN_ORDER = "in order"
    BY_NAME = "by name"
    AS_DICT = "as a dict"

    def hand(self, network: Callable[..., object], tensors: Mapping[str, object]) -> object:
        """Call a network with tensors by the names of its inputs; one alone is handed as it is.

        >>> Call.AS_DICT.hand(lambda given: given["b"] - given["a"], {"a": 1, "b": 3})
        2
        """
        if len(tensors) == 1 or self is Call.IN_ORDER:
            return network(*tensors.values())
        return network(**tensors) if self is Call.BY_NAME else network(tensors)


@runtime_checkable
class HasForward(Protocol):
    """A module."""

    @property
    def forward(self) -> Callable[..., object]:
        """What is called."""
        ...


@runtime_checkable
class HasSchema(Protocol):
    """A method of TorchScript."""

    @property
    def schema(self) -> _Schema:
        """What it takes."""
        ...


class _Named(Protocol):
    @property
    def name(self) -> str: ...


class _Schema(Protocol):
    @property
    def arguments(self) -> Sequence[_Named]: ...


class Spec(Protocol):
    """The tree of what a program of ``torch.export`` is called with."""

    @property
    def num_leaves(self) -> int:
        """How many tensors."""
        ...

    def unflatten(self, leaves: Sequence[object]) -> tuple[tuple[object, ...], Mapping[str, object]]:
        """Return ``(args, kwargs)`` with something else in the place of each tensor."""
        ...


def call_of_module(module: object, names: Sequence[str]) -> Call:
    """Return how a module is called with tensors of the inputs ``names``.

    By name where its parameters have these names, whatever their order; with a dict where it takes one
    argument alone; else in order.

    >>> class Net:
    ...     def forward(self, image, dem): ...
    >>> call_of_module(Net(), ["dem", "image"]), call_of_module(Net(), ["s2", "s1"])
    (<Call.BY_NAME: 'by name'>, <Call.IN_ORDER: 'in order'>)
    """
    taken, is_open = _parameters(module)
    if {*names} <= {*taken}:
        return Call.BY_NAME
    return Call.AS_DICT if len(taken) == 1 and not is_open else Call.IN_ORDER


def call_of_program(spec: Spec) -> Call:
    """Return how a program of ``torch.export`` is called, from the tree of ``(args, kwargs)``."""
    args, named = spec.unflatten(range(spec.num_leaves))
    if named and not args:
        return Call.BY_NAME
    return Call.AS_DICT if len(args) == 1 and isinstance(args[0], Mapping) else Call.IN_ORDER


def _parameters(module: object) -> tuple[list[str], bool]:
    """Return the names a module takes by position, and whether it takes any more."""
    if not isinstance(module, HasForward):
        return [], True
    forward: object = module.forward
    if isinstance(forward, HasSchema):
        return [one.name for one in forward.schema.arguments][1:], False
    try:
        given = inspect.signature(module.forward).parameters.values()
    except ValueError:  # one that Python cannot look into
        return [], True
    is_open = any(one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD) for one in given)
    return [one.name for one in given if one.kind is one.POSITIONAL_OR_KEYWORD], is_open
