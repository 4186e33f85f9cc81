"""Bytes a run will hold, from shapes alone: the model behind `Plan.memory_bytes`.

The model follows what the engine holds at its peak, part by part, so that a person can check it.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from geopatcher.errors import MemoryLimitError
from geopatcher.planning.reading import Reading

if TYPE_CHECKING:
    from geopatcher.core.blocks_below import BlocksBelow

_UNITS = {"": 1, "b": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}

#: GDAL's own cache of decoded blocks, kept small: strips are read once.
GDAL_CACHE_BYTES = 16 << 20
#: Chunks in the hands of the threads that encode them, which hold what they become and tables, too.
CODEC_CHUNKS = 4
#: Libraries that are loaded when they are needed, threads, tables: measured with one-chunk runs.
FIXED_BYTES = 34 << 20
#: Threads with what they keep for themselves, in a process that has loaded all libraries.
THREAD_BYTES = 8 << 20
#: What allocators keep of encoded chunks, which are made in one thread and dropped in another, at most.
SLACK_BYTES = 12 << 20
#: What an operator adds by itself is noticed from here on: smaller sizes come and go with allocators.
GROWTH_NOTICED = 4 << 20
#: Bytes in hand for each one that says whether a cell holds data: itself, and two comparisons of it.
VALID_IN_HAND = 3
#: Share of the memory limit that the patches of a batch may take, where the batch finds its own size.
BATCH_SHARE = 0.25
#: Most patches of such a batch.
MOST_AT_ONCE = 64
#: Columns of a tile of state, at least: what lies in none takes neither memory nor time.
TILE_COLUMNS = 2048
#: Widths of patches in one, at least: patches that lie in two are added in two pieces.
TILE_PATCHES = 4
#: Tile rows being encoded behind the open ones.
WRITE_BEHIND = 1
#: Share of the memory limit that the regions of a run take, where one region does not fit.
CUT_TO = 0.75
#: Read units waiting ahead of the one in use.
READ_AHEAD = 2


def tile_columns(patch: int, block: int, least: int = TILE_COLUMNS) -> int:
    """Return how many columns, whole blocks, are held and finished together.

    >>> tile_columns(256, 512), tile_columns(1024, 512), tile_columns(256, 500)
    (2048, 4096, 2500)
    """
    return -(-max(least, TILE_PATCHES * patch) // block) * block


def parse_bytes(value: int | str) -> int:
    """Read ``"512MiB"``, ``"2 GB"`` or a plain number of bytes.

    Raises
    ------
    ValueError
        The text is not a positive size.

    Examples
    --------
    >>> parse_bytes("256MiB"), parse_bytes("1.5 GB"), parse_bytes(4096)
    (268435456, 1500000000, 4096)

    """
    if isinstance(value, str):
        match = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*([kmgt]?)(i?)(b?)\s*", value.lower())
        if match is None or (match[3] and not match[2]):
            raise ValueError(f'{value!r} is not a size in bytes: write 268435456, "256MiB" or "1.5GB"')
        unit = 1024 ** "kmgt".index(match[2]) * 1024 if match[3] else _UNITS[match[2]]
        value = int(float(match[1]) * unit)
    if value <= 0:
        raise ValueError(f"a size in bytes must be positive, not {value}")
    return int(value)


def format_bytes(n_bytes: float) -> str:
    """Write a size for people, in binary units.

    >>> format_bytes(268435456), format_bytes(1000)
    ('256.0 MiB', '1000 B')
    """
    size = float(n_bytes)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if size < 1024:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} PiB"


@dataclass(frozen=True, slots=True)
class MemoryModel:
    """The sizes that decide a run's memory.

    Pixels unless said otherwise. ``state_bytes`` is what the aggregation keeps per cell of the
    output grid, ``gap_bytes`` what it keeps on top where cells are without data, and ``out_bytes``
    what a finished cell takes, all over all bands and layers; ``item_bytes`` is what it takes in one
    band of one array. ``kept_bytes`` is what is kept of windows, for all patches together.
    ``batch_size`` is how many of them are in hand at once; where it ``grows``, `fitted` says up to how many.
    ``growth_bytes`` is what the operator was seen to take by itself, beyond `patch_bytes`.
    ``valid_bytes`` is what says, beside a finished cell, in which bands it holds data: 1 for each of a result
    that has no value for that, such as one of integers.
    ``given_bytes`` is what an operator is given for a pixel where that is made of what was cut out.
    ``views`` says that input takes no memory, as it is part of an array that is there. ``ahead`` units
    are read or wait ahead of the one in use, ``most_ahead`` are wanted, of a source ``across`` columns wide;
    ``working_bytes`` is what each read takes beside its pixels; ``below`` says what blocks of rasters several
    reads have in common, which are kept once for all of them; ``reading`` says what is read of the source for
    a patch.
    """

    patch: tuple[int, int]
    tile: tuple[int, int]
    unit_rows: int
    in_bytes: int
    mask_bytes: int
    state_bytes: int
    gap_bytes: float
    kept_bytes: int
    out_bytes: int
    item_bytes: int
    batch_size: int = 1
    grows: bool = False
    growth_bytes: int = 0
    valid_bytes: int = 0
    given_bytes: int = 0
    views: bool = False
    ahead: int = READ_AHEAD
    most_ahead: int = READ_AHEAD
    across: int = 0
    working_bytes: int = 0
    below: tuple[BlocksBelow, ...] = ()
    reading: Reading = field(default=Reading())

    @property
    def seen(self) -> tuple[int, int]:
        """``(height, width)`` of what the operator is shown of a patch, pixels of the source."""
        rows, cols = self.reading.margin
        return self._under(self.patch[0]) + 2 * rows, self._under(self.patch[1]) + 2 * cols

    @property
    def seen_bytes(self) -> int:
        """Bytes of that, all bands along all leading dimensions."""
        return self.seen[0] * self.seen[1] * self.in_bytes

    def _under(self, length: int) -> int:
        """Return how many pixels of the source lie under so many of the result."""
        scale = self.reading.scale
        return -(-length * scale.denominator // scale.numerator)

    @property
    def patch_bytes(self) -> int:
        """Bytes of the patches in hand, with what the operator makes of them and adding them takes."""
        rows, cols = self.seen
        seen, scale = rows * cols, self.reading.scale
        made = -(-seen * scale.numerator**2 // scale.denominator**2) * (2 * self.state_bytes + self.out_bytes)
        return (self.batch_size + 1) * (seen * (self.in_bytes + self.given_bytes) + made)

    @property
    def open_tile_rows(self) -> int:
        """Rows of blocks that one row of patches can touch."""
        return (self.patch[0] + self.tile[0] - 2) // self.tile[0] + 1

    @property
    def buffer_rows(self) -> int:
        """Rows of input held for cutting: the units one row of patches can touch."""
        rows = self.seen[0]
        if not self.unit_rows:
            return rows
        return ((rows + self.unit_rows - 2) // self.unit_rows + 1) * self.unit_rows

    def tile_bytes(self, width: int) -> int:
        """Bytes of the finished cells of the blocks that are written together, of a region so wide."""
        return (
            self.tile[0]
            * min(tile_columns(self.patch[1], self.tile[1]), width)
            * (self.out_bytes + self.valid_bytes)
        )

    def bytes_for(self, width: int, height: int, *, alone: bool = True) -> int:
        """Bytes of a memory limit that a region ``width`` columns and ``height`` rows large needs.

        Beside what it holds that is room for GDAL's cache, for libraries and for what allocators keep. Of a
        region that is not ``alone`` the next is begun while the last rows are written.
        """
        read = self.in_bytes + self.mask_bytes
        slack = min(SLACK_BYTES, width * height * self.out_bytes)
        return self._taken(width, height, read, alone=alone) + slack + FIXED_BYTES

    def taken_for(self, width: int, height: int, *, alone: bool = True) -> int:
        """Peak bytes that such a region takes in a process that has loaded all libraries."""
        read = self.mask_bytes + (0 if self.views else self.in_bytes)
        # Between regions allocators keep what the next one asks for in other sizes.
        slack = 0 if alone else min(SLACK_BYTES, width * height * self.out_bytes)
        return self._taken(width, height, read, alone=alone) + slack + THREAD_BYTES

    def _taken(self, width: int, height: int, read_bytes: int, *, alone: bool) -> int:
        """Return what is held at the peak; a pixel that is read takes ``read_bytes``."""
        rows, cols = self._under(height), self._under(width)
        cached = min(GDAL_CACHE_BYTES, (cols + self.seen[1]) * rows * read_bytes)
        reading = self._read(cols, rows, read_bytes, alone=alone)
        return self._held(width, height) + reading + cached + self.growth_bytes

    def _read(self, width: int, height: int, read_bytes: int, *, alone: bool) -> int:
        """Return the bytes of input in hand, and of what is begun of the next region.

        ``width`` and ``height`` are in pixels of the source.
        """
        unit, is_far = min(self.unit_rows, height), self.ahead > READ_AHEAD
        # What comes over a network is held beside what is made of it.
        ahead = 2 * self.ahead if is_far else self.ahead
        rows = min(self.buffer_rows, height) + ahead * unit * (1 if alone else 2)
        return rows * read_bytes * (width + self.seen[1]) + self._n_reading * self.working_bytes

    @property
    def _n_reading(self) -> int:
        """Units that are read at the same time."""
        return self.ahead if self.ahead > READ_AHEAD else 1

    def blocks_for(self, width: int, height: int, limit: int, *, alone: bool = True) -> int:
        """Return the bytes of blocks that are kept while such a region is computed.

        That is all that the units which are read at once have in common with the next, where a memory limit
        of ``limit`` bytes leaves room for it: a region is made no narrower. Where batches grow, calls of the
        operator are left half of that room.
        """
        if not self.below:
            return 0
        rows, cols = min(self._n_reading * self.unit_rows, self._under(height)), self._under(width)
        wanted = sum(each.n_bytes(rows, cols + self.seen[1]) for each in self.below)
        room = self.allowed(limit, height) - self.bytes_for(width, height, alone=alone)
        return max(0, min(wanted, room // 2 if self.grows else room))

    def _held(self, width: int, height: int) -> int:
        """Return the bytes of state, of what becomes of it, and of patches."""
        rows = -(-height // self.tile[0]) * self.tile[0]
        open_rows = min(self.open_tile_rows * self.tile[0], rows)
        behind_rows = min(WRITE_BEHIND * self.tile[0], rows)
        cell_state = self.state_bytes + self.gap_bytes
        state = open_rows * width * cell_state
        finishing = behind_rows * width * cell_state
        # What is converted one tile at a time, and where it has any weight.
        converted = 0 if self.out_bytes == self.state_bytes else self.out_bytes
        columns = min(tile_columns(self.patch[1], self.tile[1]), width)
        turning = min(self.tile[0], rows) * columns * (converted + 1 + VALID_IN_HAND * self.valid_bytes)
        codecs = 2 * CODEC_CHUNKS * self.tile[0] * min(self.tile[1], width) * self.item_bytes
        return int(state + finishing + turning + self.patch_bytes + self.kept_bytes + codecs)

    def fitted(self, limit: int, height: int) -> MemoryModel:
        """Return these sizes for the largest batch whose patches take no more than a share of a limit.

        Beside it a region of ``height`` rows and one block wide still fits into ``limit`` bytes. What an
        operator takes by itself is found out by calling it. Where batches do not grow, nothing changes.
        """
        if not self.grows:
            return self.reading_ahead(limit, height)
        model = replace(self, batch_size=1, ahead=READ_AHEAD)
        while model.batch_size < MOST_AT_ONCE:
            larger = replace(model, batch_size=2 * model.batch_size)
            least = larger.bytes_for(self.tile[1], height, alone=False)
            if larger.patch_bytes > BATCH_SHARE * limit or least > limit:
                break
            model = larger
        return model.reading_ahead(limit, height)

    def reading_ahead(self, limit: int, height: int) -> MemoryModel:
        """Return these sizes with as many units read ahead as are wanted and ask for no further regions."""
        model = replace(self, ahead=READ_AHEAD)
        if self.most_ahead == READ_AHEAD or model.bytes_for(self.tile[1], height, alone=False) > limit:
            return model
        width = math.ceil(self.across * self.reading.scale)
        larger = [replace(model, ahead=ahead) for ahead in range(self.most_ahead, READ_AHEAD, -1)]
        wanted = model.cuts(limit, height, width)
        return next((one for one in larger if one.cuts(limit, height, width) == wanted), model)

    def cuts(self, limit: int, height: int, width: int) -> int:
        """Return into how many regions so many columns are cut to stay within ``limit`` bytes; 0: none do.

        What has to be cut is cut to `CUT_TO` of it, so that twice the width does not come nearer to it.
        """
        if self.bytes_for(width, height) <= limit:
            return 1
        least = self.bytes_for(self.tile[1], height, alone=False)
        if least > limit:
            return 0
        return -(-width // self.widest(max(int(CUT_TO * limit), least), height))

    def grown(self, call_bytes: int) -> MemoryModel:
        """Return these sizes for an operator a call of which was seen to take ``call_bytes``.

        Where batches grow, calls of several sizes leave gaps of several sizes to allocators: so the patches
        in hand come on top.
        """
        beyond = call_bytes - (0 if self.grows else self.patch_bytes)
        return replace(self, growth_bytes=beyond if beyond > GROWTH_NOTICED else 0)

    def allowed(self, limit: int, height: int) -> int:
        """Return what a region of ``height`` rows may take of a memory limit.

        That is all of it, what the operator takes included. Where the operator takes more than half of
        it, narrower regions would not help: then it comes on top.
        """
        least = self.bytes_for(self.tile[1], height, alone=False)
        return limit + self.growth_bytes if 2 * self.growth_bytes > limit or least > limit else limit

    def widest(self, limit: int, height: int, width: int | None = None) -> int:
        """Most columns (whole tiles) of one of several regions that stay within ``limit`` bytes.

        ``width`` is that of the raster, if it is known.

        Raises
        ------
        MemoryLimitError
            Not even one column of tiles fits.

        """
        step = self.tile[1]
        one = self.bytes_for(step if width is None else min(step, width), height, alone=False)
        if one > limit:
            bands = f"{self.in_bytes} bytes per input pixel"
            if self.working_bytes:
                bands += f", {format_bytes(self.working_bytes)} beside them while they are read"
            margin = f", read as {self.seen[0]}x{self.seen[1]}," if not self.reading.is_plain else ""
            raise MemoryLimitError(
                f"patch {self.patch[0]}x{self.patch[1]}{margin} with {bands} and "
                f"{self.state_bytes + self.gap_bytes:g} bytes of state per output pixel "
                f"needs {format_bytes(one)}, memory_limit is {format_bytes(limit)}: "
                f"use a smaller size, a smaller batch_size or smaller chunks, or raise the limit"
            )
        low, high = 1, 1
        while self.bytes_for(high * step, height, alone=False) <= limit and high * step < 2**40:
            low, high = high, high * 2
        while low + 1 < high:
            middle = (low + high) // 2
            fits = self.bytes_for(middle * step, height, alone=False) <= limit
            low, high = (middle, high) if fits else (low, middle)
        return low * step
