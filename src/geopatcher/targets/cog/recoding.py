"""Tiles that were encoded in another way than the file came to have, encoded anew."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.core.cpu import usable_cores
from geopatcher.targets.cog.encoders import decoded
from geopatcher.targets.cog.packages import FRAME, PackageReader
from geopatcher.targets.files import FolderFiles

if TYPE_CHECKING:
    from pathlib import Path

    from geopatcher.core.protocols import Array
    from geopatcher.targets.cog.levels import TileFolder


def recoded(level: TileFolder, tiles: Array, ways: Array, chosen: int, folder: Path) -> TileFolder:
    """Encode anew, in ``folder``, the tiles of which another codec was taken than that of a number.

    ``tiles`` are the bytes of each, ``(places, files)``, which are set to what they come to be; ``ways`` the
    numbers of their codecs. Without such tiles, the level itself is returned.

    Raises
    ------
    OSError, TargetError
        One cannot be read, or the disk cannot take it.

    """
    places, numbers = np.nonzero((tiles > 0) & (ways != chosen))
    if not places.size:
        return level
    folder.mkdir()
    step = _Step(level, chosen, FolderFiles(folder))
    with ThreadPoolExecutor(usable_cores(), "geopatcher-recode") as pool:
        tiles[places, numbers] = list(
            pool.map(step.run, places.tolist(), numbers.tolist(), ways[places, numbers].tolist())
        )
    return replace(level, anew=folder)


@dataclass(frozen=True)
class _Step:
    level: TileFolder
    chosen: int
    files: FolderFiles

    def run(self, place: int, number: int, way: int) -> int:
        """Encode a tile anew, and return its bytes; all else of its file stays."""
        array = self.level.array
        row, col = divmod(place, array.places[1])
        with PackageReader(self.level.file(number, row, col)) as reader:
            tile = reader.tile()[FRAME:-FRAME]
            shape = (array.bands_per_file, *array.tile)
            again = array.encoders[self.chosen](decoded(tile, array.codecs[way], array.dtype, shape))
            content = reader.with_tile(again, self.chosen)
        self.files.put(array.encode_chunk_key((number, row, col)), content)
        return len(again)
