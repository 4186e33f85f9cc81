"""What GDAL leaves out of local files: right values or a plain error, whatever is set in the environment.

Each way of setting it is a process of its own, for it is read when a process begins.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil

import geopatcher as gp
import mosaics
from geopatcher.core.box import Box
from geopatcher.fields.rasterio_source import RasterioSource
from geopatcher.formats.local_files import LOCAL_OPTIONS, is_elsewhere, is_here, options_for

pytestmark = pytest.mark.timeout(300)

SIDE = 512
WHOLE = (2 * SIDE, 2 * SIDE)
TILES = [f"t{at}.tif" for at in range(4)]
PLACE = {"crs": "EPSG:32633", "transform": rasterio.Affine(10, 0, 5e5, 0, -10, 5e6)}
SMOOTH = ((np.add.outer(np.arange(2 * SIDE), np.arange(2 * SIDE)) // 16 % 200) + 20).astype("uint8")
ROUGH = np.random.default_rng(0).integers(1, 250, (2 * SIDE, 2 * SIDE)).astype("uint8")

#: What a user may have set.
SETTINGS = {
    "nothing": {},
    "threads": {"GDAL_NUM_THREADS": "ALL_CPUS", "VRT_NUM_THREADS": "4", "GTI_NUM_THREADS": "4"},
    "careless": {
        "GTIFF_IGNORE_READ_ERRORS": "YES",
        "GDAL_ERROR_ON_LIBJPEG_WARNING": "NO",
        "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
        "GDAL_PAM_ENABLED": "NO",
    },
}

#: Reads every raster named on the command line and prints what came of it, as JSON.
READ_ALL = """
import json, sys
import numpy as np
import geopatcher as gp
from geopatcher.core.box import Box
from geopatcher.fields.rasterio_source import RasterioSource
found = {}
for path in sys.argv[1:]:
    try:
        source = RasterioSource(path)
        pixels = source.read(Box.of_shape(source.domain.grid_shape))
        valid = source.valid(Box.of_shape(source.domain.grid_shape), pixels)
        total = [int(pixels.astype(np.int64).sum()), None if valid is None else int(valid.sum())]
        run = gp.reconstruct(path, np.copy, size=256, step=256, window="boxcar", dtype="float32")
        found[path] = [*total, float(np.nansum(run.array, dtype=np.float64))]
    except gp.GeopatcherError as error:
        found[path] = str(error)
print(json.dumps(found))
"""


def write(path, pixels, **profile):
    known = {
        "driver": "GTiff",
        "height": pixels.shape[0],
        "width": pixels.shape[1],
        "count": 1,
        "dtype": pixels.dtype,
    }
    with rasterio.open(path, "w", **known, **PLACE, **profile) as dataset:
        dataset.write(pixels[np.newaxis])


def cut(path, name, part):
    """Copy the first part of a file, and all that lies beside it, into a folder."""
    name.parent.mkdir(exist_ok=True)
    for beside in path.parent.glob(f"{path.stem}.*"):
        (name.parent / beside.name).write_bytes(beside.read_bytes())
    name.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])


def spoil(path, name, at, content):
    raw = bytearray(path.read_bytes())
    start = int(len(raw) * at)
    raw[start : start + len(content)] = content
    name.write_bytes(raw)


@pytest.fixture(scope="module")
def rasters(tmp_path_factory):
    """Rasters by what is wrong with them, and what an error must say; ``None`` where all is well."""
    folder = tmp_path_factory.mktemp("rasters")
    noise = np.random.default_rng(3).bytes(64)
    tiled = {"tiled": True, "blockxsize": 256, "blockysize": 256}
    for at in range(4):
        rows, cols = slice(at // 2 * SIDE, (at // 2 + 1) * SIDE), slice(at % 2 * SIDE, (at % 2 + 1) * SIDE)
        write(folder / f"t{at}.tif", ROUGH[rows, cols], compress="deflate", **tiled)
    (folder / "empty.tif").touch()
    cut(folder / "t3.tif", folder / "bad" / "cut.tif", 0.5)
    spoil(folder / "t3.tif", folder / "spoilt.tif", 0.5, bytes(20000))
    found = {}
    for bad in ("gone.tif", "empty.tif", "bad/cut.tif", "spoilt.tif"):
        stem = Path(bad).stem
        names = [*TILES[:3], bad]
        mosaics.mosaic(folder / f"{stem}.vrt", names, SIDE)
        mosaics.dataset(folder / f"{stem}.nested.vrt", mosaics.all_of(f"{stem}.vrt"), WHOLE)
        mosaics.warped(folder / f"{stem}.warped.vrt", f"{stem}.vrt", WHOLE)
        mosaics.mosaic(folder / f"{stem}.masked.vrt", TILES, SIDE, mask=mosaics.masked_by(f"{stem}.vrt"))
        for kind in ("", ".nested", ".warped", ".masked"):
            found[str(folder / f"{stem}{kind}.vrt")] = f"{stem}.tif"
        found[f"vrt://{folder / f'{stem}.vrt'}?bands=1"] = f"{stem}.tif"
    options = "<OpenOptions><OOI key='NUM_THREADS'>{}</OOI></OpenOptions>"
    mosaics.mosaic(folder / "asks.vrt", TILES, SIDE, inner=options.format(4))
    mosaics.dataset(folder / "asks.nested.vrt", mosaics.all_of("asks.vrt"), WHOLE)
    found |= {str(folder / f"asks{kind}.vrt"): "NUM_THREADS" for kind in ("", ".nested")}
    found[f"vrt://{folder / 't0.tif'}?oo=NUM_THREADS=4"] = "NUM_THREADS"
    mosaics.mosaic(folder / "good.vrt", TILES, SIDE, inner=options.format(1))
    mosaics.warped(folder / "good.warped.vrt", "good.vrt", WHOLE)
    found |= {str(folder / name): None for name in ("good.vrt", "good.warped.vrt")}

    write(folder / "plain.tif", SMOOTH, **tiled)
    for driver, name in (("PNG", "p.png"), ("ENVI", "e.bin"), ("PCRaster", "m.map"), ("netCDF", "n.nc")):
        rasterio.shutil.copy(folder / "plain.tif", folder / name, driver=driver)
        cut(folder / name, folder / "bad" / name, 0.6)
        found[str(folder / "bad" / name)] = name
        if driver != "PCRaster":  # which makes a map of true and false of it
            found[str(folder / name)] = None
    cut(folder / "plain.tif", folder / "bad" / "plain.tif", 0.6)
    write(folder / "jpeg.tif", SMOOTH, compress="jpeg", **tiled)
    spoil(folder / "jpeg.tif", folder / "bad" / "jpeg.tif", 0.66, noise)
    rasterio.shutil.copy(folder / "plain.tif", folder / "j.jpg", driver="JPEG")
    spoil(folder / "j.jpg", folder / "bad" / "j.jpg", 0.66, noise)
    rasterio.shutil.copy(folder / "plain.tif", folder / "g.gpkg", driver="GPKG", TILE_FORMAT="TIFF")
    found |= {str(folder / "bad" / name): name for name in ("plain.tif", "jpeg.tif", "j.jpg")}
    found |= {str(folder / name): None for name in ("plain.tif", "jpeg.tif", "j.jpg")}
    _tile_index(folder, found)
    return found


def _tile_index(folder, found):
    """Make a tile index, GDAL's other kind of mosaic, one of whose tiles is missing."""
    features = []
    for at, name in enumerate(("t0.tif", "t1.tif", "t2.tif", "gone.tif")):
        left, top = 5e5 + at % 2 * SIDE * 10, 5e6 - at // 2 * SIDE * 10
        right, bottom = left + SIDE * 10, top - SIDE * 10
        ring = [[left, bottom], [left, top], [right, top], [right, bottom], [left, bottom]]
        geometry = {"type": "Polygon", "coordinates": [ring]}
        features.append(
            {"type": "Feature", "properties": {"location": str(folder / name)}, "geometry": geometry}
        )
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32633"}}
    index = {"type": "FeatureCollection", "crs": crs, "features": features}
    (folder / "index.geojson").write_text(json.dumps(index))
    (folder / "index.gti").write_text(
        f"<GDALTileIndexDataset><IndexDataset>{folder / 'index.geojson'}</IndexDataset>"
        f"<LocationField>location</LocationField><ResX>10</ResX><ResY>10</ResY><BandCount>1</BandCount>"
        f"<DataType>Byte</DataType><MinX>500000</MinX><MaxY>5000000</MaxY><MaxX>{5e5 + SIDE * 20}</MaxX>"
        f"<MinY>{5e6 - SIDE * 20}</MinY></GDALTileIndexDataset>"
    )
    found[str(folder / "index.gti")] = "gone.tif"


@pytest.mark.parametrize("setting", SETTINGS)
def test_right_values_or_a_plain_error_whatever_is_set(rasters, setting):
    command = [sys.executable, "-c", READ_ALL, *rasters]
    done = subprocess.run(
        command, env=os.environ | SETTINGS[setting], capture_output=True, text=True, check=True, timeout=280
    )
    found = json.loads(done.stdout)
    wrong = {}
    for path, said in rasters.items():
        told = found[path]
        if said is not None:
            if not isinstance(told, str) or said not in told or not told.startswith("cannot "):
                wrong[path] = told
            continue
        truth = (ROUGH if Path(path).name.startswith("good") else SMOOTH).astype(np.int64).sum()
        close = 0.01 * truth if path.endswith(("jpg", "jpeg.tif")) else 0  # a codec that loses a little
        if isinstance(told, str) or abs(told[0] - truth) > close or abs(told[2] - told[0]) > 1:
            wrong[path] = told
    assert wrong == {}
    assert done.stderr == ""


@pytest.fixture
def outside(gdal_variables):
    """A user who has set what is good for buckets."""
    gdal_variables(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR", GDAL_PAM_ENABLED="NO")


def test_masks_and_nodata_beside_a_local_file_are_found_whatever_is_set(tmp_path, outside):
    write(tmp_path / "a.tif", SMOOTH)
    (tmp_path / "a.tif.aux.xml").write_text(
        "<PAMDataset><PAMRasterBand band='1'><NoDataValue>33</NoDataValue></PAMRasterBand></PAMDataset>"
    )
    assert RasterioSource(str(tmp_path / "a.tif")).domain.nodata == 33
    write(tmp_path / "b.tif", SMOOTH)
    write(tmp_path / "t.tif", SMOOTH)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False), rasterio.open(tmp_path / "b.tif", "r+") as dataset:
        dataset.write_mask(SMOOTH > 100)
    assert (tmp_path / "b.tif.msk").exists()
    box = Box.of_shape(SMOOTH.shape)
    source = RasterioSource(str(tmp_path / "b.tif"))
    np.testing.assert_array_equal(source.valid(box, source.read(box))[0], SMOOTH > 100)


@pytest.mark.parametrize(
    ("ending", "content", "message"),
    [
        (".msk", b"", r"a\.tif as a raster: GDAL cannot open the mask .*a\.tif\.msk beside it"),
        (".msk", b"II*\0nonsense", "cannot open the mask"),
        (
            ".aux.xml",
            b"<PAMDataset",
            r"a\.tif\.aux\.xml beside it, which may name its nodata value, is damaged",
        ),
        (".aux.xml", b"", "is damaged: repair or remove it"),
    ],
)
def test_what_lies_beside_a_file_and_cannot_be_read_is_named(tmp_path, ending, content, message):
    write(tmp_path / "a.tif", SMOOTH)
    (tmp_path / f"a.tif{ending}").write_bytes(content)
    with pytest.raises(gp.SourceError, match=message):
        RasterioSource(str(tmp_path / "a.tif"))


@pytest.mark.parametrize("content", ["<PAMDataset/>", "<metadata>of another program</metadata>"])
def test_other_files_beside_it_do_no_harm(tmp_path, content):
    write(tmp_path / "a.tif", SMOOTH)
    (tmp_path / "a.tif.aux.xml").write_text(content)
    assert RasterioSource(str(tmp_path / "a.tif")).domain.nodata is None


def test_holes_of_a_sparse_file_are_no_damage(tmp_path):
    profile = {"tiled": True, "blockxsize": 256, "blockysize": 256, "sparse_ok": True, "nodata": 9}
    known = {"driver": "GTiff", "height": 512, "width": 512, "count": 1, "dtype": "uint8", **PLACE}
    with rasterio.open(tmp_path / "a.tif", "w", **known, **profile) as dataset:
        dataset.write(SMOOTH[np.newaxis, :256, :256], window=((0, 256), (0, 256)))
    source = RasterioSource(str(tmp_path / "a.tif"))
    pixels = source.read(Box(0, 512, 0, 512))[0]
    np.testing.assert_array_equal(pixels[:256, :256], SMOOTH[:256, :256])
    assert (pixels[256:] == 9).all()


@pytest.mark.parametrize(
    ("path", "elsewhere"),
    [
        ("a.tif", False),
        ("/data/what?.tif", False),
        ("C:/a.tif", False),
        ('NETCDF:"a.nc":b', False),
        ("https://host/a.tif", True),
        ("/vsis3/bucket/a.tif", True),
        ("/vsicurl?url=https%3A%2F%2Fhost%2Fa.tif", True),
    ],
)
def test_addresses_are_told_from_paths(path, elsewhere):
    assert is_elsewhere(path) is elsewhere
    assert not is_here(path)


def test_a_name_too_long_for_a_file_is_none():
    assert not is_here("a" * 5000)
    assert not is_here("a\0b")
    with pytest.raises(gp.SourceError, match="there is no file"):
        gp.plan("a" * 5000)


def test_a_mosaic_of_tiles_elsewhere_keeps_what_its_user_set(tmp_path):
    mosaics.mosaic(tmp_path / "here.vrt", TILES, SIDE)
    mosaics.mosaic(tmp_path / "there.vrt", ["/vsis3/bucket/t0.tif"] * 4, SIDE)
    sizes = {path: (tmp_path / path).stat().st_size for path in ("here.vrt", "there.vrt")}
    assert options_for(str(tmp_path / "here.vrt"), sizes["here.vrt"], 1) == LOCAL_OPTIONS
    assert options_for(str(tmp_path / "there.vrt"), sizes["there.vrt"], 1) == {}
    assert options_for("https://host/a.tif", 0, 0) == {}
