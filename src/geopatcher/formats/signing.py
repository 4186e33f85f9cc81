"""Addresses that are signed when they are opened, and again when the signature has expired.

A raster keeps the address without a signature: by it it is known, shown, pickled and written down. Signed
addresses are in the memory of this process only.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from geopatcher.errors import SourceAccessError, SourceError
from geopatcher.errors.redaction import redacted, shown

#: From an address to one by which a server lets us in.
Sign: TypeAlias = Callable[[str], str]

T = TypeVar("T")


@dataclass
class _Signed:
    """An address, who signs it, and what that gave last; ``count`` says how often."""

    sign: Sign
    address: str = ""
    count: int = 0


class Signatures:
    """The addresses that this process has signed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, _Signed] = {}

    def note(self, path: str, sign: Sign) -> None:
        """Remember who signs an address."""
        with self._lock:
            found = self._known.get(path)
            if found is None or found.sign != sign:
                self._known[path] = _Signed(sign)

    def of(self, path: str) -> str:
        """Return an address as it is to be opened: signed, where somebody signs it.

        Raises
        ------
        SourceError
            It cannot be signed.

        """
        if path not in self._known:
            return path
        self.renew(path, 0)
        return self._known[path].address

    def beside(self, path: str, other: str) -> str:
        """Return the address of another file as it is to be opened, by who signs that of ``path``.

        It is not remembered.

        Raises
        ------
        SourceError
            It cannot be signed.

        """
        found = self._known.get(path)
        return other if found is None else _signed(other, found.sign)

    def count(self, path: str) -> int:
        """Return how often an address was signed: 0 of one that never was."""
        found = self._known.get(path)
        return 0 if found is None else found.count

    def renew(self, path: str, count: int) -> bool:
        """Sign an address anew that was refused when it had been signed ``count`` times.

        Others may have done so meanwhile. False where nobody signs it.

        Raises
        ------
        SourceError
            It cannot be signed.

        """
        with self._lock:
            found = self._known.get(path)
            if found is None:
                return False
            if found.count == count:
                found.address = _signed(path, found.sign)
                found.count += 1
            return True

    def start_anew(self) -> None:
        """In a forked child the lock may have been held."""
        self._lock = threading.Lock()


def _signed(path: str, sign: Sign) -> str:
    try:
        address = sign(path)
    except Exception as error:  # noqa: BLE001 - it is not ours, and may say the signed address
        why = redacted(f"{type(error).__name__}: {error}", path)
        raise SourceError(f"cannot sign {shown(path)}: {why}") from None
    if not isinstance(address, str):
        raise SourceError(
            f"cannot sign {shown(path)}: sign= is a function that returns an address, and returned "
            f"{type(address).__name__}"
        )
    return address


#: Of the whole process, as open datasets are.
SIGNED = Signatures()
os.register_at_fork(after_in_child=SIGNED.start_anew)


def renewing(path: str, call: Callable[[], T]) -> T:
    """Make a call, and once more under another signature where it is refused under the one there is.

    Raises
    ------
    SourceAccessError
        It is refused, under a new signature too, or nobody signs the address.

    """
    SIGNED.of(path)
    count = SIGNED.count(path)
    try:
        return call()
    except SourceAccessError:
        if not SIGNED.renew(path, count):
            raise
    return call()
