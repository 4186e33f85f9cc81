"""What buckets say of an object without sending it: asked for in seconds, or not known.

This module imports obstore, and is loaded by `geopatcher._optional.load` when it is needed.
"""

from __future__ import annotations

import os
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from geopatcher.formats.aws_profiles import with_profile
from geopatcher.formats.http_requests import TIMEOUT_S
from geopatcher.formats.opened_buckets import named, store_of
from geopatcher.formats.traffic import TRAFFIC

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig
    from obstore.store import ObjectStore as Store

#: A question that is asked while pixels are read is not worth minutes.
CLIENT: ClientConfig = {"timeout": timedelta(seconds=TIMEOUT_S), "connect_timeout": timedelta(seconds=5)}
RETRIES: RetryConfig = {"max_retries": 2, "retry_timeout": timedelta(seconds=TIMEOUT_S)}


class Head(NamedTuple):
    """What is said of an object; ``etag`` is ``""`` where the store gives none."""

    etag: str
    modified: str
    n_bytes: int


def head(root: str, key: str) -> Head:
    """Ask a bucket, such as ``s3://bucket``, with the credentials of the environment.

    Raises
    ------
    FileNotFoundError
        There is no such object, or no such bucket.
    SourceError
        It does not answer, or does not let us; names the object, and no secret.

    """
    store = _store(root, tuple(sorted(with_profile(os.environ).items())))
    TRAFFIC.add(1)
    with named(f"{root}/{key}"):
        meta = store.head(key)
    modified = f"{meta['last_modified'].isoformat()} {meta['version'] or ''}".strip()
    return Head(meta["e_tag"] or "", modified, meta["size"])


@lru_cache(8)
def _store(root: str, _environment: tuple[tuple[str, str], ...]) -> Store:
    """Return what asks a bucket: it is made anew where the environment says something else."""
    return store_of(root, None, CLIENT, RETRIES)


os.register_at_fork(after_in_child=_store.cache_clear)
