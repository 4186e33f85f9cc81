"""Whether a finished result is still what its run wrote: `verify`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import rasterio
import zarr
from rasterio.errors import RasterioError

from geopatcher.api.result import Reconstruction
from geopatcher.core.box import Box
from geopatcher.core.html_cards import plain_card
from geopatcher.errors import SourceError, TargetError
from geopatcher.fields.rasterio_source import RasterioSource
from geopatcher.fields.zarr_field import StoredArray
from geopatcher.formats.rasterio_warnings import no_georeference_warning
from geopatcher.inspect.arrays import at, is_store
from geopatcher.planning.memory import format_bytes
from geopatcher.runs.damage import Damage, Look, look_at_result
from geopatcher.runs.glance import disk_target
from geopatcher.runs.ledger.book import read_ledger
from geopatcher.targets.digests import spans_of_damage, tiff_record_of
from geopatcher.targets.places import BucketUrl, Spot, bucket_url

if TYPE_CHECKING:
    from collections.abc import Iterator

    from geopatcher.runs.ledger.book import Account
    from geopatcher.targets.protocol import DurableTarget

#: Most bytes of pixels that are decoded at once, where there is no ledger to compare with.
PIECE_BYTES = 64 << 20

#: What can be verified: what `reconstruct` returned, or the path of a result or of any raster.
Verifiable: TypeAlias = "Reconstruction | str | os.PathLike[str]"


@dataclass(frozen=True)
class Verification:
    """What came of a look at every byte of a result.

    Parameters
    ----------
    path
        The result.
    damages
        The files that are not as they were written, with the pixels in them.
    n_files, n_bytes
        What was looked at.
    compared
        Whether there was a ledger to compare with, and not only that everything could be read.
    n_failed
        Patches that failed when the result was made, 0 by default.

    Examples
    --------
    >>> import tempfile, numpy as np, geopatcher
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     result = geopatcher.reconstruct(np.ones((64, 64), "uint8"), np.copy, f"{folder}/x.zarr", size=32)
    ...     found = geopatcher.verify(result)
    >>> found.is_intact, found.compared, found.damages
    (True, True, ())
    """

    path: Spot
    damages: tuple[Damage, ...]
    n_files: int
    n_bytes: int
    compared: bool
    n_failed: int = 0

    @property
    def is_intact(self) -> bool:
        """Whether nothing was found."""
        return not self.damages

    def __repr__(self) -> str:
        found = "intact" if self.is_intact else f"{len(self.damages):,} damaged"
        return f"Verification({self.path}, {found}, {self.n_files:,} files, {format_bytes(self.n_bytes)})"

    def _repr_html_(self) -> str:
        return plain_card("Verification", str(self))

    def __str__(self) -> str:
        looked = f"{self.n_files:,} file{'s' if self.n_files != 1 else ''}, {format_bytes(self.n_bytes)}"
        if not self.compared:
            lines = [f"{self.path} has no ledger to compare with: it was only read, {looked}"]
        else:
            lines = [f"{self.path} was compared with its ledger: {looked}"]
        lines += [f"damaged    {damage}" for damage in self.damages]
        if self.n_failed:
            lines.append(f"missing    {self.n_failed:,} patches failed when it was made, and were left out")
        if self.is_intact:
            lines.append("nothing is damaged" if self.compared else "everything can be read")
        return "\n".join(lines)


def verify(result: Verifiable) -> Verification:
    """Read every file of a finished result, and compare it with what its run wrote.

    The ledger beside the result has a checksum of each file of blocks, of overview levels, coordinates and
    metadata, and of each piece of a GeoTIFF. Of a raster without a ledger it can only be said whether all
    of it can be read: all its pixels are decoded.

    Parameters
    ----------
    result
        What `reconstruct` returned, or the path of a result or of any raster.

    Returns
    -------
    Verification
        ``is_intact``, the ``damages`` with the pixels in them, and whether there was a ledger (``compared``).

    Raises
    ------
    SourceError
        There is no result, or it is not a raster.
    ValueError
        The result is in memory.

    Examples
    --------
    >>> import tempfile, numpy as np, geopatcher
    >>> folder = tempfile.TemporaryDirectory()
    >>> result = geopatcher.reconstruct(np.ones((64, 64)), np.copy, f"{folder.name}/x.zarr", size=32)
    >>> found = geopatcher.verify(result)
    >>> found.is_intact, found.compared
    (True, True)
    >>> (result.path / "data/c/0/0").write_bytes(b"something else")
    14
    >>> [damage.file.name for damage in geopatcher.verify(result).damages]
    ['0']
    >>> folder.cleanup()

    """
    if isinstance(result, Reconstruction):
        path = result.path
    else:
        path = bucket_url(result) or Path(os.fspath(result))
    if path is None:
        raise ValueError("the result is in memory: there are no files to verify")
    target = disk_target(path)
    if isinstance(path, BucketUrl):
        if target is None or not target.publisher.is_there:
            raise SourceError(
                f"there is no result {path}" + (": it has no zarr.json" if path.is_store else "")
            )
    elif not path.exists():
        raise SourceError(f"there is no result {path} (working directory: {Path.cwd()})")
    if target is None:
        return _read(path, [])
    try:
        account = read_ledger(target.publisher.ledger)
    except TargetError as error:
        ledger = target.publisher.ledger
        return _read(path, [Damage(ledger if isinstance(ledger, Path) else path, f"cannot be used: {error}")])
    if account is None:
        return _read(path, [])
    look = look_at_result(account, target.publisher, "all")
    damages = [_placed(damage, account, target) for damage in look.damages]
    return Verification(path, tuple(damages), look.n_files, look.n_bytes, True, len(account.flaws()))


def _placed(damage: Damage, account: Account, target: DurableTarget) -> Damage:
    """Add to the damage of a GeoTIFF which pixels lie in the bytes that changed."""
    records = {target.publisher.file_of(name): record for name, record in account.tiffs.items()}
    known = records.get(damage.file)
    if known is None or not isinstance(damage.file, Path):
        return damage
    if not damage.file.is_file() or damage.file.stat().st_size != known.n_bytes:
        return damage
    spans = spans_of_damage(tiff_record_of(damage.file, known.piece_bytes), known)
    boxes = list(_tiles_in(damage.file, spans))
    if not boxes:
        return damage
    around = Box(
        min(box.row0 for box in boxes),
        max(box.row1 for box in boxes),
        min(box.col0 for box in boxes),
        max(box.col1 for box in boxes),
    )
    return damage._replace(box=around)


def _tiles_in(path: Path, spans: list[tuple[int, int]]) -> Iterator[Box]:
    """Yield the tiles of which bytes lie in parts of a GeoTIFF; none where its directory cannot be read."""
    try:
        with no_georeference_warning(), rasterio.open(path) as dataset:
            whole = Box.of_shape((dataset.height, dataset.width))
            height, width = dataset.block_shapes[0]
            for box in whole.tiles((height, width)):
                at = f"{box.col0 // width}_{box.row0 // height}"
                for band in dataset.indexes:
                    offset = dataset.get_tag_item(f"BLOCK_OFFSET_{at}", "TIFF", bidx=band)
                    size = dataset.get_tag_item(f"BLOCK_SIZE_{at}", "TIFF", bidx=band)
                    if offset is None or size is None:
                        continue
                    if any(int(offset) < stop and int(offset) + int(size) > start for start, stop in spans):
                        yield box
                        break
    except RasterioError:
        return


def _read(path: Spot, damages: list[Damage]) -> Verification:
    """Decode a raster from its first to its last pixel."""
    look = Look(damages=list(damages))
    if is_store(path):
        _read_store(path, look)
    elif isinstance(path, Path) and path.is_dir():
        raise SourceError(f"{path} is a folder, but not a zarr store")
    else:
        source = RasterioSource(str(path))
        bands, dtype = source.domain.n_bands, source.domain.dtype
        for box in _pieces(source.domain.grid_shape, source.block_shape, bands * dtype.itemsize):
            try:
                source.read(box)
            except SourceError as error:
                look.damages.append(Damage(path, f"cannot be read: {error}", box=box))
        look.n_files, look.n_bytes = 1, path.stat().st_size if isinstance(path, Path) else 0
    return Verification(path, tuple(look.damages), look.n_files, look.n_bytes, compared=False)


def _read_store(path: Spot, look: Look) -> None:
    node = at(path).node()
    members = {"": node} if isinstance(node, zarr.Array) else dict(node.members(max_depth=None))
    for name, array in members.items():
        if not isinstance(array, zarr.Array) or len(array.shape) < 2:
            continue
        stored = StoredArray(array, str(path / name))
        block = (array.shards or array.chunks)[-2:]
        for band in np.ndindex(tuple(array.shape[:-2])):
            leading = tuple(slice(place, place + 1) for place in band)
            for box in _pieces(tuple(array.shape[-2:]), block, array.dtype.itemsize):
                try:
                    _ = stored[(*leading, *box.slices())]
                except SourceError as error:
                    look.damages.append(Damage(path / name, f"cannot be read: {error}", box=box))
    if isinstance(path, Path):
        files = [file for file in path.rglob("*") if file.is_file()]
        look.n_files, look.n_bytes = len(files), sum(file.stat().st_size for file in files)


def _pieces(grid: tuple[int, ...], block: tuple[int, ...], cell_bytes: int) -> Iterator[Box]:
    """Cut a raster into rows of whole blocks, and those into pieces that are not too large."""
    height, width = block
    across = max(1, PIECE_BYTES // max(1, height * width * cell_bytes)) * width
    return Box.of_shape((grid[0], grid[1])).tiles((height, across))
