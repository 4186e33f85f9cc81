"""Buckets and web servers as obstore opens them, by what the environment says, and its errors in our words.

This module imports obstore, and is loaded by `geopatcher._optional.load` when it is needed.
"""

from __future__ import annotations

import importlib
import os
import re
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import HTTPStore, from_url

from geopatcher.errors import GeopatcherError, SourceAccessError, SourceError
from geopatcher.errors.redaction import redacted, scrub, shown
from geopatcher.formats.aws_profiles import OF_PROFILES, with_profile
from geopatcher.formats.cloud_variables import for_obstore, usual_variable
from geopatcher.formats.gdal_messages import config_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from obstore.store import ClientConfig, RetryConfig
    from obstore.store import ObjectStore as Store

#: As GDAL is told in `geopatcher.formats.gdal_environment`.
RETRIES: RetryConfig = {"max_retries": 3, "retry_timeout": timedelta(minutes=2)}
#: For a whole answer, and until a connection stands.
CLIENT: ClientConfig = {"timeout": timedelta(minutes=1), "connect_timeout": timedelta(seconds=10)}
#: The processes, this one and those it was forked from, that used obstore: a child waits for ever for threads
#: that only its parent has.
_USED_IN: set[int] = set()


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
                f"cannot {doing} {address}: not authorised: check {_lets_in(address)}; some servers say the "
                f"same of what is not there ({why})"
            ) from error
        if "NoSuchBucket" in why or "ContainerNotFound" in why:
            raise refused(f"cannot {doing} {address}: there is no such bucket ({why})") from error
        raise failed(f"cannot {doing} {address}: {why}") from error


def _lets_in(address: str) -> str:
    if address.lower().startswith("http"):
        return "the address, and whether its signature has expired"
    return f"the credentials in the environment, such as {usual_variable(address)}"


def _said(message: str) -> str:
    """Return the first line of a message, and the code of an object store's answer behind it.

    How long it took is not told, which differs each time.

    >>> _said("404 Not Found: <?xml ?><Error><Code>NoSuchBucket</Code></Error>")
    '404 Not Found: NoSuchBucket'
    >>> _said("Error performing HEAD http://host/k in 587.626µs - Server returned 403:")
    'Error performing HEAD http://host/k - Server returned 403:'
    """
    code = re.search(r"<Code>(\w+)</Code>", message)
    line = message.strip().partition("\n")[0].partition("<")[0].strip()
    line = re.sub(r" in [\d.]+(?:ns|µs|ms|s)\b", "", line)
    return f"{line} {code[1]}" if code else line


def store_of(
    root: str,
    credentials: str | None,
    client: ClientConfig | None = None,
    retries: RetryConfig | None = None,
) -> Store:
    """Return what reads a bucket or a server, as the environment says, and so patiently.

    Raises
    ------
    SourceError
        The environment does not say enough, or this is a forked child of a process that used obstore.

    """
    _USED_IN.add(os.getpid())
    if len(_USED_IN) > 1:
        raise SourceError(
            f"cannot ask {shown(root)} in a process that was forked from one that used obstore, whose "
            f'threads are not here: start processes by "spawn" or "forkserver"'
        )
    client, retries = client or CLIENT, retries or RETRIES
    plain = root.startswith("http://")
    with named(shown(root)):
        if root.startswith(("http://", "https://")):
            return HTTPStore(root, client_options={**client, "allow_http": plain}, retry_config=retries)
        provider = None if credentials is None else _named_function(credentials)
        config = _config(root.partition(":")[0])
        options: ClientConfig = {**client, "allow_http": any("http://" in value for value in config.values())}
        store: Store = from_url(  # type: ignore[call-overload]  # the address says which
            root, config=config, client_options=options, retry_config=retries, credential_provider=provider
        )
        return store


def _config(scheme: str) -> dict[str, str]:
    """Return what obstore does not find in the environment by itself."""
    known = with_profile(os.environ)
    config = for_obstore(known, scheme)
    if scheme == "s3":
        config |= {
            name.lower(): known[name] for name in OF_PROFILES if name in known.keys() - os.environ.keys()
        }
    return config


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
