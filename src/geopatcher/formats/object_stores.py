"""Zarr stores in buckets and on web servers: made where they are read, from what the environment there says.

This module imports zarr and obstore, and is loaded by `geopatcher._optional.load` when it is needed.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

from obstore.store import ObjectStore as Store
from zarr.storage import ObjectStore

from geopatcher.errors import SourceError
from geopatcher.formats.opened_buckets import named, store_of
from geopatcher.formats.traffic import TRAFFIC

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Mapping

    from obstore import ObjectMeta
    from zarr.abc.store import ByteRequest
    from zarr.core.buffer import Buffer, BufferPrototype


class RemoteStore(ObjectStore[Store]):  # type: ignore[misc]  # zarr is not looked into
    """A bucket or a web server, for reading. It travels as its address, and is made anew where it arrives.

    What is not there is not there; all else that goes wrong is an error, and no fill value. ``documents`` are
    contents by their keys that are known and not asked for.
    """

    def __init__(
        self, root: str, credentials: str | None = None, documents: Mapping[str, bytes] | None = None
    ) -> None:
        self.root, self.credentials, self.documents = root, credentials, dict(documents or {})
        super().__init__(store_of(root, credentials), read_only=True)

    def __reduce__(self) -> tuple[type[RemoteStore], tuple[str, str | None, dict[str, bytes]]]:
        return (RemoteStore, (self.root, self.credentials, self.documents))

    def __str__(self) -> str:
        return self.root

    def with_read_only(self, read_only: bool = False) -> Self:
        """Return this store, which is for reading only.

        Raises
        ------
        SourceError
            It is to be written to.

        """
        if not read_only:
            raise SourceError(f"{self.root} is only read")
        return self

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Return bytes, ``None`` of what is not there.

        Raises
        ------
        SourceError
            They cannot be read.

        """
        if key in self.documents:
            return prototype.buffer.from_bytes(self.documents[key])
        with named(f"{self.root}/{key}"):
            found: Buffer | None = await super().get(key, prototype, byte_range)
        TRAFFIC.add(1, 0 if found is None else len(found))
        return found

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        """Return ranges of bytes."""
        return await asyncio.gather(*(self.get(key, prototype, part) for key, part in key_ranges))

    async def exists(self, key: str) -> bool:
        """Whether there is something of this name."""
        with named(f"{self.root}/{key}"):
            return bool(await super().exists(key))

    async def list_dir(self, prefix: str) -> AsyncGenerator[str, None]:
        """Yield the names right below a prefix."""
        with named(f"{self.root}/{prefix}"):
            async for name in super().list_dir(prefix):
                yield name

    def stamps(self, prefix: str, most: int) -> list[str]:
        """Return names, etags and sizes of what begins with a prefix, of as many as ``most``.

        Raises
        ------
        SourceError
            The server does not list what it has.

        """
        found: list[str] = []
        with named(f"{self.root}/{prefix}"):
            for entries in self.store.list(prefix, chunk_size=min(most, 1000)):
                TRAFFIC.add(1)
                found += [_stamp(entry["path"], entry) for entry in entries]
                if len(found) >= most:
                    break
        return sorted(found)

    def stamp(self, key: str) -> str:
        """Return name, etag and size of one object, ``""`` of one that is not there.

        Raises
        ------
        SourceError
            It cannot be asked.

        """
        TRAFFIC.add(1)
        with named(f"{self.root}/{key}"):
            try:
                entry = self.store.head(key)
            except FileNotFoundError:
                return ""
        return _stamp(key, entry)


def _stamp(key: str, entry: ObjectMeta) -> str:
    return f"{key} {entry['e_tag'] or entry['last_modified']} {entry['size']}"
