"""Good inputs of every kind, made anew from numbers: what is mutated."""

from __future__ import annotations

import functools
import json
import tempfile
import warnings
from pathlib import Path

import numcodecs
import numpy as np
import rasterio
import rasterio.control
import rasterio.crs
import rasterio.shutil
import zarr

from fuzzing.bundles import Bundle

SIDE, BLOCK = 96, 32
TRANSFORM = rasterio.Affine(10, 0, 5e5, 0, -10, 5e6)
CRS = "EPSG:32633"

CORNERS = ((0, 0), (0, 1), (1, 0), (1, 1))

TIFFS = {
    "tiled deflate": {"dtype": "uint8", "tiled": True, "compress": "DEFLATE", "nodata": 0},
    "strips lzw": {"dtype": "uint16", "compress": "LZW", "predictor": 2, "blockysize": 16},
    "plain floats": {"dtype": "float32", "blockysize": 16},
    "zstd floats": {"dtype": "float32", "tiled": True, "compress": "ZSTD", "predictor": 3, "nodata": -9999.0},
    "cog with a mask": {"dtype": "int16", "tiled": True, "compress": "DEFLATE"},
    "palette": {"dtype": "uint8", "count": 1, "tiled": True, "compress": "DEFLATE"},
}


def pixels(dtype, n_bands=2):
    """Return ``(bands, SIDE, SIDE)`` of values that are all data."""
    values = np.random.default_rng(1).integers(1, 200, (n_bands, SIDE, SIDE))
    return values.astype(dtype)


def tiff(path, *, dtype, count=2, **more):
    """Write a GeoTIFF."""
    profile = {"crs": CRS, "transform": TRANSFORM, **more}
    if profile.get("tiled"):
        profile |= {"blockxsize": BLOCK, "blockysize": BLOCK}
    with rasterio.open(
        path, "w", driver="GTiff", count=count, height=SIDE, width=SIDE, dtype=dtype, **profile,
    ) as file:  # fmt: skip
        file.write(pixels(dtype, count))
        file.update_tags(place="somewhere", long="x" * 200)


def tiffs(folder):
    """Yield GeoTIFFs by name."""
    for name, profile in TIFFS.items():
        path = Path(folder) / "scene.tif"
        tiff(path, **profile)
        if name == "palette":
            with rasterio.open(path, "r+") as file:
                file.write_colormap(1, {value: (value, 0, 255 - value, 255) for value in range(256)})
        if name == "cog with a mask":
            with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as file:
                file.write_mask(np.indices((SIDE, SIDE)).sum(0) % 7 > 0)
            rasterio.shutil.copy(path, path.with_name("cog.tif"), driver="COG", blocksize=128)
            path.with_name("cog.tif").replace(path)
        if name == "strips lzw":
            with rasterio.open(path, "r+") as file:
                file.scales, file.offsets, file.units = (0.1, 0.2), (1, 2), ("m", "K")
        yield name, Bundle("scene.tif", {"scene.tif": path.read_bytes()})
        path.unlink()
    points = [rasterio.control.GroundControlPoint(*(90 * n for n in place), *place) for place in CORNERS]
    tiff(path, dtype="uint8", gcps=points, transform=None)
    yield "control points", Bundle("scene.tif", {"scene.tif": path.read_bytes()})


GRID = (
    "<SRS>EPSG:32633</SRS><GeoTransform>500000, 10, 0, 5000000, 0, -10</GeoTransform>"
    "<Metadata><MDI key='place'>somewhere</MDI></Metadata>"
)


def source(file, band, x=0, y=0, *, more="", tag="SimpleSource"):
    """Return one source of a band of a VRT: a quarter of it."""
    half = SIDE // 2
    return (
        f"<{tag}><SourceFilename relativeToVRT='1'>{file}</SourceFilename><SourceBand>{band}</SourceBand>"
        f"<SrcRect xOff='{x}' yOff='{y}' xSize='{half}' ySize='{half}'/>"
        f"<DstRect xOff='{x}' yOff='{y}' xSize='{half}' ySize='{half}'/>{more}</{tag}>"
    )


def mosaic(dtype, inside, *, tag="SimpleSource", kind=""):
    """Return a VRT of two bands, four sources each."""
    half = SIDE // 2
    corners = [("a.tif", 0, 0), ("b.tif", half, 0), ("b.tif", 0, half), ("a.tif", half, half)]
    bands = "".join(
        f"<VRTRasterBand dataType='{dtype}' band='{band}'{kind}><NoDataValue>0</NoDataValue>"
        f"<Description>band {band}</Description>"
        + "".join(source(file, band, x, y, more=inside, tag=tag) for file, x, y in corners)
        + "</VRTRasterBand>"
        for band in (1, 2)
    )
    return f"<VRTDataset rasterXSize='{SIDE}' rasterYSize='{SIDE}'>{GRID}{bands}</VRTDataset>".encode()


def raw_vrt():
    """Return a VRT that takes its pixels from a raw file."""
    band = (
        "<VRTRasterBand dataType='UInt16' band='1' subClass='VRTRawRasterBand'>"
        "<SourceFilename relativeToVRT='1'>raw.bin</SourceFilename><ImageOffset>0</ImageOffset>"
        f"<PixelOffset>2</PixelOffset><LineOffset>{2 * SIDE}</LineOffset><ByteOrder>LSB</ByteOrder>"
        "</VRTRasterBand>"
    )
    return f"<VRTDataset rasterXSize='{SIDE}' rasterYSize='{SIDE}'>{GRID}{band}</VRTDataset>".encode()


def vrts(folder):
    """Yield VRTs with their sources by name."""
    parts = {}
    for name in ("a.tif", "b.tif"):
        path = Path(folder) / name
        tiff(path, dtype="uint8", tiled=True, compress="DEFLATE")
        parts[name] = path.read_bytes()
        path.unlink()
    inner = mosaic("Byte", "")
    derived = " subClass='VRTDerivedRasterBand'><PixelFunctionType>max</PixelFunctionType"
    known = {
        "mosaic": {"scene.vrt": inner},
        "scaled": {"scene.vrt": mosaic("Float32", "<ScaleRatio>2</ScaleRatio>", tag="ComplexSource")},
        "derived": {"scene.vrt": mosaic("Float32", "", kind=derived)},
        "raw": {"scene.vrt": raw_vrt(), "raw.bin": pixels("uint16", 1).tobytes()},
        "in another": {"scene.vrt": mosaic("Byte", "").replace(b"a.tif", b"inner.vrt"), "inner.vrt": inner},
    }
    for name, files in known.items():
        yield name, Bundle("scene.vrt", {**files, **parts})


CODECS = {
    "zstd": {"compressors": zarr.codecs.ZstdCodec(level=1)},
    "gzip": {"compressors": zarr.codecs.GzipCodec(level=1)},
    "blosc": {"compressors": zarr.codecs.BloscCodec(cname="lz4", typesize=4)},
    "plain": {"compressors": None},
    "shards": {"compressors": zarr.codecs.ZstdCodec(checksum=True), "shards": (2, 64, 64)},
}
CODECS_V2 = {
    "blosc": {"compressors": numcodecs.Blosc(cname="zstd")},
    "zlib": {"compressors": numcodecs.Zlib(1)},
    "filters": {"compressors": numcodecs.Zstd(1), "filters": [numcodecs.Delta(dtype="<i2")]},
    "lz4": {"compressors": numcodecs.LZ4()},
}


def grid_attributes():
    """Return what says where the pixels lie, in the ways stores say it."""
    wkt = rasterio.crs.CRS.from_user_input(CRS).to_wkt()
    cf = {"crs_wkt": wkt, "spatial_ref": wkt, "GeoTransform": "500000 10 0 5000000 0 -10"}
    geozarr = {
        "proj:code": CRS,
        "spatial:transform": [10.0, 0.0, 5e5, 0.0, -10.0, 5e6],
        "spatial:dimensions": ["y", "x"],
    }
    return cf, geozarr


#: What is said of bands beside their grid.
RECORD = {
    "band_names": ["red", "green"],
    "band_tags": [{"sensor": "one"}, {"sensor": "two"}],
    "color_interpretation": ["red", "green"],
    "ACQUIRED": "2024-05-01",
}


def tied():
    """Return what says where the pixels lie by control points, in GeoJSON as rioxarray writes it."""
    features = [
        {
            "type": "Feature",
            "properties": {"id": str(number), "info": "", "row": 90.0 * row, "col": 90.0 * col},
            "geometry": {"type": "Point", "coordinates": [5e5 + col, 5e6 - row, 0.0]},
        }
        for number, (row, col) in enumerate(CORNERS)
    ]
    collection = {"type": "FeatureCollection", "features": features}
    return {"gcps": json.dumps(collection), "gcps_crs": CRS, "rpcs": {"LINE_OFF": "1", "SAMP_OFF": "2"}}


def store(path, zarr_format, dtype, how, *, cf, geozarr):
    """Write a store: an array of bands, coordinates, a mapping, and a mask beside it."""
    named = {"dimension_names": ("band", "y", "x")} if zarr_format == 3 else {}
    group = zarr.create_group(path, zarr_format=zarr_format, attributes={"title": "somewhere", **geozarr})
    data = group.create_array(
        "data", shape=(2, SIDE, SIDE), chunks=(2, BLOCK, BLOCK), dtype=dtype, fill_value=0, **named, **how
    )
    data[:] = pixels(dtype)
    labels = {} if zarr_format == 3 else {"_ARRAY_DIMENSIONS": ["band", "y", "x"]}
    record = {
        "grid_mapping": "spatial_ref",
        "_FillValue": 0,
        "scale_factor": 1.0,
        "add_offset": 0.0,
        "units": "m",
    }
    data.attrs.update({**record, **labels, **RECORD, "ancillary_variables": "valid"})
    flags = {"standard_name": "status_flag", "flag_values": [0, 1], "flag_meanings": "missing valid"}
    valid = group.create_array(
        "valid", shape=(2, SIDE, SIDE), chunks=(2, BLOCK, BLOCK), dtype="uint8", **named
    )
    valid[:] = 1
    valid.attrs.update({**flags, **labels})
    axes = {"x": (500005.0, 10.0), "y": (4999995.0, -10.0)} if geozarr else {}
    for axis, (start, step) in axes.items():
        line = {"dimension_names": (axis,)} if zarr_format == 3 else {}
        along = group.create_array(axis, shape=(SIDE,), chunks=(SIDE,), dtype="float64", **line)
        along[:] = start + step * np.arange(SIDE)
        along.attrs.update({"standard_name": f"projection_{axis}_coordinate", "_ARRAY_DIMENSIONS": [axis]})
    mapping = group.create_array("spatial_ref", shape=(), chunks=(), dtype="int64")
    mapping.attrs.update(cf)


def stores(folder, zarr_format):
    """Yield stores of a format by name."""
    codecs = CODECS if zarr_format == 3 else CODECS_V2
    for name, how in codecs.items():
        path = Path(folder) / "scene.zarr"
        dtype = "int16" if name == "filters" else "float32" if name in ("zstd", "shards", "lz4") else "uint16"
        cf, geozarr = grid_attributes()
        store(path, zarr_format, dtype, how, cf=cf, geozarr=geozarr)
        if name in ("zstd", "zlib"):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # consolidated metadata is no part of the specification, yet
                zarr.consolidate_metadata(path, zarr_format=zarr_format)
        yield name, Bundle.read(folder, "scene.zarr")
        for file in sorted(path.rglob("*"), reverse=True):
            file.unlink() if file.is_file() else file.rmdir()
        path.rmdir()
    path = Path(folder) / "scene.zarr"
    alone = zarr.create_array(
        path, shape=(SIDE, SIDE), chunks=(BLOCK, BLOCK), dtype="int32", zarr_format=zarr_format
    )
    alone[:] = pixels("int32")[0]
    alone.attrs.update({"GeoTransform": "500000 10 0 5000000 0 -10", "spatial_ref": CRS})
    yield "an array alone", Bundle.read(folder, "scene.zarr")


def ties(folder):
    """Yield stores that control points tie to the ground, of both formats."""
    for zarr_format in (2, 3):
        path = Path(folder) / f"format {zarr_format}" / "scene.zarr"
        how = (CODECS if zarr_format == 3 else CODECS_V2)["blosc"]
        store(path, zarr_format, "uint16", how, cf=tied(), geozarr={})
        yield f"zarr v{zarr_format}", Bundle.read(path.parent, "scene.zarr")


@functools.cache
def bases(kind):
    """Return the good inputs of a kind of sources by name."""
    makers = {
        "tiff": tiffs,
        "vrt": vrts,
        "zarr2": lambda at: stores(at, 2),
        "zarr3": lambda at: stores(at, 3),
        "geojson": ties,
    }
    with tempfile.TemporaryDirectory(prefix="bases ") as folder, rasterio.Env(GDAL_PAM_ENABLED="NO"):
        return dict(makers[kind](folder))
