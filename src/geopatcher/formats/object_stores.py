"""Zarr stores in buckets and on web servers: made where they are read, from what the environment there says.

This module imports zarr and obstore, and is loaded by `geopatcher._optional.load` when it is needed.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import re
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Self

from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import HTTPStore, from_url
from zarr.storage import ObjectStore

from geopatcher.errors import GeopatcherError, SourceAccessError, SourceError
from geopatcher.errors.redaction import redacted, scrub
from geopatcher.formats.cloud_variables import for_obstore, usual_variable
from geopatcher.formats.gdal_messages import config_secrets
from geopatcher.formats.traffic import TRAFFIC

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping

    from obstore import ObjectMeta
    from obstore.store import ClientConfig, RetryConfig
    from obstore.store import ObjectStore as Store
    from zarr.abc.store import ByteRequest
    from zarr.core.buffer import Buffer, BufferPrototype

#: As GDAL is told in `geopatcher.formats.gdal_environment`.
RETRIES: RetryConfig = {"max_retries": 3, "retry_timeout": timedelta(minutes=2)}
#: For a whole answer, and until a connection stands.
CLIENT: ClientConfig = {"timeout": timedelta(minutes=1), "connect_timeout": timedelta(seconds=10)}


class RemoteStore(ObjectStore["Store"]):  # type: ignore[misc]  # zarr is not looked into
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


@contextmanager
def named(
    address: str,
    doing: str = "read",
    refused: type[GeopatcherError] = SourceAccessError,
    failed: type[GeopatcherError] = SourceError,
    through: type[BaseError] | tuple[()] = (),
) -> Iterator[None]:
    """Raise what goes wrong with an address by its name, without secrets.

    What is not there is let through, and so is what is of the class ``through``.

    Raises
    ------
    refused
        A server says that it is not for us.
    failed
        It cannot be read, or what else was ``doing``.

    """
    try:
        yield
    except through:
        raise
    except BaseError as error:
        secrets = config_secrets()
        scrub(error, secrets=secrets)
        why = _said(redacted(str(error), secrets=secrets))
        denied = isinstance(error, PermissionDeniedError | UnauthenticatedError)
        if denied or re.search(r"status code: 40[13]\b", why):  # a list that is refused is of no class
            raise refused(
                f"cannot {doing} {address}: not authorised: check the credentials in the environment, such "
                f"as {usual_variable(address)}; some servers say the same of what is not there ({why})"
            ) from error
        if "NoSuchBucket" in why or "ContainerNotFound" in why:
            raise refused(f"cannot {doing} {address}: there is no such bucket ({why})") from error
        raise failed(f"cannot {doing} {address}: {why}") from error


def _said(message: str) -> str:
    """Return the first line of a message, and the code of an object store's answer behind it.

    >>> _said("404 Not Found: <?xml ?><Error><Code>NoSuchBucket</Code></Error>")
    '404 Not Found: NoSuchBucket'
    """
    code = re.search(r"<Code>(\w+)</Code>", message)
    line = message.strip().partition("\n")[0].partition("<")[0].strip()
    return f"{line} {code[1]}" if code else line


def store_of(root: str, credentials: str | None) -> Store:
    """Return what reads a bucket or a server, as the environment says.

    Raises
    ------
    SourceError
        The environment does not say enough.

    """
    plain = root.startswith("http://")
    with named(root):
        if root.startswith(("http://", "https://")):
            return HTTPStore(root, client_options={**CLIENT, "allow_http": plain}, retry_config=RETRIES)
        provider = None if credentials is None else _named_function(credentials)
        config = for_obstore(os.environ, root.partition(":")[0])
        options: ClientConfig = {**CLIENT, "allow_http": any("http://" in value for value in config.values())}
        store: Store = from_url(  # type: ignore[call-overload]  # the address says which
            root, config=config, client_options=options, retry_config=RETRIES, credential_provider=provider
        )
        return store


def _named_function(credentials: str) -> object:
    """Return the function that gives credentials, which is called here and not where it was named.

    Raises
    ------
    ValueError
        There is none of this name.

    """
    module, _, name = credentials.partition(":")
    try:
        found: object = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f'credentials={credentials!r} is to be "module:function", a function that gives a dict as '
            f"obstore's credential providers do, and that can be imported where pixels are read: {error}"
        ) from error
    return found
