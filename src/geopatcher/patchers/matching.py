"""Streams of several sources in step with each other."""

from __future__ import annotations

from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import numpy as np

from geopatcher.core.patch import carriers
from geopatcher.fields.labelled import LabelledArray
from geopatcher.fields.plain_field import array_of
from geopatcher.patchers.matched_patches import check_names
from geopatcher.patchers.series import axis_of

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from geopatcher.patchers.series import TimeAxis


class Placed(Protocol):
    """A patch: where or when it is."""

    @property
    def anchor(self) -> object:
        """A place, a step, or both."""
        ...


class Bundled(Placed, Protocol):
    """Patches of several sources."""

    @property
    def members(self) -> Mapping[str, object]:
        """By the name of their source."""
        ...


P = TypeVar("P", bound=Placed)
Q = TypeVar("Q", bound=Bundled)
P_co = TypeVar("P_co", bound=Placed, covariant=True)


class Closable(Protocol[P_co]):
    """A stream of patches that can be stopped."""

    def __next__(self) -> P_co:
        """Return the next one."""
        ...

    def __iter__(self) -> Iterator[P_co]:
        """Return itself."""
        ...

    def close(self) -> None:
        """Stop."""
        ...


class _Following(Generic[P]):
    """A stream that may leave anchors out."""

    def __init__(self, stream: Iterator[P]) -> None:
        self._stream = stream
        self._waiting: P | None = None

    def at(self, anchor: object) -> P | None:
        """Return the patch of the next anchor, ``None`` where it was left out."""
        patch = next(self._stream, None) if self._waiting is None else self._waiting
        self._waiting = patch if patch is not None and patch.anchor != anchor else None
        return patch if self._waiting is None else None


def together(
    anchors: Iterable[object], streams: Mapping[str, Closable[P]]
) -> Generator[dict[str, P], None, None]:
    """Yield the patches of each anchor that all streams have."""
    with ExitStack() as stack:
        following = {
            name: _Following(iter(stack.enter_context(closing(stream)))) for name, stream in streams.items()
        }
        for anchor in anchors:
            found = {name: stream.at(anchor) for name, stream in following.items()}
            members = {name: patch for name, patch in found.items() if patch is not None}
            if len(members) == len(streams):
                yield members


def same_grid(name: str, data: object, primary: object) -> None:
    """Refuse data that was brought to other pixels than those of the primary source.

    Raises
    ------
    ValueError
        It has another height or width.

    """
    found, wanted = array_of(data).shape[-2:], array_of(primary).shape[-2:]
    if found != wanted:
        raise ValueError(
            f"the data of {name!r} came back as {found}, and the patch of the primary source is {wanted}: "
            f"coreg[{name!r}] has to return what lies on the pixels and steps of the primary patch"
        )


def time_axis_of(data: object, time_axis: TimeAxis) -> int:
    """Return which axis of the data of a patch is time, counted from the first."""
    if isinstance(data, LabelledArray) and isinstance(time_axis, str):
        return data.dims.index(time_axis)
    return axis_of(0 if isinstance(time_axis, str) else time_axis, array_of(data).shape)


def all_known(masks: Iterable[NDArray[np.bool_]], kept: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return where all masks are true, each reduced to the axes ``kept``, counted from the last."""
    result: NDArray[np.bool_] | None = None
    for mask in masks:
        spare = tuple(axis for axis in range(mask.ndim) if axis - mask.ndim not in kept)
        known: NDArray[np.bool_] = np.asarray(mask.all(axis=spare))
        result = known if result is None else result & known
    return np.ones((), bool) if result is None else result


def check_members(patches: Iterable[Q], names: Mapping[str, object]) -> Iterator[Q]:
    """Yield patches, refusing those that have other sources.

    Raises
    ------
    ValueError
        One has a source that is not known, or lacks one.

    """
    for patch in carriers(patches):
        check_names(patch.members, names, "what is merged")
        lacking = [name for name in names if name not in patch.members]
        if lacking:
            raise ValueError(f"the patch at {patch.anchor} has nothing of {lacking[0]!r}")
        yield patch
