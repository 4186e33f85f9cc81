"""The blocks of a result on its way to a GeoTIFF: files of tiles that are encoded already."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Self

from geopatcher.core.gaps import VALID
from geopatcher.errors import TargetError
from geopatcher.targets.block_files import BlockFolder
from geopatcher.targets.chunk_writer import MAX_THREADS
from geopatcher.targets.cog.tile_arrays import arrays_from_json, arrays_to_json
from geopatcher.targets.cog.tile_writer import TileWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from geopatcher.core.box import Box
    from geopatcher.core.protocols import Array, FinishedTile
    from geopatcher.targets.cog.levels import Levels
    from geopatcher.targets.cog.tile_arrays import TileArray

#: Says, in the folder, what is in its files.
RECORD = "tiles.json"


def create_tiles(path: Path, arrays: Mapping[str, TileArray]) -> TileStore:
    """Make a folder for the blocks of arrays.

    Raises
    ------
    TargetError
        It cannot be made.

    """
    try:
        path.mkdir()
        for name in arrays:
            (path / name).mkdir()
        (path / RECORD).write_text(arrays_to_json(arrays))
    except OSError as error:
        raise TargetError(f"cannot create {path}: {error}") from error
    return TileStore(path)


class TileStore(BlockFolder):
    """Writes whole blocks into a folder made by `create_tiles`, which is never made again.

    It pickles as its path: levels grow with what this very object writes. A mask goes into the file of the
    block; where there is an array of it, too, it says of each band which cells hold data.

    Raises
    ------
    FileNotFoundError
        There is no such folder.
    ValueError, KeyError, TypeError
        What is said of the files is damaged.

    """

    def __init__(self, path: Path) -> None:
        self._arrays = arrays_from_json((path / RECORD).read_text())
        self._writers = {name: TileWriter(array, path / name) for name, array in self._arrays.items()}
        self._levels: Mapping[str, Levels] = {}
        super().__init__(path, self._writers)

    def growing(self, levels: Mapping[str, Levels]) -> Self:
        """Have levels of arrays, by their names, grow with what is written; return this store."""
        self._levels = levels
        return self

    @property
    def arrays(self) -> Mapping[str, TileArray]:
        """The arrays by name."""
        return self._arrays

    def __reduce__(self) -> tuple[type[TileStore], tuple[Path]]:
        return (TileStore, (self.path,))

    def writer(self, name: str) -> TileWriter:
        """Return what writes an array."""
        return self._writers[name]

    def tasks(self, box: Box, arrays: Mapping[str, Array]) -> Iterator[tuple[str, Callable[[], None]]]:
        """Yield what encodes and writes the tiles of a box, each with the name of its array."""
        for name, values in arrays.items():
            if name in self._writers:  # a mask of one band is in the files of its data
                said = arrays.get(VALID) if name == "data" else None
                for task in self._writers[name].tasks(box, values, said):
                    yield name, task

    def write(self, tiles: Iterable[FinishedTile]) -> int:
        """Encode and store tiles, and then what can be made of the levels; return bytes before compression.

        Raises
        ------
        TargetError
            The store cannot take them; names the box, or the array.

        """
        boxes: list[Box] = []
        n_bytes = super().write(_noted(tiles, boxes))
        for name, levels in self._levels.items():
            writer = self._writers[name]
            n_threads = min(self.n_threads, MAX_THREADS)
            grow = partial(levels.grow, boxes, writer.gaps, writer.way, n_threads)
            self._told(f"overview levels of {self.path / name}", grow)
        return n_bytes


def _noted(tiles: Iterable[FinishedTile], boxes: list[Box]) -> Iterator[FinishedTile]:
    """Yield tiles, and note their boxes."""
    for box, arrays in tiles:
        boxes.append(box)
        yield box, arrays
