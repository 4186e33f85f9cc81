"""What of a result's damage shows without reading it."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from geopatcher.errors import TargetError
from geopatcher.runs.damage import look_at_result, told
from geopatcher.runs.ledger.book import read_ledger
from geopatcher.targets.open import target_for
from geopatcher.targets.protocol import DurableTarget

if TYPE_CHECKING:
    from geopatcher.runs.ledger.book import Account
    from geopatcher.targets.places import Spot


def disk_target(path: Spot) -> DurableTarget | None:
    """Return the target a result at a path was written to; ``None`` for a name that no result has."""
    try:
        target = target_for(path, overwrite=False)
    except ValueError:
        return None
    return target if isinstance(target, DurableTarget) else None


def account_at(path: Spot) -> Account | None:
    """Return what the ledger beside a result says; ``None`` where there is none.

    Raises
    ------
    TargetError
        It is damaged, or cannot be read.

    """
    target = disk_target(path)
    return None if target is None else _ledger_of(target)


def glance(path: Spot) -> str:
    """Return what of a result's damage shows without reading its files, ``""`` for nothing.

    Files may be gone, or have another size. A result without a ledger shows none.
    """
    target = disk_target(path)
    try:
        account = None if target is None else _ledger_of(target)
    except TargetError as error:
        return f"its ledger cannot be used: {error}"
    if target is None or account is None:
        return ""
    look = look_at_result(account, target.publisher, "none")
    if look.damages:
        return told(look.damages)
    return "perhaps: files were changed or copied since they were written" if look.is_unclean else ""


def _ledger_of(target: DurableTarget) -> Account | None:
    try:
        return read_ledger(target.publisher.ledger)
    except TargetError as error:
        if isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.ENAMETOOLONG:
            return None  # a raster whose name leaves no room for that of a ledger has none, and is whole
        raise
