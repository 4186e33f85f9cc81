"""What makes a zarr store of a folder of blocks: documents that describe its arrays, and coordinates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geopatcher._optional import load
from geopatcher.targets.folders import make_below

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from zarr.storage import MemoryStore

    from geopatcher.targets.box_writer import Encoded

#: What describes a group or an array.
DOCUMENT = "zarr.json"


class Documents:
    """A store in memory, of a few small files, in which zarr works and of which the files are ours.

    For each file that zarr reads or writes on a disk it hands the work to one thread, and that to another:
    several milliseconds for a store of which next to nothing is written.

    Parameters
    ----------
    contents
        What it holds, by keys such as ``data/zarr.json``.

    """

    def __init__(self, contents: Mapping[str, bytes] | None = None) -> None:
        self._held: dict[str, Encoded] = {}
        for key, content in (contents or {}).items():
            self.put(key, content)
        self.store: MemoryStore = load("zarr.storage").MemoryStore(self._held)

    @classmethod
    def of(cls, path: Path) -> Documents:
        """Read those of the group at ``path`` and of its arrays, without coordinates.

        Raises
        ------
        OSError
            They cannot be read.

        """
        places = [path / DOCUMENT, *path.glob(f"*/{DOCUMENT}")]
        return cls({place.relative_to(path).as_posix(): place.read_bytes() for place in places})

    def put(self, key: str, content: bytes | memoryview) -> None:
        """Hold a file under a key, in the place of what is there."""
        self._held[key] = load("zarr.buffer.cpu").Buffer.from_bytes(content)

    def contents(self) -> dict[str, bytes]:
        """Return all it holds, by keys."""
        return {key: content.to_bytes() for key, content in self._held.items()}

    def content(self, key: str) -> bytes:
        """Return what it holds of one key."""
        return self._held[key].to_bytes()

    def make(self, path: Path, only: str = "") -> None:
        """Write all of them, or those whose keys begin with ``only``, into a folder where none of these is.

        It is made if it is not there, but not the one it is in: where that is gone, another run goes on.

        Raises
        ------
        OSError
            They cannot be written.

        """
        path.mkdir(exist_ok=True)
        for key, content in self._held.items():
            if key.startswith(only):
                place = path / key
                make_below(place.parent, path)
                place.write_bytes(content.to_bytes())
