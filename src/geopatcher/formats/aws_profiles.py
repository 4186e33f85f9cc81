"""Keys that lie in the files of the tools of AWS: GDAL reads these by itself, and obstore does not.

Only keys that are written down are taken. Of a profile that gets its keys elsewhere (a role, single sign-on,
a program) the libraries of AWS would have to ask for them: such a bucket is read by GDAL alone.
"""

from __future__ import annotations

import configparser
import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Variables that say the same as entries of a profile.
_SAME = {
    "aws_access_key_id": "AWS_ACCESS_KEY_ID",
    "aws_secret_access_key": "AWS_SECRET_ACCESS_KEY",
    "aws_session_token": "AWS_SESSION_TOKEN",
}
_REGION = "AWS_REGION"
#: Variables that a profile may stand for.
OF_PROFILES = (*_SAME.values(), _REGION)
#: What lets us in otherwise, and stands above a profile.
_ABOVE = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_NO_SIGN_REQUEST",
    "AWS_SKIP_SIGNATURE",
)


def with_profile(variables: Mapping[str, str]) -> Mapping[str, str]:
    """Return variables with those that a profile stands for, where they do not say themselves who asks.

    The profile is ``AWS_PROFILE``, or the default one, of the files that ``AWS_SHARED_CREDENTIALS_FILE`` and
    ``AWS_CONFIG_FILE`` name, or of ``~/.aws``.

    >>> with_profile({"AWS_ACCESS_KEY_ID": "me"})
    {'AWS_ACCESS_KEY_ID': 'me'}
    """
    if any(name in variables for name in _ABOVE):
        return variables
    name = variables.get("AWS_PROFILE") or variables.get("AWS_DEFAULT_PROFILE") or "default"
    credentials = _place(variables, "AWS_SHARED_CREDENTIALS_FILE", "credentials")
    config = _place(variables, "AWS_CONFIG_FILE", "config")
    found = {
        **_section(*config, name if name == "default" else f"profile {name}"),
        **_section(*credentials, name),
    }
    told = {variable: found[entry] for entry, variable in _SAME.items() if found.get(entry)}
    if not {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} <= told.keys() or "role_arn" in found:
        return variables
    region = {_REGION: found["region"]} if found.get("region") else {}
    return {**region, **variables, **told}


def _place(variables: Mapping[str, str], variable: str, name: str) -> tuple[str, int]:
    """Return a file and when it was written, 0 where it is not there."""
    place = Path(variables.get(variable) or Path(os.path.expanduser("~"), ".aws", name))  # noqa: PTH111 - of any user
    try:
        return str(place), place.stat().st_mtime_ns
    except OSError:
        return str(place), 0


@lru_cache(16)
def _section(place: str, written_ns: int, name: str) -> Mapping[str, str]:
    """Return the entries of a section of a file as it was written then."""
    parser = configparser.RawConfigParser(strict=False)
    try:
        text = Path(place).read_text() if written_ns else ""
        parser.read_string(text)
    except (OSError, UnicodeError, configparser.Error):
        return {}
    return dict(parser[name]) if parser.has_section(name) else {}
