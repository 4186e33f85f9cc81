"""What objects can say of themselves: the small interfaces an identity is made by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray


@runtime_checkable
class Fingerprinted(Protocol):
    """An object that can say which version of itself it is, such as a digest of a model's weights."""

    def fingerprint(self) -> str:
        """Return a text that differs whenever results would."""
        ...


@runtime_checkable
class Wrapping(Protocol):
    """A callable around another one, as `functools.wraps` leaves it."""

    __wrapped__: object


@runtime_checkable
class Adjustable(Protocol):
    """A callable around another one that has settings of its own, such as a seed."""

    def wrapper_settings(self) -> Mapping[str, object]:
        """Return what its results depend on beside the callable; nothing where that is all."""
        ...


@runtime_checkable
class Stateful(Protocol):
    """A model that hands out its weights by name, such as a ``torch.nn.Module``."""

    def state_dict(self) -> Mapping[str, object]:
        """Return the weights: tensors or arrays."""
        ...


@runtime_checkable
class Tensor(Protocol):
    """A ``torch.Tensor``."""

    @property
    def dtype(self) -> object:
        """Of the cells."""
        ...

    def detach(self) -> Self:
        """Return it without the way it was computed."""
        ...

    def cpu(self) -> Self:
        """Return it in the memory of the processor."""
        ...

    def float(self) -> Self:
        """Return it in single precision."""
        ...

    def numpy(self) -> NDArray[np.generic]:
        """Return its cells."""
        ...


@runtime_checkable
class Jitted(Protocol):
    """A function that numba compiles; pickled it would carry a number of its own."""

    @property
    def py_func(self) -> object:
        """The function as it was written."""
        ...

    @property
    def targetoptions(self) -> Mapping[str, object]:
        """How it is compiled."""
        ...
