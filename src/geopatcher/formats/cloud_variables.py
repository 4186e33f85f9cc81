"""What an environment says of buckets: GDAL and obstore know it by other names, and each is told in its own.

GDAL reads rasters, obstore zarr stores, and results go through both: whoever has set up one of them has set
up the other.
"""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Names of the same, those of obstore and of the tools of a cloud before those of GDAL.
_AZURE_ACCOUNT = ("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT")
_AZURE_KEY = (
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_ACCESS_KEY",
    "AZURE_STORAGE_MASTER_KEY",
    "AZURE_STORAGE_KEY",
)
_AZURE_SIGNATURE = ("AZURE_STORAGE_SAS_KEY", "AZURE_STORAGE_SAS_TOKEN")
_AZURE_ENDPOINT = ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT")
_CONNECTION = "AZURE_STORAGE_CONNECTION_STRING"
_AWS_ENDPOINT = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
#: By which variable credentials are usually given; others say as much.
_USUAL = {
    "s3": "AWS_ACCESS_KEY_ID",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_CONNECTION_STRING",
}
#: What anybody may read is asked for without a signature.
_OPEN = {
    "AWS": ("AWS_NO_SIGN_REQUEST", "AWS_SKIP_SIGNATURE"),
    "AZURE": ("AZURE_NO_SIGN_REQUEST", "AZURE_SKIP_SIGNATURE"),
    "GS": ("GS_NO_SIGN_REQUEST", "GOOGLE_SKIP_SIGNATURE"),
}
#: Any of these together lets obstore in without asking who the machine is.
_KEYS = {
    "s3": (
        ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN"),
        ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI",),
    ),
    "gs": (
        ("GOOGLE_APPLICATION_CREDENTIALS",),
        ("GOOGLE_SERVICE_ACCOUNT",),
        ("GOOGLE_SERVICE_ACCOUNT_PATH",),
        ("GOOGLE_SERVICE_ACCOUNT_KEY",),
    ),
    "az": (
        ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_CLIENT_SECRET"),
        ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_FEDERATED_TOKEN_FILE"),
    ),
}
#: Variables of which at least one is set where GDAL is told something.
TELLING = frozenset(
    (
        *_AWS_ENDPOINT,
        *_AZURE_ACCOUNT,
        *_AZURE_KEY,
        *_AZURE_SIGNATURE,
        *_AZURE_ENDPOINT,
        _CONNECTION,
        "AZURITE_BLOB_STORAGE_URL",
        *itertools.chain(*_OPEN.values()),
        "GOOGLE_BASE_URL",
        "STORAGE_EMULATOR_HOST",
        "GOOGLE_SERVICE_ACCOUNT",
        "GOOGLE_SERVICE_ACCOUNT_PATH",
    )
)
_KINDS = {"s3": "AWS", "gs": "GS", "az": "AZURE"}


def lacking(variables: Mapping[str, str], scheme: str) -> str:
    """Return what would let obstore into a bucket, ``""`` where the variables do.

    Who the machine is, which servers of a cloud are asked for, does not count: elsewhere it takes seconds to
    find that there are none.

    >>> lacking({"AWS_ACCESS_KEY_ID": "me", "AWS_SECRET_ACCESS_KEY": "abc"}, "s3")
    ''
    >>> lacking({}, "gs")
    'GOOGLE_APPLICATION_CREDENTIALS, or GS_NO_SIGN_REQUEST=YES'
    """
    kind = _KINDS[scheme]
    keys = any(all(variables.get(name) for name in together) for together in _KEYS[scheme])
    if scheme == "az":
        known = _azure_for_obstore(variables)
        keys = "account_name" in known and (keys or "account_key" in known or "sas_key" in known)
    if keys or _is_open(variables, kind):
        return ""
    such = {
        "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        "gs": "GOOGLE_APPLICATION_CREDENTIALS",
        "az": "AZURE_STORAGE_ACCOUNT and AZURE_STORAGE_ACCESS_KEY",
    }
    return f"{such[scheme]}, or {_OPEN[kind][0]}=YES"


def usual_variable(address: str) -> str:
    """Return the variable that an error about credentials names, for the cloud an address is in.

    >>> usual_variable("az://bucket/x.zarr"), usual_variable("https://host/x.zarr")
    ('AZURE_STORAGE_CONNECTION_STRING', 'AWS_ACCESS_KEY_ID')
    """
    return _USUAL.get(address.partition(":")[0], _USUAL["s3"])


def for_gdal(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the options by which GDAL is told what other programs are told by variables.

    >>> for_gdal({"AWS_ENDPOINT_URL": "http://127.0.0.1:9000/"})
    {'AWS_S3_ENDPOINT': '127.0.0.1:9000', 'AWS_HTTPS': 'NO', 'AWS_VIRTUAL_HOSTING': 'FALSE'}
    >>> for_gdal({"STORAGE_EMULATOR_HOST": "127.0.0.1:4443"})
    {'CPL_GS_ENDPOINT': 'http://127.0.0.1:4443/', 'GS_NO_SIGN_REQUEST': 'YES'}
    """
    return {} if TELLING.isdisjoint(variables) else _for_gdal(variables)  # asked with each opening of a file


def _for_gdal(variables: Mapping[str, str]) -> dict[str, str]:
    told = {**_s3_for_gdal(variables), **_azure_for_gdal(variables)}
    base = _google_base(variables)
    if base:
        told["CPL_GS_ENDPOINT"] = f"{base}/"
    told |= {names[0]: "YES" for kind, names in _OPEN.items() if _is_open(variables, kind)}
    found = _first(variables, ("GOOGLE_SERVICE_ACCOUNT", "GOOGLE_SERVICE_ACCOUNT_PATH"))
    if found:
        told["GOOGLE_APPLICATION_CREDENTIALS"] = found
    return {name: value for name, value in told.items() if name not in variables}


def for_obstore(variables: Mapping[str, str], scheme: str) -> dict[str, str]:
    """Return how obstore is told of a server of buckets by what variables say of it.

    >>> for_obstore({"AWS_S3_ENDPOINT": "127.0.0.1:9000", "AWS_HTTPS": "NO"}, "s3")
    {'endpoint': 'http://127.0.0.1:9000'}
    >>> for_obstore({"AZURE_STORAGE_ACCOUNT": "me", "AZURE_STORAGE_KEY": "abc"}, "az")
    {'account_name': 'me', 'account_key': 'abc'}
    """
    if scheme == "az":
        return _azure_for_obstore(variables)
    if scheme == "gs":
        return _google_for_obstore(variables)
    if scheme != "s3":
        return {}
    config = _signed(variables, "AWS")
    if "AWS_VIRTUAL_HOSTING" in variables:
        config["virtual_hosted_style_request"] = str(_flag(variables["AWS_VIRTUAL_HOSTING"])).lower()
    endpoint = _first(variables, _AWS_ENDPOINT)
    if endpoint:
        config["endpoint"] = endpoint
    elif "AWS_S3_ENDPOINT" in variables:
        web = "https" if _flag(variables.get("AWS_HTTPS", "YES")) else "http"
        config["endpoint"] = f"{web}://{variables['AWS_S3_ENDPOINT']}"
    return config


def _s3_for_gdal(variables: Mapping[str, str]) -> dict[str, str]:
    scheme, _, place = _first(variables, _AWS_ENDPOINT).rstrip("/").partition("://")
    if not place or "AWS_S3_ENDPOINT" in variables:
        return {}
    https = "NO" if scheme == "http" else "YES"
    return {"AWS_S3_ENDPOINT": place, "AWS_HTTPS": https, "AWS_VIRTUAL_HOSTING": "FALSE"}


def _azure_for_gdal(variables: Mapping[str, str]) -> dict[str, str]:
    if _CONNECTION in variables:
        return {}
    known = _azure_for_obstore(variables)
    names = {
        "AZURE_STORAGE_ACCOUNT": known.get("account_name", ""),
        "AZURE_STORAGE_ACCESS_KEY": known.get("account_key", ""),
        "AZURE_STORAGE_SAS_TOKEN": known.get("sas_key", ""),
    }
    told = {name: value for name, value in names.items() if value}
    if "endpoint" in known and "account_name" in known:  # of which GDAL is told in no other way
        parts = {
            "DefaultEndpointsProtocol": urlsplit(known["endpoint"]).scheme,
            "AccountName": known["account_name"],
            "AccountKey": known.get("account_key", ""),
            "SharedAccessSignature": known.get("sas_key", ""),
            "BlobEndpoint": known["endpoint"],
        }
        told[_CONNECTION] = "".join(f"{name}={value};" for name, value in parts.items() if value)
    return told


def _azure_for_obstore(variables: Mapping[str, str]) -> dict[str, str]:
    parts = connection_parts(variables.get(_CONNECTION, ""))
    protocol, suffix = parts.get("defaultendpointsprotocol", "https"), parts.get("endpointsuffix", "")
    account = parts.get("accountname", "") or _first(variables, _AZURE_ACCOUNT)
    endpoint = parts.get("blobendpoint", "") or _first(variables, _AZURE_ENDPOINT)
    emulator = variables.get("AZURITE_BLOB_STORAGE_URL", "")
    if not endpoint and emulator and _flag(variables.get("AZURE_STORAGE_USE_EMULATOR", "")):
        endpoint = f"{emulator.rstrip('/')}/{account}"
    if not endpoint and suffix and account:
        endpoint = f"{protocol}://{account}.blob.{suffix}"
    found = {
        "account_name": account,
        "account_key": parts.get("accountkey", "") or _first(variables, _AZURE_KEY),
        "sas_key": parts.get("sharedaccesssignature", "") or _first(variables, _AZURE_SIGNATURE),
        "endpoint": endpoint.rstrip("/"),
    }
    return {name: value for name, value in found.items() if value} | _signed(variables, "AZURE")


def connection_parts(text: str) -> dict[str, str]:
    """Return the parts of a connection string of Azure, by their names in small letters.

    >>> connection_parts("AccountName=me;AccountKey=a==;")
    {'accountname': 'me', 'accountkey': 'a=='}
    """
    pairs = (part.partition("=") for part in text.split(";"))
    return {name.strip().lower(): value.strip() for name, _, value in pairs if value.strip()}


def _google_for_obstore(variables: Mapping[str, str]) -> dict[str, str]:
    base = _google_base(variables) or variables.get("CPL_GS_ENDPOINT", "").rstrip("/")
    if base and _is_open(
        variables, "GS"
    ):  # without an account obstore asks for a token to write all the same
        nobody = {"client_email": "", "private_key": "", "private_key_id": ""}
        return {"service_account_key": json.dumps({"gcs_base_url": base, "disable_oauth": True, **nobody})}
    return ({"base_url": base} if base else {}) | _signed(variables, "GS")


def _google_base(variables: Mapping[str, str]) -> str:
    base = variables.get("GOOGLE_BASE_URL") or variables.get("STORAGE_EMULATOR_HOST", "")
    return (base if not base or "://" in base else f"http://{base}").rstrip("/")


def _signed(variables: Mapping[str, str], kind: str) -> dict[str, str]:
    if _is_open(variables, kind):
        return {"skip_signature": "true"}
    name = next((name for name in _OPEN[kind] if name in variables), "")
    return {"skip_signature": "false"} if name else {}


def _is_open(variables: Mapping[str, str], kind: str) -> bool:
    """Whether requests are not signed: an emulator of Google's has no keys."""
    if kind == "GS" and "STORAGE_EMULATOR_HOST" in variables:
        return True
    return any(_flag(variables.get(name, "")) for name in _OPEN[kind])


def _first(variables: Mapping[str, str], names: Sequence[str]) -> str:
    return next((variables[name] for name in names if variables.get(name)), "")


def _flag(text: str) -> bool:
    return text.upper() in ("YES", "TRUE", "ON", "1")
