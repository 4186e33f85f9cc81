from __future__ import annotations

import numpy as np
import pytest
import rasterio
from affine import Affine

from geopatcher.core.domain import RasterDomain
from geopatcher.core.metadata import BandMetadata, ControlPoint, Ground, Metadata
from geopatcher.targets.tiff_records import Records, describe
from geotiffs import write_geotiff

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

PLAIN = Records({})


def described(path, domain, records=PLAIN, **profile):
    write_geotiff(path, np.zeros(domain.shape, domain.dtype), photometric="MINISBLACK", **profile)
    with rasterio.open(path, "r+") as dataset:
        describe(dataset, domain, records)
    return rasterio.open(path)


def test_names_units_scales_and_tags_are_what_rasterio_reads(tmp_path):
    bands = (BandMetadata(0.5, 1.0, "red", (), (("WAVELENGTH", 490.0),)), BandMetadata(2.0, 0.0, "nir"))
    metadata = Metadata(bands, (("ACQUIRED", "2024"), ("LEVELS", (1, 2)), ("a=b", "no")))
    domain = RasterDomain(
        (2, 6, 8), dtype=np.dtype("uint8"), band_names=("red", "nir"), units=("m", "K"), metadata=metadata
    )
    with described(tmp_path / "a.tif", domain, Records({"ACQUIRED": "2025"})) as dataset:
        assert dataset.descriptions == ("red", "nir")
        assert dataset.units == ("m", "K")
        assert (dataset.scales, dataset.offsets) == ((0.5, 2.0), (1.0, 0.0))
        tags = dataset.tags()
        assert (tags["ACQUIRED"], tags["LEVELS"]) == ("2025", "[1, 2]")
        assert not any(name.startswith("a") for name in tags)
        assert dataset.tags(1)["WAVELENGTH"] == "490.0"
        assert dataset.colorinterp[0].name == "red"


@pytest.mark.parametrize(
    ("own", "asked", "wanted"),
    [
        (((1, (9, 8, 7, 255)),), None, (9, 8, 7, 255)),
        (((1, (9, 8, 7, 255)),), {1: (4, 5, 6, 255)}, (4, 5, 6, 255)),
    ],
)
def test_a_palette_that_is_asked_for_stands_above_the_rasters_own(tmp_path, own, asked, wanted):
    metadata = Metadata((BandMetadata(color="palette", colormap=own),))
    domain = RasterDomain((1, 6, 8), dtype=np.dtype("uint8"), metadata=metadata)
    with described(tmp_path / "a.tif", domain, Records({}, asked)) as dataset:
        assert dataset.colormap(1)[1] == wanted


def test_control_points_are_written_where_there_is_no_transform(tmp_path):
    points = (
        ControlPoint(0.0, 1.0, 10.0, 20.0, 0.0, "p", ""),
        ControlPoint(5.0, 7.0, 11.0, 19.0, 0.0, "q", ""),
    )
    ground = Ground(points, "EPSG:4326", (("LINE_OFF", "3"),))
    domain = RasterDomain((1, 6, 8), dtype=np.dtype("uint8"), metadata=Metadata((), (), ground))
    with described(tmp_path / "a.tif", domain, transform=None, crs=None) as dataset:
        found, crs = dataset.gcps
        assert [(p.row, p.col, p.x, p.y) for p in found] == [(p.row, p.col, p.x, p.y) for p in points]
        assert crs.to_epsg() == 4326
    placed = RasterDomain(
        (1, 6, 8), Affine(30, 0, 5, 0, -30, 7), dtype=np.dtype("uint8"), metadata=Metadata((), (), ground)
    )
    with described(tmp_path / "b.tif", placed, transform=placed.transform) as dataset:
        assert dataset.gcps[0] == []
        assert dataset.transform == placed.transform
