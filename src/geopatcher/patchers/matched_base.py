"""What the patchers of several sources share: who is told, which sources there are, and one pass to merge."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sized
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar, runtime_checkable

from geopatcher.api.configs import ConfiguredParts
from geopatcher.engine.hooks import Hooks
from geopatcher.patchers.fan_out import fan_out
from geopatcher.patchers.matched_patches import PRIMARY_KEY, Member, check_names
from geopatcher.patchers.matching import Bundled, check_members
from geopatcher.patchers.streams import bytes_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from geopatcher.engine.hooks import AnyHook
    from geopatcher.patchers.matched_field import MatchedField

#: The patcher of the primary source.
C = TypeVar("C")
#: How a source is put together.
A = TypeVar("A")
#: The patches of all sources at one place or time.
Q = TypeVar("Q", bound=Bundled)
M = TypeVar("M", bound=Member)


@runtime_checkable
class HasSecondaries(Protocol):
    """Several sources: a `geopatcher.MatchedField`."""

    @property
    def secondaries(self) -> Mapping[str, object]:
        """All but the primary one, by name."""
        ...


@dataclass
class MatchedPatcher(ConfiguredParts, ABC, Generic[C, A, Q]):
    """Cuts several sources where the patcher of the primary one does, and puts each together by itself.

    Parameters
    ----------
    primary
        Says where and when patches are, and puts together those sources for which nothing else is said.
    secondary_aggregators
        How others are put together, by their names.

    """

    primary: C
    secondary_aggregators: Mapping[str, A] = field(default_factory=dict)

    def check(self, mfield: MatchedField) -> None:
        """Refuse aggregations of sources that are not there.

        Parameters
        ----------
        mfield
            The sources.

        Raises
        ------
        ValueError
            ``secondary_aggregators`` names one.
        TypeError
            It is no `MatchedField`.

        """
        if not isinstance(mfield, HasSecondaries):
            raise TypeError(
                f"several sources are a MatchedField(primary, {{name: other}}), not a {type(mfield).__name__}"
            )
        check_names(self.secondary_aggregators, mfield.secondaries, "of the secondaries, the field")

    def merge(
        self,
        patches: Iterable[Q],
        mfield: MatchedField,
        hooks: Iterable[AnyHook] | AnyHook | None = None,
    ) -> dict[str, object]:
        """Put the patches of each source together, all in one pass.

        Parameters
        ----------
        patches
            Any iterable of the patches that `split` gives, in its order; lazily, where it is lazy.
        mfield
            The sources, for their names and their grid.
        hooks
            Objects that hear of begin and end; none by default.

        Returns
        -------
        dict
            ``{"primary": result, name: result}``: what the aggregation of each makes of its patches.

        Raises
        ------
        ValueError
            A patch has a source that is not there, or lacks one.

        """
        self.check(mfield)
        told = Hooks.of(hooks)
        told.merge_start(len(patches) if isinstance(patches, Sized) else None)
        takers = {name: partial(self._merged, mfield, name) for name in mfield.sources}
        results = fan_out(check_members(patches, mfield.sources), takers)
        told.merge_end(bytes_of(results))
        return results

    @abstractmethod
    def _merged(self, mfield: MatchedField, name: str, patches: Iterator[Q]) -> object:
        """Return what becomes of the patches of one source."""


def members_of(
    mfield: MatchedField,
    primary: M,
    raw: Callable[[str], object],
    check: Callable[[str, object, object], None],
) -> dict[str, M]:
    """Return the patch of each source: ``raw`` gives the data of a secondary one, ``coreg`` brings it here.

    What it brings is handed to ``check``, with the name of the source and the data of the primary one.
    """
    members = {PRIMARY_KEY: primary}
    for name in mfield.secondaries:
        data = mfield.brought(name, raw(name), primary.data)
        if name in mfield.coreg:
            check(name, data, primary.data)
        members[name] = primary.with_data(data)
    return members
