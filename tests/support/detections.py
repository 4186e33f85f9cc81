"""Objects found in one scene in patches, and what a file of them holds."""

from __future__ import annotations

import geopandas
import pytest

import geopatcher
from objects import detect_one, scene

SIZE, STEP = 32, 16


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def objects_in(path):
    """Return left, top, right, bottom and class of the objects in a file, in its coordinates."""
    read = geopandas.read_parquet if str(path).endswith(".parquet") else geopandas.read_file
    table = read(path)
    return sorted(
        (*map(float, box), int(kind)) for box, kind in zip(table.bounds.values, table["class"], strict=True)
    )


@pytest.fixture(scope="module")
def raster():
    return scene(11, 150, 130, 60, 10, classes=3)


def found(raster, path, **options):
    keywords = {"size": SIZE, "step": STEP, "progress": False} | options
    return geopatcher.detect(raster, keywords.pop("detector", detect_one), path, **keywords)
