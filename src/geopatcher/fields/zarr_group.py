"""Groups of zarr that somebody has opened, in whatever store: an Icechunk snapshot, a zip, memory."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from geopatcher._optional import load
from geopatcher.fields.origin import NamedOrigin
from geopatcher.fields.zarr_places import Folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import zarr

    from geopatcher.fields.origin import Origin
    from geopatcher.fields.zarr_places import Place


#: Attributes by which an array says which of its cells are missing, or where they lie.
DESCRIBED = frozenset(
    {
        *("_FillValue", "missing_value", "nodata", "nodatavals", "valid_range", "valid_min", "valid_max"),
        *("_Unsigned", "ancillary_variables", "grid_mapping"),
    }
)


@runtime_checkable
class ZarrGroup(Protocol):
    """A `zarr.Group`."""

    @property
    def store(self) -> object:
        """Where it is stored."""
        ...

    @property
    def path(self) -> str:
        """Its place in the store."""
        ...

    def arrays(self) -> Iterable[tuple[str, zarr.Array]]:
        """Return its arrays by name."""
        ...

    def group_keys(self) -> Iterable[str]:
        """Return the names of groups in it."""
        ...


@runtime_checkable
class ZarrNode(Protocol):
    """A `zarr.Group` or a `zarr.Array`."""

    @property
    def store(self) -> object:
        """Where it is stored."""
        ...

    @property
    def path(self) -> str:
        """Its place in the store."""
        ...


@runtime_checkable
class _Described(Protocol):
    """What has attributes."""

    @property
    def attrs(self) -> Mapping[str, object]:
        """What is said of it."""
        ...


@runtime_checkable
class _Stored(Protocol):
    @property
    def store(self) -> object: ...


@runtime_checkable
class _InFolder(Protocol):
    """A zarr store in a folder."""

    @property
    def root(self) -> Path: ...


@runtime_checkable
class Snapshot(Protocol):
    """An Icechunk session."""

    @property
    def read_only(self) -> bool:
        """Whether it is of a snapshot, which never changes."""
        ...

    @property
    def snapshot_id(self) -> str:
        """Which one."""
        ...


@runtime_checkable
class InSnapshot(Protocol):
    """An Icechunk store."""

    @property
    def session(self) -> object:
        """What it is of."""
        ...


def snapshot_of(array: object) -> str:
    """Return which snapshot of Icechunk an array or a group is in; ``""`` where it is in none that stays.

    >>> snapshot_of("a text")
    ''
    """
    store = array.store if isinstance(array, _Stored) else None
    session = store.session if isinstance(store, InSnapshot) else None
    return session.snapshot_id if isinstance(session, Snapshot) and session.read_only else ""


def is_described(node: object) -> bool:
    """Whether a node of a zarr store is a group, or an array of which more is said than its cells.

    >>> is_described("a text")
    False
    """
    if isinstance(node, ZarrGroup):
        return True
    return isinstance(node, _Described) and not DESCRIBED.isdisjoint(node.attrs)


def place_of_node(node: ZarrNode) -> Place:
    """Return the place of a group or an array: the folder it is in, where it is in one."""
    store = node.store
    if isinstance(store, _InFolder) and isinstance(store.root, Path):
        return Folder(store.root / node.path)
    return InStore(store, node.path, snapshot_of(node))


@dataclass(frozen=True)
class InStore:
    """A node of a store that is open; it travels with the store, if that travels.

    ``snapshot`` is that of Icechunk.
    """

    store: object
    key: str
    snapshot: str = ""

    def __str__(self) -> str:
        store = f"icechunk://{self.snapshot}" if self.snapshot else f"zarr://{type(self.store).__name__}"
        return f"{store}/{self.key}".rstrip("/")

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.key.rpartition("/")[2]

    @property
    def parents(self) -> Sequence[InStore]:
        """The groups it is in."""
        parts = self.key.split("/") if self.key else []
        return [replace(self, key="/".join(parts[:n])) for n in reversed(range(len(parts)))]

    def child(self, path: str) -> InStore:
        """Return a place within it."""
        return replace(self, key=f"{self.key}/{path}".lstrip("/"))

    def resolved(self) -> InStore:
        """Return the same: there are no links."""
        return self

    def node(self) -> zarr.Group | zarr.Array:
        """Open it."""
        return load("zarr").open(self.store, path=self.key, mode="r")

    def group(self) -> zarr.Group:
        """Open it as a group, by its own metadata."""
        return load("zarr").open_group(self.store, path=self.key, mode="r", use_consolidated=False)

    def arrays(self, wanted: str) -> Mapping[str, zarr.Array]:
        """Return all its arrays."""
        _ = wanted
        return dict(self.group().arrays())

    def groups(self) -> Sequence[str]:
        """Return the names of groups in it."""
        return sorted(self.group().group_keys())

    def renewed(self, array: zarr.Array) -> zarr.Array:
        """Return the array."""
        return array

    def origin(self, arrays: Sequence[zarr.Array]) -> Origin:
        """Return the snapshot, and which arrays of it; of another store it is not known what it holds."""
        known = {"path": str(self), "arrays": ", ".join(array.path for array in arrays)}
        trouble = "" if self.snapshot else f"a {type(self.store).__name__} may hold something else by now"
        return NamedOrigin(known, trouble)
