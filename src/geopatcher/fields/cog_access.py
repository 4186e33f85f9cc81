"""Where a file in an object store is, and what opens the store: pickled without secrets."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote, urlsplit, urlunsplit

from geopatcher._optional import load
from geopatcher.errors import TransportError
from geopatcher.errors.redaction import shown
from geopatcher.formats.sidecars import said_in
from geopatcher.formats.urls import BESIDE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Options of stores whose values stay in this process.
SECRET = re.compile(
    r"secret|token|password|passwd|credential|signature|sas|access_key|account_key|api_?key|header",
    re.IGNORECASE,
)


class Store(Protocol):
    """A store of obstore."""


@dataclass(frozen=True)
class CogAccess:
    """A file in an object store.

    In the store that ``url`` names, opened with ``options``; or at ``path`` in a ``store`` that is open.

    ``withheld`` says that options were left behind when it was pickled.
    """

    url: str
    path: str
    options: Mapping[str, object] = field(default_factory=dict, repr=False)
    store: Store | None = field(default=None, repr=False)
    timeout: float = 120.0
    withheld: bool = False

    @classmethod
    def of(
        cls,
        url: str,
        storage_options: Mapping[str, object] | None,
        store: Store | None,
        path: str | None,
        timeout: float,
    ) -> CogAccess:
        """Take a URL apart.

        Raises
        ------
        ValueError
            It names no file, or there are options for a store that is open already.

        """
        if store is not None and storage_options:
            raise ValueError(
                "storage_options are for opening a store, and store= is one already: leave one of both out"
            )
        local = None if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]+://", url) else Path(url).absolute()
        parts = urlsplit(url) if local is None else urlsplit(local.as_uri())
        folder, _, name = parts.path.rpartition("/")
        inside = path or unquote(parts.path.lstrip("/") if store is not None else name)
        if not inside:
            raise ValueError(f"{shown(url)} names no file: give the URL of a GeoTIFF")
        base = urlunsplit((parts.scheme, parts.netloc, folder + "/", parts.query, ""))
        return cls(base, inside, dict(storage_options or {}), store, timeout)

    def __str__(self) -> str:
        parts = urlsplit(self.url)
        return shown(urlunsplit((parts.scheme, parts.netloc, parts.path + self.path, "", "")))

    def __getstate__(self) -> dict[str, object]:
        if self.store is not None:
            raise TransportError(
                f"{self} is read from a store that was passed as store=, and an open store is not sent to "
                f"other processes: pass the URL and storage_options instead"
            )
        sent = {name: value for name, value in self.options.items() if not SECRET.search(name)}
        parts = urlsplit(self.url)
        bare = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
        withheld = self.withheld or len(sent) < len(self.options) or bare != self.url
        return {**vars(replace(self, url=bare, options=sent)), "withheld": withheld}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)

    @property
    def advice(self) -> str:
        """What to say of an error, where the reason may be what was not sent to this process."""
        if not self.withheld:
            return ""
        return (
            "; secrets are not sent to other processes: give them to the store by environment variables, "
            "such as AWS_SECRET_ACCESS_KEY"
        )

    def files(self) -> Sequence[Path]:
        """Return the file, if it is one of this machine."""
        parts = urlsplit(self.url)
        return (
            (Path(unquote(parts.path)) / self.path,) if parts.scheme == "file" and self.store is None else ()
        )

    def open(self) -> Store:
        """Return the store, opened if none was given.

        Raises
        ------
        MissingExtraError
            obstore is not installed.

        """
        if self.store is not None:
            return self.store
        stores = load("obstore.store")
        parts = urlsplit(self.url)
        if parts.scheme == "file":
            local: Store = stores.LocalStore(prefix=unquote(parts.path))
            return local
        client = {"timeout": f"{self.timeout:g}s", "allow_http": parts.scheme == "http"}
        given = self.options.get("client_options")
        others = {name: value for name, value in self.options.items() if name != "client_options"}
        client |= given if isinstance(given, dict) else {}
        remote: Store = stores.from_url(self.url, client_options=client, **others)
        return remote

    async def lost_beside(self) -> str | None:
        """Return what lies beside the file and counts, which is read from nowhere but the file itself."""
        library, store = load("obstore"), self.open()
        refused = load("obstore.exceptions")
        for ending in BESIDE:
            try:
                answer = await library.get_async(store, self.path + ending)
                is_text = ending == ".aux.xml"
                content = bytes(await answer.bytes_async()) if is_text else b""
            except (FileNotFoundError, refused.PermissionDeniedError, refused.UnauthenticatedError):
                continue  # that it is not for us is an answer, too
            said = said_in(content) if is_text else ["which pixels are missing"]
            if said:
                says = ", ".join(said)
                return f"{self}{ending} beside it says {says}, and only GDAL reads it: take RasterField"
        return None

    async def told(self) -> dict[str, str | int | float]:
        """Return what the store says of this version of the file."""
        meta = await load("obstore").head_async(self.open(), self.path)
        known: dict[str, str | int | float] = {"bytes": int(meta["size"])}
        if meta.get("e_tag"):
            known["etag"] = str(meta["e_tag"])
        else:
            known["last_modified"] = str(meta["last_modified"])
        return known
