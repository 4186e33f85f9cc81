"""Which files a raster is read from, and which versions of them: what GDAL has behind a name."""

from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from geopatcher.core.digests import digest_of
from geopatcher.errors import SourceError
from geopatcher.fields.file_contents import METADATA, said_by, sample_of
from geopatcher.fields.mask_beside import files_of, mask_beside
from geopatcher.fields.url_identity import ask, query_digest, url_of, why_not_asked
from geopatcher.formats.dataset_pool import POOL
from geopatcher.formats.side_by_side import FILES_AT_ONCE
from geopatcher.formats.signing import SIGNED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from geopatcher.fields.url_identity import Answer

#: Drivers whose datasets are a description of something a server or other files have.
DESCRIPTIONS = frozenset(
    {
        "DAAS",
        "EEDA",
        "EEDAI",
        "GTI",
        "OGCAPI",
        "PLMosaic",
        "PostGISRaster",
        "STACIT",
        "STACTA",
        "WCS",
        "WMS",
        "WMTS",
    }
)
#: Endings of what lies beside a raster and says nothing of its pixels.
BESIDE = (".aux.xml", ".ovr", ".msk.ovr", ".vat.dbf")
#: Endings of what lies beside the tiles of a VRT, and may be read instead, or with them.
BESIDE_TILES = (".ovr", ".msk", ".msk.ovr", METADATA)
#: Bytes at the beginning, in the middle and at the end of a file that are looked at; of many files, of all.
SAMPLE_BYTES = 64 << 10
SAMPLES_BYTES, LEAST_BYTES = 16 << 20, 4 << 10
#: Datasets within datasets, up to here.
DEEPEST = 16

_ARCHIVE = re.compile(r"/vsi(?:zip|tar|gzip|7z|rar|cached|subfile)/(.*)", re.DOTALL)
_SCHEME = re.compile(r"(?:(?:zip|tar|gzip)\+)?file://|(?:zip|tar|gzip)://", re.IGNORECASE)
_ELSEWHERE = re.compile(r"/vsi|[A-Za-z][A-Za-z0-9+.\-]+://", re.IGNORECASE)


@dataclass(frozen=True)
class SourceFiles:
    """What is behind a dataset: ``names`` as GDAL gives them, the dataset's own first.

    ``described`` is its driver, where that reads more than these.
    """

    names: tuple[str, ...]
    described: str = ""

    @classmethod
    def of(cls, path: str) -> SourceFiles:
        """Ask GDAL; datasets within a VRT are asked, too.

        Statistics and overviews beside a raster are none of it; overviews beside the tiles of a VRT are,
        since GDAL reads them where it shrinks a tile, and what is said there of the missing cells of a tile.

        Raises
        ------
        SourceError
            The dataset cannot be opened.

        """
        with POOL.look_at(path) as dataset:
            if POOL.is_lone(path):  # known when it was opened; GDAL would ask the server again
                return cls((path, *filter(None, [mask_beside(path, dataset)])))
            driver = dataset.driver
            address = SIGNED.of(path)
            whole = (address, f"/vsicurl/{address}", re.sub("^(s3|gs|az)://", r"/vsi\1/", address))
            found = dict.fromkeys(path if name in whole else name for name in files_of(path, dataset))
        waiting = [(name, 1) for name in found]
        while waiting:
            name, depth = waiting.pop()
            if name == path or depth > DEEPEST or not is_dataset(name):
                continue
            for inner in _inside(name):
                if inner not in found:
                    found[inner] = None
                    waiting.append((inner, depth + 1))
        names = [name for name in found if not name.endswith(BESIDE) and not _is_guessed(name, address)]
        if driver == "VRT":
            names += [
                name + ending for name in names if local_file(name) == Path(name) for ending in BESIDE_TILES
            ]
        return cls(tuple(names), driver if driver in DESCRIPTIONS else "")

    def identity(self) -> dict[str, str | int | float]:
        """Return what tells these files from others, and from older versions of themselves."""
        known: dict[str, str | int | float] = {}
        if len(self.names) == 1:
            known |= _of_one(self.names[0])
        elif self.names:
            states = _states(self.names)
            trouble = [state.trouble for state in states if state.trouble]
            known["files"] = f"{len(states)} {digest_of(*(f'{state.name} {state.text}' for state in states))}"
            known |= _of_local(local_file(self.names[0]))
            if trouble:
                known["unknown"] = f"{trouble[0]} ({len(trouble)} of {len(states)} files)"
        if self.described:
            known["unknown"] = f"a {self.described} dataset describes what others have"
        elif not self.names:
            known["unknown"] = "GDAL names no file it is in"
        return known

    def version(self, known: Mapping[str, Answer] | None = None) -> str:
        """Return a text that changes when one of the files does; of those that are ``known`` none is asked.

        Raises
        ------
        SourceError
            A server could not be asked.

        """
        states = _states(self.names, quick=True, known=known or {})
        silent = next((state for state in states if state.is_silent), None)
        if silent is not None:
            raise SourceError(f"whether it has changed is not known: {silent.trouble}")
        return digest_of(*(state.text for state in states))


@dataclass(frozen=True)
class _State:
    """A file: its name, what it is now, and what cannot be known of it."""

    name: str
    text: str
    trouble: str = ""
    is_silent: bool = False


def local_file(name: str) -> Path | None:
    """Return the file of this machine behind a path of rasterio or GDAL: of one in an archive, the archive.

    >>> str(local_file(f"/vsizip/{__file__}/inner.tif")) == __file__, local_file("https://host/a.tif")
    (True, None)
    """
    rest = name
    while (found := _ARCHIVE.match(rest)) is not None:
        rest = found[1].replace("{", "").replace("}", "")
    rest = _SCHEME.sub("", rest, count=1).partition("!")[0].partition("|")[0]
    rest = re.sub(r"^\d+_\d+,", "", rest)  # /vsisubfile/offset_size,name
    if "\0" in rest or _ELSEWHERE.match(rest):
        return None
    place = Path(rest)
    for candidate in (place, *place.parents):
        if candidate.is_file():
            return candidate
        if candidate.is_dir():
            return None
    return None


def _is_guessed(name: str, path: str) -> bool:
    """Whether GDAL made a name by adding to the query of ``path``: many servers then answer with the file."""
    return "?" in name and any(
        name != whole and name.startswith(whole) for whole in (path, f"/vsicurl/{path}")
    )


def is_dataset(name: str) -> bool:
    """Whether a name is that of a dataset made of others, or of a part of one, such as netcdf:"a.nc":b."""
    if name.partition("?")[0].lower().endswith(".vrt") or name.startswith("vrt://"):
        return True
    return ":" in name and local_file(name) is None and not _ELSEWHERE.match(name)


def _inside(name: str) -> Iterator[str]:
    """Yield the files of a dataset within another; one that cannot be opened tells nothing more."""
    try:
        with POOL.look_at(name) as dataset:
            yield from files_of(name, dataset)
    except SourceError:
        return


def _of_one(name: str) -> dict[str, str | int | float]:
    if _server_of(name) is not None:
        return _of_url(name, ask_for(name))
    found = local_file(name)
    if found is None:
        return {"unknown": _why_unknown(name)}
    return _of_local(found)


def _server_of(name: str) -> str | None:
    """Return the address at which a server can be asked for a file."""
    url = url_of(SIGNED.of(name))
    return None if url is None or why_not_asked(url) else url


def ask_for(name: str) -> Answer:
    """Return what a server says of a file; under another signature where it refuses the one there is."""
    address, count = SIGNED.of(name), SIGNED.count(name)
    answer = ask(url_of(address) or address)
    if answer.trouble and SIGNED.renew(name, count):
        address = SIGNED.of(name)
        answer = ask(url_of(address) or address)
    return answer


def _of_url(name: str, answer: Answer) -> dict[str, str | int | float]:
    query = query_digest(url_of(name) or name)
    return answer.known | ({"query": query} if query else {})


def _of_local(place: Path | None) -> dict[str, str | int | float]:
    if place is None:
        return {}
    try:
        status = place.stat()
        return {
            "size": status.st_size,
            "mtime_ns": status.st_mtime_ns,
            "sample": sample_of(place, status.st_size, SAMPLE_BYTES),
        }
    except OSError:
        return {"size": "missing"}


def _why_unknown(name: str) -> str:
    kind = re.match(r"/vsi[a-z0-9_]+|[A-Za-z][A-Za-z0-9+.\-]*(?=://)", name)
    if kind is None:
        return "there is no file of its name"
    url = url_of(name)
    why = "" if url is None else f": {why_not_asked(url)}"
    return f"there is no quick way to ask what {kind[0]} has{why}"


def _states(
    names: Sequence[str], *, quick: bool = False, known: Mapping[str, Answer] = MappingProxyType({})
) -> list[_State]:
    """Return what files are now; servers are asked for several at once, but for what is ``known``."""
    elsewhere = [name for name in names if name not in known and _server_of(name) is not None]
    answers = dict(known)
    if elsewhere:
        with ThreadPoolExecutor(min(FILES_AT_ONCE, len(elsewhere)), "geopatcher-ask") as pool:
            answers |= zip(elsewhere, pool.map(ask_for, elsewhere), strict=True)
    home = Path(names[0]).parent if names else Path()
    sample = 0 if quick else min(SAMPLE_BYTES, max(SAMPLES_BYTES // max(1, len(names)), LEAST_BYTES))
    return [_state(name, answers, home, sample) for name in names]


def _state(name: str, answers: dict[str, Answer], home: Path, sample: int) -> _State:
    """Return what a file is; of one that is here so many bytes at three places count, or its number for 0."""
    if name in answers:
        known = _of_url(name, answers[name])
        trouble = str(known.pop("unknown", ""))
        text = str(sorted(known.items()))
        return _State(_bare(url_of(name) or name), text, trouble, is_silent=bool(answers[name].trouble))
    if is_dataset(name) and local_file(name) is None:  # what it is made of has states of its own
        return _State(name, "")
    if _ELSEWHERE.match(name) and local_file(name) is None:
        return _State(digest_of(name), "", _why_unknown(name))
    said = said_by(Path(name)) if name.endswith(METADATA) else _stat(name, sample)
    return _State(os.path.relpath(name, home), said)


def _stat(name: str, sample: int) -> str:
    place = local_file(name) or Path(name)
    try:
        status = place.stat()
        detail = sample_of(place, status.st_size, sample) if sample else str(status.st_ino)
    except OSError:
        return "missing"
    return f"{status.st_size} {status.st_mtime_ns} {detail}"


def _bare(url: str) -> str:
    """Return an address without its query and who asks."""
    return re.sub(r"//[^/?#]*@", "//", url.partition("?")[0])
