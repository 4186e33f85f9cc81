"""What is known of files, as JSON holds it, and back."""

from __future__ import annotations

import base64
import binascii
import math
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from geopatcher.core.gaps import VALID
from geopatcher.runs.ledger.lines import MAX_LINE_BYTES
from geopatcher.targets.digests import N_RECORD, FileRecord, TiffRecord, with_moments

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geopatcher.core.box import Box
    from geopatcher.core.domain import ResultSpec
    from geopatcher.core.json_values import Json, Record
    from geopatcher.core.protocols import Array
    from geopatcher.targets.digests import Digests

    #: Bands, rows and columns of files, by the name of the array.
    Grids: TypeAlias = Mapping[str, tuple[int, int, int]]

#: Largest number that stands for a size or a time.
MOST = 2**63 - 1
#: Largest piece of a file that is read at once to be compared with its checksum.
MOST_PIECE = 64 << 20
#: Longest text of moments: with one that is longer a line would be longer than is read.
MOST_MOMENTS = MAX_LINE_BYTES // 4
#: Longest name of a file or folder in bytes, as usual file systems have it, and of a file with its folders.
MOST_PART, MOST_NAME = 255, 1024


def tiff_to_json(known: TiffRecord) -> Record:
    """Return what a line holds of a GeoTIFF."""
    return {
        "bytes": known.n_bytes,
        "mtime": known.mtime_ns,
        "piece": known.piece_bytes,
        "crcs": list(known.crcs),
    }


def tiff_from_json(record: Record) -> TiffRecord:
    """Return the record `tiff_to_json` was given.

    Raises
    ------
    ValueError
        It is damaged.

    """
    n_bytes, mtime_ns, piece = _whole([record.get("bytes"), record.get("mtime"), record.get("piece")])
    crcs = tuple(_whole(record.get("crcs")))
    if not 0 < piece <= MOST_PIECE:
        raise ValueError(f"pieces of {piece} bytes are not compared: they are of {MOST_PIECE} at most")
    if len(crcs) != -(-n_bytes // piece):
        raise ValueError(f"{len(crcs)} checksums are not those of {n_bytes} bytes")
    return TiffRecord(n_bytes, mtime_ns, piece, crcs)


def grids_of(spec: ResultSpec, box: Box) -> Grids:
    """Return how many files of each array the cells of a box lie in, where bands have files of their own."""
    height, width = spec.shards or spec.chunks
    rows = -(-box.row1 // height) - box.row0 // height
    cols = -(-box.col1 // width) - box.col0 // width
    return {name: (math.prod(shape[:-2]), rows, cols) for name, (shape, _, _) in spec.arrays().items()}


def files_to_json(digests: Digests) -> Record:
    """Return digests as a line holds them: size, checksum and time of each file, one behind the other.

    Times are in nanoseconds behind the first of them, ``at``. The moments of cells that were counted are
    their float64 in base64.

    >>> files_to_json({"data": np.array([[[[5, 77, 1003], [0, 0, 0], [6, 78, 1001]]]])})
    {'at': 1001, 'files': {'data': [5, 77, 2, 0, 0, 0, 6, 78, 0]}}
    """
    times = [array[..., 2][array[..., 0] > 0] for array in digests.values()]
    first = min((int(each.min()) for each in times if each.size), default=0)
    known: dict[str, Json] = {
        "at": first,
        "files": {name: _flat(array, -first) for name, array in digests.items()},
    }
    counted = {name: array[..., N_RECORD:].tobytes() for name, array in digests.items()}
    moments: dict[str, Json] = {
        name: base64.b64encode(bits).decode() for name, bits in counted.items() if bits
    }
    if moments and sum(map(len, counted.values())) < MOST_MOMENTS:
        known["moments"] = moments
    return known


def files_from_json(record: Record, grids: Grids) -> Digests:
    """Return the digests `files_to_json` was given, of grids of these sizes.

    Those of a mask may not be there: it goes where it says no more than a value. Bands may lie together in
    one file.

    Raises
    ------
    ValueError
        They are not there, or are of other grids.

    """
    files = record.get("files")
    (first,) = _whole([record.get("at")])
    if not isinstance(files, dict) or set(files) - set(grids) or set(grids) - set(files) - {VALID}:
        raise ValueError("what is known of its files is damaged")
    digests = {}
    for name in files:
        grid = grids[name]
        numbers = _whole(files[name])
        each = 3 * grid[1] * grid[2]
        if len(numbers) not in (each, each * grid[0]):
            raise ValueError(f"{len(numbers)} numbers are not of {grid[0]} x {grid[1]} x {grid[2]} files")
        array = np.array(numbers, np.int64).reshape(-1, *grid[1:], 3)
        there = array[..., 0] > 0
        if (array[~there] != 0).any() or (array[..., 2].max(initial=0) > MOST - first):
            raise ValueError("what is known of its files is damaged")
        array[..., 2][there] += first
        digests[name] = with_moments(array, _moments(record.get("moments"), name, array.shape[:-1]))
    return digests


def _moments(told: Json, name: str, grid: tuple[int, ...]) -> Array | None:
    """Return the moments of the cells in files; `None` where an earlier version wrote them."""
    text = told.get(name) if isinstance(told, dict) else None
    if text is None:
        return None
    try:
        bits = base64.b64decode(str(text), validate=True)
    except binascii.Error as error:
        raise ValueError(f"what is known of the cells of {name!r} is damaged: {error}") from error
    n_files, n_numbers = math.prod(grid), len(bits) // 8
    if not bits or len(bits) % 8 or n_numbers not in (5 * n_files, 7 * n_files):
        raise ValueError(
            f"what is known of the cells of {name!r} is damaged: {n_numbers} numbers of {n_files} files"
        )
    return np.frombuffer(bits, "<f8").astype(np.float64).reshape(*grid, -1)


def others_to_json(others: Mapping[str, FileRecord]) -> Record:
    """Return records of files by their names, as a line holds them."""
    return {name: list(known) for name, known in others.items()}


def others_from_json(record: Json) -> dict[str, FileRecord]:
    """Return the records `others_to_json` was given.

    Raises
    ------
    ValueError
        They are damaged, or a name leads out of the store, or is none a file can have.

    """
    if not isinstance(record, dict):
        raise ValueError("what is known of its other files is damaged")  # noqa: TRY004 - the file is wrong
    others = {}
    for name, known in record.items():
        numbers = _whole(known)
        if len(numbers) != 3 or not _is_inside(name):
            raise ValueError(f"{name!r:.80} is not a file of a store")
        others[name] = FileRecord(*numbers)
    return others


def _is_inside(name: str) -> bool:
    """Whether a name is one a file in a folder can have, with ``/`` between it and its folders."""
    try:
        whole = name.encode()
    except UnicodeEncodeError:  # half a pair of surrogates, which JSON can say
        return False
    parts = whole.split(b"/")
    lengths = [len(part) for part in parts]
    fits = min(lengths) > 0 and max(lengths) <= MOST_PART and len(whole) <= MOST_NAME
    return fits and b"\0" not in whole and not {b".", b".."} & set(parts)


def _flat(array: Array, later: int) -> list[Json]:
    times = np.where(array[..., 0] > 0, array[..., 2] + later, 0)
    numbers: list[Json] = np.stack([array[..., 0], array[..., 1], times], axis=-1).ravel().tolist()
    return numbers


def _whole(values: Json) -> list[int]:
    """Return a list of whole numbers that are not negative."""
    if not isinstance(values, list) or not all(type(value) is int and 0 <= value <= MOST for value in values):
        raise ValueError(f"{values!r:.80} are not whole numbers")
    return list(values)
