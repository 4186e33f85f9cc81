"""Names and messages without the secrets they may carry: a pure function of texts, used everywhere.

What may be shown of an address is its scheme, host and path. What is never shown is ``user:password@``,
the query (signatures and tokens are there, under names nobody can list), the options of GDAL's
``/vsicurl?``, passwords of connection strings, and the values of the variables by which programs are
given credentials. Other people's messages quote an address as it is, decoded, encoded, or cut off at
its last slash: they are cleaned by what is known of the address, and of addresses in general.
"""

from __future__ import annotations

import os
import re
from functools import lru_cache
from typing import TYPE_CHECKING, cast
from urllib.parse import quote, quote_plus, unquote, unquote_plus

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from types import GetSetDescriptorType

#: What stands where a secret was.
HIDDEN = "***"
#: A shorter secret is found by its place in an address only: "sig=ab", not "ab" in any word.
SHORTEST = 4
#: The same, of what the environment holds, which has nothing to do with most messages.
SHORTEST_VARIABLE = 6

#: Variables of the environment, which GDAL takes as options too, whose values are secrets.
SECRET_VARIABLES = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AZURE_STORAGE_ACCESS_KEY",
    "AZURE_STORAGE_ACCESS_TOKEN",
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_CONNECTION_STRING",
    "AZURE_STORAGE_KEY",
    "AZURE_STORAGE_MASTER_KEY",
    "AZURE_STORAGE_SAS_KEY",
    "AZURE_STORAGE_SAS_TOKEN",
    "AZURE_STORAGE_TOKEN",
    "EARTHDATA_PASSWORD",
    "EARTHDATA_TOKEN",
    "GDAL_HTTP_BEARER",
    "GDAL_HTTP_COOKIE",
    "GDAL_HTTP_HEADERS",
    "GDAL_HTTP_PROXY",
    "GDAL_HTTP_PROXYUSERPWD",
    "GDAL_HTTP_USERPWD",
    "GDAL_HTTPS_PROXY",
    "GOOGLE_BEARER_TOKEN",
    "GOOGLE_SERVICE_ACCOUNT_KEY",
    "GS_ACCESS_KEY_ID",
    "GS_OAUTH2_CLIENT_SECRET",
    "GS_OAUTH2_PRIVATE_KEY",
    "GS_OAUTH2_REFRESH_TOKEN",
    "GS_SECRET_ACCESS_KEY",
    "OSS_ACCESS_KEY_ID",
    "OSS_SECRET_ACCESS_KEY",
    "PC_SDK_SUBSCRIPTION_KEY",
    "PGPASSWORD",
    "SWIFT_AUTH_TOKEN",
    "SWIFT_KEY",
    "all_proxy",
    "ALL_PROXY",
    "ftp_proxy",
    "http_proxy",
    "HTTP_PROXY",
    "https_proxy",
    "HTTPS_PROXY",
)

_SCHEME = r"[A-Za-z][A-Za-z0-9+.\-]+"
#: An address within a text ends at white space or a quotation mark.
_IN_TEXT = re.compile(rf"({_SCHEME}:/{{1,3}})([^\s\"'<>`]*)")
#: An address that is the whole text goes on to its end, or to the mark it was quoted by.
_WHOLE = re.compile(rf"({_SCHEME}:/{{1,3}})(.*)", re.DOTALL)
_ENCODED = re.compile(rf"{_SCHEME}%(?:25)*3a%(?:25)*2f%(?:25)*2f[^\s\"'<>`&|]*", re.IGNORECASE)
#: A value may have blanks in it, such as that of a header: then further options follow.
_OPTIONS = re.compile(r"(/vsi[a-z0-9_]+)\?((?:[^\s\"'<>`}]|\s+(?=[^\s\"'<>`}]*&[\w.%\-]+=))*)", re.IGNORECASE)
#: What is given by its place: keys of encrypted files, users and passwords of databases, options of VRTs.
_PLACED = re.compile(
    r"(/vsicrypt/(?:.*?,)?key(?:_b64)?=)([^,\s]+)|(\b(?:OCI|GEOR|GEORASTER):[^/\s,@]*/)([^@,\s]+)"
    r"|(<OOI\s+key\s*=\s*[\"'][^\"'>]*(?:KEY|TOKEN|SECRET|PASS|PWD|AUTH|COOKIE|HEADER|BEARER|CREDENTIAL)"
    r"[^\"'>]*[\"']\s*>)([^<]+)",
    re.IGNORECASE,
)
#: As GDAL quotes what it cannot read: by the last part of its name, query and all.
_LAST_PART = re.compile(r"(?<![\s?])\?(?:(?!; )[^\n])*?(?=, band \d)")
_NAMED_QUERY = re.compile(r"(?<=[^\s?])\?[^\s\"'<>`,;&=]+=[^\s\"'<>`,]*")
_KEYS = (
    r"password|passwd|passphrase|pwd|secret|secret_?access_?key|access_?key(?:_?id)?|account_?key|api_?key|"
    r"session_?token|security_?token|access_?token|refresh_?token|auth_?token|sas_?token|token|signature|sig|"
    r"credentials?|userpwd|bearer|jsessionid|x-amz-[a-z\-]+"
)
_KEYED = re.compile(rf"\b(\w*(?:{_KEYS}))(\s*=\s*)('[^']*'|\"[^\"]*\"|[^\s,;&\"']+)", re.IGNORECASE)
_HEADER = re.compile(r"\b((?:proxy-)?authorization|cookie|x-api-key)(\s*[:=]\s*)([^\n,;\"']+)", re.IGNORECASE)
_ENDINGS = ".,:;)]}!"
#: What `repr` prints of an error, even of a class that makes other ``args`` of it.
_ARGS = cast("GetSetDescriptorType", vars(BaseException)["args"])


@lru_cache(maxsize=256)
def shown(name: str) -> str:
    """Return what of a path, address or connection string may be shown.

    >>> shown("https://user:pass@host/a.tif?sig=abc"), shown("s3://key:secret@bucket/a.tif")
    ('https://host/a.tif', 's3://bucket/a.tif')
    >>> shown("/vsicurl?url=https%3A%2F%2Fuser%3Apass%40host%2Fa.tif&empty_dir=yes")
    '/vsicurl/https://host/a.tif'
    >>> shown("/data/what?.tif")
    '/data/what?.tif'
    """
    start = name.lstrip()[:1]
    if start in ("<", "{"):
        return f"a source given as {'XML' if start == '<' else 'JSON'} text"
    name = _PLACED.sub(_placed, _OPTIONS.sub(_option, name))
    found = _WHOLE.search(name)
    if found is not None:
        mark = name[: found.start()][-1:]
        rest, closed, behind = found[2].partition(mark) if mark in ("'", '"') and mark else (found[2], "", "")
        name = f"{name[: found.start()]}{found[1]}{_bare(rest)}{closed}{behind}"
    elif name.lower().startswith("/vsi"):
        name = name.partition("?")[0]
    name = _ENCODED.sub(_decoded, name)
    return _KEYED.sub(rf"\1\2{HIDDEN}", name) if found is None and ":" in name else name


def redacted(text: str, *sources: str, secrets: Iterable[str] = ()) -> str:
    """Return a message without secrets: those of ``sources``, of addresses in it, and ``secrets``.

    ``sources`` are the paths and addresses it may speak of, ``secrets`` further texts not to be shown.

    >>> redacted("no https://user:pass@host/a.tif?sig=abc there")
    'no https://host/a.tif there'
    >>> redacted("a.tif?a b c, band 1: IReadBlock failed")  # as GDAL names a file: by its last part
    'a.tif, band 1: IReadBlock failed'
    """
    for source in sources:
        text = text.replace(source, shown(source)) if source else text
        text = _without_query(text, source)
    for piece in _longest_first({piece for source in sources for piece in _pieces(source)}):
        text = text.replace(piece, HIDDEN)
    return _NAMED_QUERY.sub("", _general(_LAST_PART.sub("", _without(text, secrets))))


def clean(text: str) -> str:
    """Return a message without secrets of addresses in it, and of the environment."""
    return _general(_without(text, environment_secrets(os.environ)))


def environment_secrets(variables: Mapping[str, str]) -> frozenset[str]:
    """Return the secrets that variables hold: their values, and the parts of these that may be quoted.

    >>> sorted(environment_secrets({"GDAL_HTTP_USERPWD": "someone:hunter2"}))
    ['hunter2', 'someone:hunter2']
    """
    return secrets_in(variables[name] for name in SECRET_VARIABLES if variables.get(name))


def secrets_in(values: Iterable[str]) -> frozenset[str]:
    """Return what of the values of `SECRET_VARIABLES` must not be shown."""
    found: set[str] = set()
    for value in values:
        if "://" in value and ";" not in value:  # a proxy: its address is no secret
            found.update(_pieces(value))
            continue
        found.add(value)
        for line in re.split(r"[\r\n;,]", value):
            name, colon, content = line.partition(":")
            found.add(content.strip() if colon else name)
            found.update(content.split()[-1:])
            found.update(part.partition("=")[2] for part in (line, *line.split("&")))
    return frozenset(piece for piece in found if len(piece) >= SHORTEST_VARIABLE)


def scrub(error: BaseException, *sources: str, secrets: Iterable[str] = ()) -> None:
    """Take secrets out of an error, its notes, its causes and what it came of: they are printed, too."""
    hidden = tuple(secrets)
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        waiting += [one.__cause__, one.__context__]
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions
        _scrub_one(one, sources, hidden)


def _scrub_one(error: BaseException, sources: tuple[str, ...], secrets: tuple[str, ...]) -> None:
    def of(value: object) -> object:
        if isinstance(value, str):
            return redacted(value, *sources, secrets=secrets)
        return [of(item) for item in value] if isinstance(value, list) else value

    for name, value in vars(error).items():
        changed = of(value)
        if changed != value:
            vars(error)[name] = changed
    given = _ARGS.__get__(error)
    args = tuple(of(value) for value in given)
    if args != given:
        _ARGS.__set__(error, args)
    if isinstance(error, OSError) and error.errno is not None:  # what it prints is kept beside its arguments
        error.strerror = str(of(error.strerror))
        if isinstance(error.filename, str):
            error.filename = of(error.filename)


def _general(text: str) -> str:
    """Take out what looks like a secret in any text."""
    if ":" not in text and "?" not in text and "=" not in text and "%" not in text:
        return text
    text = _ENCODED.sub(_decoded, text)
    text = _PLACED.sub(_placed, _OPTIONS.sub(_option, text))
    text = _IN_TEXT.sub(lambda found: _address(found[1], found[2]), text)
    text = _HEADER.sub(rf"\1\2{HIDDEN}", text)
    return _KEYED.sub(rf"\1\2{HIDDEN}", text)


def _address(scheme: str, rest: str) -> str:
    """Return an address within a text, and what punctuation of the text follows it."""
    inner = _IN_TEXT.search(rest)
    if inner is not None:
        return f"{scheme}{rest[: inner.start()]}{_address(inner[1], inner[2])}"
    bare = _bare(rest)
    ending = rest[len(rest.rstrip(_ENDINGS)) :] if bare != rest else ""
    return f"{scheme}{bare.rstrip(_ENDINGS) if ending else bare}{ending}"


def _bare(rest: str) -> str:
    """Return what follows a scheme without user, password, query and fragment."""
    inner = _WHOLE.search(rest)
    if inner is not None and "?" not in rest[: inner.start()]:
        return f"{rest[: inner.start()]}{inner[1]}{_bare(inner[2])}"
    head, slash, path = _past_user(rest).partition("/")
    return re.sub(r"\?.*|#[^/]*=.*|;jsessionid=.*", "", head + slash + path, flags=re.DOTALL)


def _past_user(rest: str) -> str:
    """Return what follows ``user:password@``, of a host and a path."""
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if "@" in authority:
        return rest[authority.rindex("@") + 1 :]
    host, colon, port = authority.rpartition(":")
    if not colon or port.isdecimal() or not port or host.startswith("["):
        return rest
    # A password that was not encoded may hold what ends a host: it is one because it is no port.
    behind = rest[len(authority) :]
    return behind[behind.rindex("@") + 1 :] if "@" in behind else f"{HIDDEN}{behind}"


def _decoded(found: re.Match[str]) -> str:
    """Return an encoded address, decoded and bare."""
    return shown(_plain(found[0]))


def _plain(text: str) -> str:
    """Return an address, decoded until it is one: what it was encoded with then is its own."""
    for _ in range(3):
        if "://" in text:
            break
        text = unquote(text)
    return text


def _option(found: re.Match[str]) -> str:
    """Return ``/vsicurl?option=value&url=...`` as the path it stands for."""
    options = [part.partition("=") for part in found[2].split("&")]
    urls = [_plain(value) for name, _, value in options if name == "url"]
    return f"{found[1]}/{shown(urls[0])}" if urls else found[1]


def _placed(found: re.Match[str]) -> str:
    """Return what stands before a secret that is one by its place, and not the secret."""
    return f"{found[1] or found[3] or found[5]}{HIDDEN}"


def _pieces(source: str) -> Iterator[str]:
    """Yield the secrets of a path, address or connection string: whole, and part by part."""
    for text in {source, unquote(source), _plain(source)}:
        for found in _WHOLE.finditer(text):
            yield from _parts(found[2])
        for found in _OPTIONS.finditer(text):
            values = (part.partition("=") for part in found[2].split("&"))
            yield from (value for name, _, value in values if name != "url")
            yield found[2]
        for found in _PLACED.finditer(text):
            yield found[2] or found[4] or found[6]
        for found in (*_KEYED.finditer(text), *_HEADER.finditer(text)):
            yield found[3].strip("'\"")


def _parts(rest: str) -> Iterator[str]:
    inner = _WHOLE.search(rest)
    if inner is not None:
        yield from _parts(inner[2])
    past = _past_user(rest)
    if past != rest and not past.startswith(HIDDEN):
        user = rest[: len(rest) - len(past) - 1]
        yield from (user, *user.split(":", 1))
    elif past != rest:
        yield from re.split(r"[/?#]", rest, maxsplit=1)[0].split(":", 1)
    path, _, fragment = past.partition("#")
    for text in (path.partition("?")[2], past.partition("?")[2], fragment if "=" in fragment else ""):
        yield text
        for part in re.split(r"[&;]", text):
            yield part
            yield part.partition("=")[2]


def _spelled(pieces: Iterable[str]) -> set[str]:
    """Return texts in every way a message may spell them."""
    spelled: set[str] = set()
    for piece in pieces:
        for text in {piece, unquote(piece), unquote_plus(piece)}:
            encoded = {quote(text), quote(text, safe=""), quote_plus(text), text.replace(" ", "%20")}
            spelled |= {
                text,
                *encoded,
                *map(_lower_hex, encoded),
                *(quote(each, safe="") for each in encoded),
            }
            spelled |= {repr(text)[1:-1], text.strip()}
    return {text for text in spelled if len(text) >= SHORTEST}


def _lower_hex(text: str) -> str:
    return re.sub(r"%[0-9A-F]{2}", lambda found: found[0].lower(), text)


def _longest_first(pieces: Iterable[str]) -> list[str]:
    return sorted(_spelled(pieces), key=len, reverse=True)


def _without(text: str, secrets: Iterable[str]) -> str:
    """Take out secrets where they are words of their own: "testing" is one, and part of many a path."""
    for piece in _longest_first(secrets):
        if piece in text:
            text = re.sub(rf"(?:(?<!\w)|(?<=%[0-9A-Fa-f]{{2}})){re.escape(piece)}(?!\w)", HIDDEN, text)
    return text


def _without_query(text: str, source: str) -> str:
    """Take the query of an address out of a text that names it by its last part."""
    if shown(source) == source:
        return text
    query = _plain(source).partition("?")[2]
    for spelled in {source.partition("?")[2], query}:
        text = text.replace(f"?{spelled}", "") if spelled else text
    return text
