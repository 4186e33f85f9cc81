"""What an earlier run left at a target, and what that means for this one."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from geopatcher.errors import TargetError, TargetExistsError
from geopatcher.runs.damage import Look, look_at_result, look_at_work, spec_of_level, told
from geopatcher.runs.fingerprint import differing, unknown_in
from geopatcher.runs.ledger.book import read_ledger
from geopatcher.runs.ledger.writing import Ledger
from geopatcher.targets.digests import same_cells

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from geopatcher.core.box import Box
    from geopatcher.runs.ledger.book import Account, Fingerprint
    from geopatcher.targets.durable import LedgerPlace, Publishing
    from geopatcher.targets.protocol import DurableTarget


#: Most differences that are told.
TOLD = 12


@dataclass(frozen=True)
class Found:
    """What to do, and the ledger it follows from.

    ``"begin"``: make the result from nothing; ``"continue"``: go on in the folder of this run, which was
    an earlier one's; ``"mend"``: the result is there, but for the patches that failed and the rows
    that were lost: do those again; ``"done"``: the result is there. ``note`` says what was found to be
    damaged, and ``replaces`` whether something may be at the place of the result that is to be replaced.
    """

    state: Literal["begin", "continue", "mend", "done"]
    account: Account | None = None
    note: str = ""
    replaces: bool = False


def survey(target: DurableTarget, fingerprint: Fingerprint) -> Found:
    """Look at a target this run has claimed.

    Raises
    ------
    TargetExistsError
        Something is there that this run would not have made; names what differs.
    TargetError
        A ledger or the result is damaged, or the folder is missing.

    """
    target.check_place()
    earlier = target.work.earlier_ledger()
    building = None if earlier is None else _read(target, earlier)
    if building is not None and building.ended:
        building = _published(target, building)
    if not target.resume:
        target.check()
        return Found("begin", replaces=target.overwrite)
    ours = building is not None and not _reasons(target, building, fingerprint)
    standing = _standing(target, fingerprint)
    if standing is not None and standing.state == "done" and building is None:
        _tidy(target)  # what a run left that was killed while it tidied up
    if standing is not None and (standing.state == "done" or not ours):
        return standing
    replaces = target.overwrite or standing is not None
    if building is not None and not ours and not target.overwrite:
        _require_same(target, building, fingerprint)
    if building is None or not ours:
        return Found("begin", replaces=replaces)
    target.work.adopt_earlier()
    return Found("continue", building, replaces=replaces)


def _standing(target: DurableTarget, fingerprint: Fingerprint) -> Found | None:
    """Look at the result at its place; ``None`` where there is none, or none that counts."""
    account = _read(target, target.publisher.ledger)
    if not target.publisher.is_taken or target.overwrite:
        return None
    if account is None:
        target.check()
        return None
    _require_same(target, account, fingerprint)
    if account.flawed or account.lost:
        return Found("mend", account, replaces=True)
    return _intact(target, account)


def _read(target: DurableTarget, path: Path | LedgerPlace) -> Account | None:
    """Read a ledger; a damaged one does not stop a run that begins anew."""
    try:
        return read_ledger(path)
    except TargetError:
        if target.overwrite or not target.resume:
            return None
        raise


def _require_same(target: DurableTarget, account: Account, fingerprint: Fingerprint) -> None:
    reasons = _reasons(target, account, fingerprint)
    if not reasons:
        return
    if not differing(account.header.fingerprint, fingerprint, trusting=target.resume == "always"):
        raise TargetExistsError(
            f"{target.path} is there, and whether this run would make the same cannot be known of "
            f"{'; '.join(reasons)}. If it would, pass resume='always' (--resume-always), else overwrite=True "
            f"(--overwrite); an operator or field is known by a method fingerprint() -> str"
        )
    made = "was made by another run" if account.completion else "was begun by another run, not yet complete"
    more = f" and {len(reasons) - TOLD} more" if len(reasons) > TOLD else ""
    raise TargetExistsError(
        f"{target.path} {made}: {'; '.join(reasons[:TOLD])}{more}. Call it with what it was made with, "
        f"choose another target, or pass overwrite=True (--overwrite) to begin anew"
    )


def _reasons(target: DurableTarget, account: Account, fingerprint: Fingerprint) -> list[str]:
    """Return why what an earlier run has made is not this one's: differences, or what is unknown."""
    trusting = target.resume == "always"
    differences = differing(account.header.fingerprint, fingerprint, trusting=trusting)
    return differences or ([] if trusting else unknown_in(fingerprint))


def _tidy(target: DurableTarget) -> None:
    """Remove what nobody will go on with; a folder that is not ours is left alone."""
    with suppress(TargetError):
        target.work.tidy()


def _intact(target: DurableTarget, standing: Account) -> Found:
    """Compare a finished result with its ledger.

    Raises
    ------
    TargetError
        It was changed by somebody, or cannot be mended.

    """
    target.publisher.open(standing.header.spec)
    look = look_at_result(standing, target.publisher)
    if not look.damages:
        if look.is_unclean:
            _note_touched(target, standing, look)
        return Found("done", standing)
    if standing.tiffs or any(damage.kind == "changed" for damage in look.damages):
        raise TargetError(
            f"{target.path} is not as its run wrote it: {told(look.damages)}. Pass overwrite=True "
            f"(--overwrite) to make it anew, or choose another target"
        )
    _forget(standing, (damage.box for damage in look.damages if not damage.level))
    note = f"damaged since it was written, and mended ({told(look.damages)})"
    return Found("mend", standing, note, replaces=True)


def lost_rows(target: DurableTarget, account: Account) -> str:
    """Forget the finished rows of a store on its way whose files are not as they were written; name them."""
    look = Look()
    look_at_work(account, target.blocks.open(account.header.spec), look, account.finished.holds)
    _forget(account, (damage.box for damage in look.damages))
    return told(look.damages) if look.damages else ""


def _forget(account: Account, boxes: Iterable[Box | None]) -> None:
    for box in boxes:
        if box is not None:
            account.finished.remove(box)


def _note_touched(target: DurableTarget, account: Account, look: Look) -> None:
    """Write down new times of files that were copied or touched, so that they are not read again next time.

    Where that cannot be done, next time is as this one.
    """
    publisher, known = target.publisher, dict(account.files())
    with suppress(TargetError, OSError):
        ledger = Ledger.reopen(publisher.ledger, account)
        try:
            for name in look.touched_others:
                if account.tiffs:
                    ledger.tiff(name, publisher.tiff_record(name, account.tiffs[name].piece_bytes))
                else:
                    ledger.others({name: publisher.files.record(name)})
            for level, row in look.touched:
                sink = publisher.stored(spec_of_level(account.spec, level), level)
                read = sink.read_records(row)
                ledger.seen(row, level, read if level else same_cells(read, known[row]))
        finally:
            ledger.close()


def _published(target: DurableTarget, building: Account) -> Account | None:
    """Finish what a run that was killed between its last line and its last renaming had begun."""
    target.work.adopt_earlier()
    has_product = target.publisher.has_product
    if has_product and building.completion is not None:
        target.publisher.publish(replace=building.completion.replaces or target.overwrite)
    elif has_product or not target.publisher.is_there:
        # The system went down, and what was made is not trusted, or gone; or it is made of its blocks again.
        return building if target.blocks.is_there else None
    settle(target, building.tiffs, flawed=bool(building.flawed))
    return None


def settle(target: DurableTarget, layers: Iterable[str], *, flawed: bool) -> None:
    """Move the ledger beside the published result, and tidy up.

    The files of layers that the result before had, and this one has not, are removed. The blocks of a
    GeoTIFF with failed patches stay, for the run that tries those again.

    Raises
    ------
    TargetError
        The files cannot be moved.

    """
    remove_former_layers(target.publisher, layers)
    target.publisher.keep_ledger()
    if not (flawed and target.publisher.keeps_blocks):
        target.work.tidy()


def remove_former_layers(publisher: Publishing, layers: Iterable[str] = ()) -> None:
    """Remove the layer files the finished ledger tells of, if they are as it tells; not those of ``layers``.

    Raises
    ------
    TargetError
        One cannot be removed.

    """
    if not publisher.layers_apart:
        return
    try:
        former = read_ledger(publisher.ledger)
    except TargetError:  # it tells of nothing
        return
    for name, known in ({} if former is None else former.tiffs).items():
        if name != "data" and name not in layers:
            publisher.remove_layer(name, known)
