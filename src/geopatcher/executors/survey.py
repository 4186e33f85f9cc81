"""What an earlier run left at a target, and what that means for this one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from geopatcher.errors import TargetError, TargetExistsError
from geopatcher.ledger.book import differences, read_ledger
from geopatcher.sinks.folders import is_marked, is_ours, remove_work, sync_folder

if TYPE_CHECKING:
    from pathlib import Path

    from geopatcher.ledger.book import Account, Fingerprint
    from geopatcher.sinks.disk import DiskTarget


@dataclass(frozen=True)
class Found:
    """What to do, and the ledger it follows from.

    ``"begin"``: make the result from nothing; ``"continue"``: go on in the working folder;
    ``"mend"``: the result is there, but for the patches that failed: try those again;
    ``"done"``: the result is there.
    """

    state: Literal["begin", "continue", "mend", "done"]
    account: Account | None = None


def survey(target: DiskTarget, fingerprint: Fingerprint) -> Found:
    """Look at a target this run has claimed.

    Raises
    ------
    TargetExistsError
        Something is there that this run would not have made; names what differs.
    TargetError
        A ledger is damaged, or the folder is missing.

    """
    target.check_folder()
    building = _published(target, _read(target, target.ledger) if is_marked(target.work) else None)
    if not target.resume:
        target.check()
        return Found("begin")
    ours = building is not None and not differences(building.header.fingerprint, fingerprint)
    if target.is_taken and not target.overwrite:
        standing = _read(target, target.finished_ledger)
        if standing is None:
            target.check()
        else:
            _require_same(target, standing, fingerprint)
            if not standing.flawed and not standing.lost:
                if building is None and is_ours(target.work):  # left by a run killed while it tidied up
                    remove_work(target.work)
                return Found("done", standing)
            return Found("continue", building) if ours else Found("mend", standing)
    if building is None:
        return Found("begin")
    if not ours and not target.overwrite:
        _require_same(target, building, fingerprint)
    return Found("continue", building) if ours else Found("begin")


def _read(target: DiskTarget, path: Path) -> Account | None:
    """Read a ledger; a damaged one does not stop a run that begins anew."""
    try:
        return read_ledger(path)
    except TargetError:
        if target.overwrite or not target.resume:
            return None
        raise


def _require_same(target: DiskTarget, account: Account, fingerprint: Fingerprint) -> None:
    differing = differences(account.header.fingerprint, fingerprint)
    if not differing:
        return
    made = "was made by another run" if account.completion else "was begun by another run, not yet complete"
    raise TargetExistsError(
        f"{target.path} {made}: {'; '.join(differing)}. Call it with what it was made with, choose another "
        f"target, or pass overwrite=True (--overwrite) to begin anew"
    )


def _published(target: DiskTarget, building: Account | None) -> Account | None:
    """Finish what a run that was killed between its last line and its last renaming had begun."""
    if building is None or building.completion is None:
        return building
    if target.product.exists():
        target.publish()
    elif not target.place.exists():
        return None
    settle(target, flawed=bool(building.flawed))
    return None


def settle(target: DiskTarget, *, flawed: bool) -> None:
    """Move the ledger beside the published result, and tidy up.

    The blocks of a GeoTIFF with failed patches stay, for the run that tries those again.

    Raises
    ------
    TargetError
        The files cannot be moved.

    """
    try:
        target.ledger.replace(target.finished_ledger)
        sync_folder(target.place.parent)
    except OSError as error:
        raise TargetError(f"cannot move the ledger to {target.finished_ledger}: {error}") from error
    if not (flawed and target.keeps_blocks):
        remove_work(target.work)
