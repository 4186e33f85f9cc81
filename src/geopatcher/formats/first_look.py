"""What a dataset elsewhere is asked as soon as it is open, while nobody reads of the file.

Later on a read would ask it: with Python held, of a server, while others wait for the same bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rasterio.io import DatasetReader

#: Blocks of a file up to which the list of their places mostly comes with its beginning, see `INGESTED`.
FEW_BLOCKS = 2048


def look_first(dataset: DatasetReader) -> None:
    """Ask for masks and nodata values, and of a GeoTIFF for the list of places of its blocks.

    The second look at the list is of the beginning of the file, which GDAL may have forgotten by then.
    """
    _ = dataset.nodatavals, dataset.mask_flag_enums  # which look at the masks and levels of a GeoTIFF
    if dataset.driver != "GTiff" or not dataset.count:
        return
    height, width = dataset.block_shapes[0]
    down, across = -(-dataset.height // height), -(-dataset.width // width)
    dataset.get_tag_item("BLOCK_OFFSET_0_0", "TIFF", bidx=1)
    if down * across * dataset.count <= FEW_BLOCKS:
        dataset.get_tag_item(f"BLOCK_OFFSET_{across - 1}_{down - 1}", "TIFF", bidx=dataset.count)
