"""Whether the files of a result are still those its ledger tells of."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from geopatcher.core.box import Box
from geopatcher.errors import SourceError, TargetError
from geopatcher.fields.zarr_field import StoredArray
from geopatcher.targets.chunk_files import grid_of, keys_of
from geopatcher.targets.digests import files_in
from geopatcher.targets.multiscales import level_domains

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator

    import zarr

    from geopatcher.core.domain import ResultSpec
    from geopatcher.runs.ledger.book import Account
    from geopatcher.targets.block_files import BlockFiles
    from geopatcher.targets.chunk_files import Chunked
    from geopatcher.targets.digests import Digests, FileRecord, Finding, Reads
    from geopatcher.targets.durable import Publishing
    from geopatcher.targets.places import Spot

#: Files that are read at once.
THREADS = 4
#: What a person may change in a finished store, such as by adding attributes.
METADATA = "zarr.json"
#: Files that a message names.
MAX_NAMED = 3

#: A file that is gone or cannot be read was damaged; one that reads well was written by somebody.
Kind: TypeAlias = Literal["lost", "changed"]


class Damage(NamedTuple):
    """A file that is not as it was written: what is wrong, and the pixels in it where that is known.

    ``level`` is the overview level they are of, 0 for the result's own.
    """

    file: Spot
    what: str
    kind: Kind = "lost"
    box: Box | None = None
    level: int = 0

    def __str__(self) -> str:
        where = "" if self.box is None else f" ({self.box}{f' of level {self.level}' if self.level else ''})"
        return f"{self.file}{where} {self.what}"


@dataclass
class Look:
    """What came of a look at the files of a result.

    ``touched`` are the rows of blocks, by level, of which files were copied or touched and hold the
    same bytes all the same.
    """

    damages: list[Damage] = field(default_factory=list)
    touched: list[tuple[int, Box]] = field(default_factory=list)
    touched_others: list[str] = field(default_factory=list)
    n_files: int = 0
    n_bytes: int = 0

    @property
    def is_unclean(self) -> bool:
        """Whether files were touched since they were written down."""
        return bool(self.touched or self.touched_others)

    def take(self, damage: Damage | None, n_bytes: int) -> None:
        """Count a file."""
        self.n_files += 1
        self.n_bytes += n_bytes
        if damage is not None:
            self.damages.append(damage)


def told(damages: list[Damage]) -> str:
    """Return the first damages as a text.

    >>> from pathlib import PurePosixPath
    >>> told([Damage(PurePosixPath("c/0/1"), "is missing")] * 5)
    'c/0/1 is missing; c/0/1 is missing; c/0/1 is missing; and 2 more files'
    """
    more = len(damages) - MAX_NAMED
    named = [str(damage) for damage in damages[:MAX_NAMED]]
    if more > 0:
        named.append(f"and {more} more file{'s' if more > 1 else ''}")
    return "; ".join(named)


def look_at_result(account: Account, publisher: Publishing, reads: Reads = "touched") -> Look:
    """Look at a finished result: the store that ``publisher`` published, or the GeoTIFFs of its arrays.

    ``reads`` as of `geopatcher.targets.digests.look_at`. Unless all is read, metadata is not looked at, to
    which people may add.
    """
    look = Look()
    if account.tiffs:
        for name, known in account.tiffs.items():
            finding = publisher.look_at_tiff(name, known, reads)
            damage = Damage(publisher.file_of(name), finding.wrong, "changed") if finding.wrong else None
            look.take(damage, known.n_bytes)
            if finding.touched:
                look.touched_others.append(name)
        return look
    for level in account.levels():
        look_at_level(account, publisher, level, look, reads)
    for name, record in account.others.items():
        files = publisher.files
        if reads != "all" and name.rpartition("/")[2] == METADATA and files.size(name):
            continue
        finding = files.look_at(name, record, reads)
        look.take(Damage(publisher.place / name, finding.wrong) if finding.wrong else None, record.n_bytes)
        if finding.touched:
            look.touched_others.append(name)
    return look


def look_at_level(
    account: Account, publisher: Publishing, level: int, look: Look, reads: Reads = "touched"
) -> None:
    """Look at the blocks of a finished store, or of an overview level of it; add to a ``look``."""
    folder = publisher.place / str(level) if level else publisher.place
    spec = spec_of_level(account.spec, level)
    try:
        sink = publisher.stored(spec, level)
    except TargetError as error:
        whole = Box.of_shape(spec.domain.grid_shape)
        look.take(Damage(folder, f"cannot be opened: {error}", box=whole, level=level), 0)
        return

    def kind_of(piece: _Piece) -> Kind:
        # zarr takes an empty shard for one of fill.
        return "changed" if sink.files.size(piece.key) and _reads(piece, sink.arrays[piece.name]) else "lost"

    rows = (
        (row, list(_pieces(sink, row, _of(digests, spec.arrays())))) for row, digests in account.files(level)
    )
    _look_at(rows, level, look, reads, kind_of)


def look_at_work(account: Account, sink: BlockFiles, look: Look, wanted: Callable[[Box], bool]) -> None:
    """Look at the blocks of a result on its way; add to a ``look``, in which all that is wrong is lost.

    Files whose blocks are not ``wanted`` are passed over, and those of a mask that the result did not keep.
    """
    kept = account.spec.arrays()
    rows = (
        (row, [piece for piece in _pieces(sink, row, _of(digests, kept)) if wanted(piece.box)])
        for row, digests in account.files(0)
    )
    _look_at(rows, 0, look, "touched", lambda _: "lost")


def _look_at(
    rows: Iterable[tuple[Box, list[_Piece]]],
    level: int,
    look: Look,
    reads: Reads,
    kind_of: Callable[[_Piece], Kind],
) -> None:
    call = partial(_look_at_piece, reads=reads)
    with ThreadPoolExecutor(THREADS, "geopatcher-verify") as pool:
        for row, pieces in rows:
            findings: Iterable[Finding] = pool.map(call, pieces) if reads == "all" else map(call, pieces)
            touched = False
            for piece, finding in zip(pieces, findings, strict=True):
                damage = None
                if finding.wrong:
                    damage = Damage(piece.file, finding.wrong, kind_of(piece), piece.box, level)
                look.take(damage, piece.known.n_bytes)
                touched |= finding.touched
            if touched:
                look.touched.append((level, row))


class _Piece(NamedTuple):
    """A file of blocks, what is known of it, and where it lies: numbers of band, row and column of files."""

    sink: BlockFiles
    key: str
    known: FileRecord
    name: str
    array: Chunked
    where: tuple[int, int, int]

    @property
    def file(self) -> Spot:
        """What messages call it."""
        return self.sink.path / self.key

    @property
    def box(self) -> Box:
        """The pixels in it; asked for only where it matters."""
        _, row, col = self.where
        *_, height, width = self.array.shards or self.array.chunks
        whole = Box.of_shape((self.array.shape[-2], self.array.shape[-1]))
        return Box(row * height, (row + 1) * height, col * width, (col + 1) * width).intersect(whole)


def _pieces(sink: BlockFiles, row: Box, digests: Digests) -> Iterator[_Piece]:
    for name, records in digests.items():
        array = sink.arrays[name]
        grid = tuple(map(len, grid_of(array, row)))
        if records.shape[:3] != grid:  # bands lie together in a file, or apart
            raise TargetError(
                f"{sink.path} holds {row} of {name!r} in {grid} files, not the "
                f"{records.shape[:3]} its ledger tells of: it was replaced; choose another target, or pass "
                f"overwrite=True (--overwrite)"
            )
        keys = keys_of(array, row)
        for key, known, where in zip(keys, files_in(records), product(*grid_of(array, row)), strict=True):
            yield _Piece(sink, f"{name}/{key}", known, name, array, where)


def _of(digests: Digests, names: Container[str]) -> Digests:
    return {name: records for name, records in digests.items() if name in names}


def _look_at_piece(piece: _Piece, reads: Reads) -> Finding:
    return piece.sink.files.look_at(piece.key, piece.known, reads)


def _reads(piece: _Piece, array: zarr.Array) -> bool:
    """Whether a block can be decoded."""
    band = piece.where[0]
    leading = (slice(band, band + 1),) * (len(array.shape) - 2)
    try:
        _ = StoredArray(array, str(piece.file))[(*leading, *piece.box.slices())]
    except SourceError:
        return False
    return True


def spec_of_level(spec: ResultSpec, level: int) -> ResultSpec:
    """Return the spec of an overview level."""
    if not level:
        return spec
    return replace(spec, domain=level_domains(spec.domain, spec.chunks)[level - 1])
