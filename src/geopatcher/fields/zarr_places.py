"""Where a node of a zarr store is: a folder of this machine, or an address in a bucket or on a web server."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from geopatcher._optional import load
from geopatcher.core.digests import digest_of
from geopatcher.errors import SourceAccessError, SourceError
from geopatcher.errors.redaction import shown
from geopatcher.fields.origin import FoldersOrigin
from geopatcher.formats.cloud_variables import usual_variable

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    import zarr

    from geopatcher.fields.origin import Origin
    from geopatcher.formats.object_stores import RemoteStore

#: Files that make a folder a zarr group.
GROUPS = ("zarr.json", ".zgroup")
#: Documents that say what a node of a store is.
DOCUMENTS = ("zarr.json", ".zarray", ".zattrs", ".zgroup")
#: Objects of a store in a bucket that are asked for their versions.
LISTED = 10_000

#: Attributes that name arrays which belong to another one.
BESIDE = ("coordinates", "ancillary_variables", "bounds", "grid_mapping", "cell_measures")

_STORE = re.compile(r"(?:s3|gs|az|https?)://[^?#]*?\.zarr(?:[/?#]|$)", re.IGNORECASE)
_ELSEWHERE = re.compile(r"((?:s3|gs|az|https?)://[^/?#@]+)/((?:[^?#]*?\.zarr)(?:/[^?#]*)?)", re.IGNORECASE)


class Place(Protocol):
    """Where a node of a store is."""

    @property
    def name(self) -> str:
        """Its name in the group it is in."""
        ...

    @property
    def parents(self) -> Sequence[Place]:
        """The groups it is in, the nearest first."""
        ...

    def child(self, path: str) -> Place:
        """Return where a node within this one is."""
        ...

    def resolved(self) -> Place:
        """Return the same after links were followed."""
        ...

    def node(self) -> zarr.Group | zarr.Array:
        """Open it; what zarr raises is raised."""
        ...

    def group(self) -> zarr.Group:
        """Open it as a group."""
        ...

    def arrays(self, wanted: str) -> Mapping[str, zarr.Array]:
        """Return the arrays of the group: where they cannot be listed, ``wanted`` and those it names."""
        ...

    def groups(self) -> Sequence[str]:
        """Return the names of groups in it, where they can be listed."""
        ...

    def renewed(self, array: zarr.Array) -> zarr.Array:
        """Return an array by its own metadata, where those of its group may be older."""
        ...

    def origin(self, arrays: Sequence[zarr.Array]) -> Origin:
        """Return what tells arrays of the store from others and from rewritten ones."""
        ...


@dataclass(frozen=True)
class Folder:
    """A folder of this machine."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    @property
    def name(self) -> str:
        """Of the folder."""
        return self.path.name

    @property
    def parents(self) -> Sequence[Folder]:
        """The folders above that are groups."""
        found = []
        for folder in self.path.parents:
            if not any((folder / name).is_file() for name in GROUPS):
                break
            found.append(Folder(folder))
        return found

    def child(self, path: str) -> Folder:
        """Return a folder within it."""
        return Folder(self.path / path)

    def resolved(self) -> Folder:
        """Return the same after links were followed."""
        return Folder(self.path.resolve())

    def node(self) -> zarr.Group | zarr.Array:
        """Open it."""
        return load("zarr").open(self.path, mode="r")

    def group(self) -> zarr.Group:
        """Open it by its own metadata: consolidated ones may be older than the store."""
        return load("zarr").open_group(self.path, mode="r", use_consolidated=False)

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
        """Return names, sizes and times of all files of the arrays."""
        return FoldersOrigin(
            str(self.path), tuple(Path(str(array.store_path.store.root), array.path) for array in arrays)
        )


@dataclass(frozen=True)
class Address:
    """A place in a bucket or on a web server: ``key`` is what follows ``root``, which is ``s3://bucket``.

    ``credentials`` names a function that gives them. A web server lists nothing, and some buckets are not to
    be listed: there the arrays of a group are those its consolidated metadata tell of, or those that are
    asked for by name.
    """

    root: str
    key: str
    credentials: str | None = None

    def __str__(self) -> str:
        return f"{self.root}/{self.key}"

    @cached_property
    def _store(self) -> RemoteStore:
        load("obstore")  # says which extra brings it
        store: RemoteStore = load("geopatcher.formats.object_stores").RemoteStore(self.root, self.credentials)
        return store

    def __getstate__(self) -> tuple[str, str, str | None]:
        return (self.root, self.key, self.credentials)

    def __setstate__(self, state: tuple[str, str, str | None]) -> None:
        self.__dict__.update(zip(("root", "key", "credentials"), state, strict=True))

    @property
    def name(self) -> str:
        """The last part of the address."""
        return self.key.rpartition("/")[2]

    @property
    def parents(self) -> Sequence[Address]:
        """What is above it, up to what ends in ``.zarr``."""
        found, key = [], self.key
        while not key.lower().endswith(".zarr"):
            key = key.rpartition("/")[0]
            found.append(replace(self, key=key))
        return found

    def child(self, path: str) -> Address:
        """Return a place within it."""
        return replace(self, key=f"{self.key}/{path}")

    def resolved(self) -> Address:
        """Return the same: there are no links."""
        return self

    def node(self) -> zarr.Group | zarr.Array:
        """Open it.

        Raises
        ------
        SourceAccessError
            There is no such bucket, or no such node, or it may not be read.
        SourceError
            It cannot be asked.

        """
        try:
            return load("zarr").open(self._store, path=self.key, mode="r")
        except FileNotFoundError as error:
            if not self._is_web:
                self._store.stamps(f"{self.key}/", 1)  # of a bucket that is not there this is an error
            raise SourceAccessError(
                f"there is no zarr store at {self}: neither zarr.json nor .zgroup or .zarray is there; check "
                f"the address"
            ) from error

    def group(self) -> zarr.Group:
        """Open it as a group, by consolidated metadata where it has them."""
        return load("zarr").open_group(self._store, path=self.key, mode="r")

    def arrays(self, wanted: str) -> Mapping[str, zarr.Array]:
        """Return its arrays; where nobody can list them, the one that is asked for and what that names."""
        group = self.group()
        if group.metadata.consolidated_metadata is not None or self._lists:
            return dict(group.arrays())
        main = self._named(wanted)
        others = {} if main is None else {name: self._named(name) for name in mentioned(main)}
        found = {wanted: main, **others}
        return {name: array for name, array in found.items() if array is not None}

    def groups(self) -> Sequence[str]:
        """Return the names of groups in it, where there is a list of them."""
        group = self.group()
        listed = group.metadata.consolidated_metadata is not None or self._lists
        return sorted(group.group_keys()) if listed else []

    def renewed(self, array: zarr.Array) -> zarr.Array:
        """Return an array by its own metadata."""
        return load("zarr").open_array(self._store, path=array.path, mode="r")

    def origin(self, arrays: Sequence[zarr.Array]) -> Origin:
        """Return the versions of the objects of the arrays."""
        return ObjectsOrigin(str(self), self._store, tuple(array.path for array in arrays), lists=self._lists)

    @property
    def _is_web(self) -> bool:
        return self.root.lower().startswith("http")

    @cached_property
    def _lists(self) -> bool:
        """Whether we may know what there is; many buckets are open to those only who know the names."""
        if self._is_web:
            return False
        try:
            self._store.stamps(f"{self.key}/", 1)
        except SourceAccessError:
            return False
        return True

    def _named(self, name: str) -> zarr.Array | None:
        try:
            node = load("zarr").open(self._store, path=f"{self.key}/{name}", mode="r")
        except FileNotFoundError:
            return None
        return node if isinstance(node, load("zarr").Array) else None


@dataclass(frozen=True)
class ObjectsOrigin:
    """Arrays in a bucket or on a web server, by what their server says of the versions of their objects.

    All are asked for where the server lists them, and are no more than `LISTED`; else the documents that
    describe the arrays, which whoever writes an array anew writes anew.
    """

    name: str
    store: RemoteStore
    paths: tuple[str, ...]
    lists: bool

    def identity(self) -> Mapping[str, str | int | float]:
        """Return the address, and digests of etags and sizes.

        Raises
        ------
        SourceError
            The server cannot be asked.

        """
        known: dict[str, str | int | float] = {"path": self.name, "documents": self.version()}
        if self.lists:
            stamps = [stamp for path in self.paths for stamp in self.store.stamps(f"{path}/", LISTED)]
            known["objects"] = f"{len(stamps)} {digest_of(*stamps)}"
        return known

    def version(self) -> str:
        """Return a digest of what the server says of the documents that describe the arrays.

        Raises
        ------
        SourceError
            The server cannot be asked, or they are gone.

        """
        stamps = [self.store.stamp(f"{path}/{name}") for path in self.paths for name in DOCUMENTS]
        if not any(stamps):
            raise SourceError(f"{self.name} is gone: there is no zarr store at this address any more")
        return digest_of(*stamps)


def place_of(path: str | os.PathLike[str], credentials: str | None = None) -> Place:
    """Return the place a path or address names.

    Raises
    ------
    ValueError
        An address has a user, a password or a query, or credentials are given for a folder.

    """
    found = _ELSEWHERE.fullmatch(str(path))
    if found is None:
        if "://" in str(path):
            raise ValueError(
                f"{shown(str(path))} has more than a host, or a bucket, and a path: credentials are taken "
                f"from the environment, such as {usual_variable(str(path))}, or from "
                'credentials="module:function"'
            )
        if credentials is not None:
            raise ValueError(f"credentials={credentials!r} are for stores in buckets, and {path} is a folder")
        return Folder(Path(path))
    return Address(found[1], found[2].rstrip("/"), credentials)


def is_store_elsewhere(path: str | os.PathLike[str]) -> bool:
    """Whether a path is the address of a zarr store: a part of it ends in ``.zarr``.

    >>> [is_store_elsewhere(path) for path in ("s3://b/a.zarr/ndvi", "https://h/a.zarr?s=1", "a.zarr", "s3://b/a.tif")]
    [True, True, False, False]
    """
    return _STORE.match(str(path)) is not None


def dims_of(array: zarr.Array) -> tuple[str, ...]:
    """Return the names of the dimensions of an array; made up where it has none."""
    if array.metadata.zarr_format == 2:
        names = array.attrs.get("_ARRAY_DIMENSIONS")
        if isinstance(array.attrs.get("_NCZARR_ARRAY"), Mapping) and names is None:
            references = array.attrs["_NCZARR_ARRAY"].get("dimension_references") or ()
            names = [str(reference).rpartition("/")[2] for reference in references]
    else:
        names = array.metadata.dimension_names
    if not isinstance(names, list | tuple) or len(names) != len(array.shape):
        names = [None] * len(array.shape)
    return tuple(f"dim_{axis}" if name is None else str(name) for axis, name in enumerate(names))


def mentioned(array: zarr.Array) -> Sequence[str]:
    """Return the names of arrays that one names: its dimensions, and what its attributes say is beside it."""
    said = [array.attrs.get(key) for key in BESIDE]
    words = [name.strip(":") for text in said if isinstance(text, str) for name in text.split()]
    return tuple(dict.fromkeys([*dims_of(array), *words, "spatial_ref"]))
