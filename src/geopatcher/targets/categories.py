"""Names of classes beside a GeoTIFF, which has no place for them: the file QGIS and GDAL look for."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement, indent, tostring

if TYPE_CHECKING:
    from pathlib import Path

    from geopatcher.core.domain import RasterDomain
    from geopatcher.core.metadata import BandMetadata

#: Columns of the table of classes: name, GDAL's number of its type, and of its usage (GDALRATFieldUsage).
COLUMNS = (("Value", 0, 5), ("Class", 2, 2), ("Red", 0, 6), ("Green", 0, 7), ("Blue", 0, 8), ("Alpha", 0, 9))
#: Category names are told for every value from 0; of a few classes with large values most would be empty.
MOST_NAMES = 256


def sidecar_of(tiff: Path) -> Path:
    """Return where GDAL looks for what a GeoTIFF cannot hold.

    >>> from pathlib import Path
    >>> sidecar_of(Path("map.tif")).name
    'map.tif.aux.xml'
    """
    return tiff.with_name(f"{tiff.name}.aux.xml")


def write_categories(tiff: Path, domain: RasterDomain) -> None:
    """Write names and colors of the classes of a single band beside its file, if it has classes.

    They are a list of category names, and a table that QGIS styles the raster by.
    """
    bands = domain.metadata.bands
    if len(bands) == 1 and bands[0].classes:
        sidecar_of(tiff).write_bytes(tostring(_described(bands[0]), encoding="utf-8"))


def _described(band: BandMetadata) -> Element:
    root = Element("PAMDataset")
    told = SubElement(root, "PAMRasterBand", band="1")
    names = dict(band.classes)
    if max(names) < MOST_NAMES:
        listed = SubElement(told, "CategoryNames")
        for value in range(max(names) + 1):
            SubElement(listed, "Category").text = names.get(value, "")
    table = SubElement(told, "GDALRasterAttributeTable", tableType="thematic")
    for index, (name, kind, usage) in enumerate(COLUMNS):
        column = SubElement(table, "FieldDefn", index=str(index))
        for tag, text in (("Name", name), ("Type", str(kind)), ("Usage", str(usage))):
            SubElement(column, tag).text = text
    colors = dict(band.colormap)
    for index, (value, name) in enumerate(band.classes):
        row = SubElement(table, "Row", index=str(index))
        for cell in (value, name, *colors.get(value, (0, 0, 0, 255))):
            SubElement(row, "F").text = str(cell)
    indent(root)
    return root
