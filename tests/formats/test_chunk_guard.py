"""Chunks that would decode to far more than they should are refused, and others are read as ever."""

from __future__ import annotations

import bz2
import functools
import gzip
import json
import lzma
import subprocess
import sys
import zlib
from pathlib import Path

import google_crc32c
import numcodecs
import numpy as np
import pytest
import zarr
from zarr.codecs import BloscCodec, Crc32cCodec, GzipCodec, ZstdCodec

import geopatcher as gp
from geopatcher.core.box import Box
from geopatcher.formats.chunk_guard import ChunkGuard, OversizedChunkError, read_cells
from geopatcher.inspect.arrays import RESULT, stored_rasters
from geopatcher.inspect.info import describe
from tests.formats.test_decoded_size import rle_frame

CELLS = np.random.default_rng(0).integers(0, 500, (2, 70, 90)).astype("uint16")
MUCH = 80 << 20

V3 = {
    "none": {"compressors": None},
    "zstd": {"compressors": ZstdCodec()},
    "blosc": {"compressors": BloscCodec(cname="lz4")},
    "gzip": {"compressors": GzipCodec()},
    "zstd and a checksum": {"compressors": [ZstdCodec(), Crc32cCodec()]},
    "twice": {"compressors": [GzipCodec(), ZstdCodec()]},
    "lz4 of numcodecs": {"compressors": [zarr.codecs.numcodecs.LZ4()]},
    "zlib of numcodecs": {"compressors": [zarr.codecs.numcodecs.Zlib()]},
    "lzma of numcodecs": {"compressors": [zarr.codecs.numcodecs.LZMA()]},
    "shards": {"compressors": ZstdCodec(), "shards": (1, 64, 64)},
    "shards of blosc": {"compressors": BloscCodec(cname="lz4"), "shards": (1, 64, 64)},
    "shards of gzip": {"compressors": GzipCodec(), "shards": (1, 64, 64)},
    "a filter": {"compressors": ZstdCodec(), "filters": [zarr.codecs.numcodecs.Delta(dtype="<u2")]},
}
V2 = {
    "none": {"compressors": None},
    "blosc": {"compressors": numcodecs.Blosc()},
    "zstd": {"compressors": numcodecs.Zstd()},
    "zlib": {"compressors": numcodecs.Zlib()},
    "bz2": {"compressors": numcodecs.BZ2()},
    "lzma": {"compressors": numcodecs.LZMA()},
    "delta": {"compressors": numcodecs.Zstd(), "filters": [numcodecs.Delta(dtype="<u2")]},
    "shuffled": {"compressors": numcodecs.Zlib(), "filters": [numcodecs.Shuffle(elementsize=2)]},
    "blosc in zstd": {"compressors": numcodecs.Zstd(), "filters": [numcodecs.Blosc()]},
    "a filter compresses": {"compressors": None, "filters": [numcodecs.Zlib()]},
    "both compress": {"compressors": numcodecs.Zstd(), "filters": [numcodecs.GZip()]},
}
KINDS = [(3, name) for name in V3] + [(2, name) for name in V2]


def stored(folder, version, name):
    how = (V3 if version == 3 else V2)[name]
    array = zarr.create_array(
        folder / "a.zarr", shape=CELLS.shape, chunks=(1, 32, 32), dtype="uint16", zarr_format=version, **how
    )
    array[:] = CELLS
    return folder / "a.zarr"


def files(store):
    return sorted(
        path for path in store.rglob("*") if path.is_file() and not path.name.startswith((".z", "zarr."))
    )


@pytest.mark.parametrize(("version", "name"), KINDS)
def test_good_chunks_of_every_kind_are_read_as_ever(tmp_path, version, name):
    store = stored(tmp_path, version, name)
    array = zarr.open(store, mode="r")
    guard = ChunkGuard.of(array)
    assert guard is not None
    guard.check((...,))
    for key in [
        (..., slice(0, 70), slice(0, 90)),
        (1, slice(33, 40), slice(0, 1)),
        (slice(0, 1),),
        (0, 5, 7),
    ]:
        np.testing.assert_array_equal(read_cells(array, key), CELLS[key])
    result = gp.reconstruct(str(store), lambda x: x, size=32, dtype="uint16", window="boxcar", step=32)
    np.testing.assert_array_equal(result.array, CELLS)


ENCODED = {
    "zstd": lambda: bytes(numcodecs.Zstd().encode(bytes(MUCH))),
    "blosc": lambda: bytes(numcodecs.Blosc().encode(bytes(MUCH))),
    "lz4": lambda: bytes(numcodecs.LZ4().encode(bytes(MUCH))),
    "zlib": lambda: zlib.compress(bytes(MUCH), 1),
    "gzip": lambda: gzip.compress(bytes(MUCH), 1),
    "bz2": lambda: bz2.compress(bytes(MUCH), 1),
    "lzma": lambda: lzma.compress(bytes(MUCH), preset=0),
    "zstd that does not say": lambda: rle_frame(MUCH // (128 << 10)),
    "gzip in many members": lambda: gzip.compress(bytes(1 << 20), 1) * 80,
    "a large file": lambda: bytes(20 << 20),
}


@functools.cache
def crc32c_of(content):
    return google_crc32c.value(content).to_bytes(4, "little")


def encoded(kind):
    return ENCODED[kind]()


BOMBS = [
    (3, "none", "a large file"),
    (3, "zstd", "zstd"),
    (3, "zstd", "zstd that does not say"),
    (3, "zstd and a checksum", "zstd"),
    (3, "blosc", "blosc"),
    (3, "gzip", "gzip"),
    (3, "gzip", "gzip in many members"),
    (3, "twice", "zstd"),
    (3, "lz4 of numcodecs", "lz4"),
    (3, "zlib of numcodecs", "zlib"),
    (3, "lzma of numcodecs", "lzma"),
    (3, "a filter", "zstd"),
    (2, "none", "a large file"),
    (2, "blosc", "blosc"),
    (2, "zstd", "zstd"),
    (2, "zlib", "zlib"),
    (2, "bz2", "bz2"),
    (2, "lzma", "lzma"),
    (2, "delta", "zstd"),
    (2, "shuffled", "zlib"),
    (2, "a filter compresses", "zlib"),
]

CHILD = """
import sys, warnings
import geopatcher
warnings.simplefilter("ignore")

def peak_mib():
    return [int(line.split()[1]) // 1024 for line in open("/proc/self/status") if line.startswith("VmHWM")][0]

for path in sys.argv[1:]:
    try:
        geopatcher.reconstruct(path, lambda x: x, size=32)
        print("read")
    except geopatcher.SourceError as error:
        print(error)
print(peak_mib())
"""


def refused(paths):
    """Return what a process of its own says of each store, and its peak of memory in MiB."""
    out = subprocess.run(
        [sys.executable, "-c", CHILD, *map(str, paths)], capture_output=True, text=True, check=True
    )
    *said, peak = out.stdout.splitlines()
    return said, int(peak)


def test_small_files_that_decode_to_much_are_refused_before_they_do(tmp_path):
    stores = []
    for number, (version, name, bomb) in enumerate(BOMBS):
        store = stored(tmp_path / str(number), version, name)
        files(store)[4].write_bytes(encoded(bomb))
        stores.append(store)
    (read,), usual = refused([stored(tmp_path / "good", 3, "zstd")])
    assert read == "read"
    said, peak = refused(stores)
    for store, kind, line in zip(stores, BOMBS, said, strict=True):
        assert line.startswith(f"cannot read {store}, rows 0:70, columns 0:90: "), (kind, line)
        assert "OversizedChunkError: " in line, (kind, line)
        assert "it is not decoded" in line or "it is not read" in line
    assert peak < usual + (MUCH >> 21)  # in MiB: half of what one of them would take


@pytest.mark.parametrize("name", ["shards", "shards of gzip"])
def test_inner_chunks_of_a_shard_are_measured_too(tmp_path, name):
    store = stored(tmp_path, 3, name)
    bomb = encoded("zstd" if name == "shards" else "gzip")
    shard = files(store)[1]
    content = shard.read_bytes()
    index = np.frombuffer(content[-68:-4], "<u8").reshape(4, 2).copy()
    index[2] = len(content) - 68, len(bomb)
    raw = index.tobytes()
    shard.write_bytes(content[:-68] + bomb + raw + crc32c_of(raw))
    with pytest.raises(OversizedChunkError, match="decodes to .* it is not decoded"):
        read_cells(zarr.open(store, mode="r"), (...,))
    with pytest.raises(gp.SourceError, match="OversizedChunkError"):
        gp.reconstruct(str(store), lambda x: x, size=32)


def test_a_shard_whose_index_lies_is_an_error_of_the_source(tmp_path):
    store = stored(tmp_path, 3, "shards")
    shard = files(store)[0]
    content = shard.read_bytes()
    for index in (b"\x00" * 64, b"\xfe" * 64, (2**63).to_bytes(8, "little") * 8):
        shard.write_bytes(content[:-68] + index + content[-4:])
        with pytest.raises(gp.SourceError, match="cannot read"):
            gp.reconstruct(str(store), lambda x: x, size=32)
    shard.write_bytes(content[-30:])
    with pytest.raises(gp.SourceError, match="cannot read"):
        gp.reconstruct(str(store), lambda x: x, size=32)


def with_index(content, entry, replaced):
    """Return a shard of four chunks with another entry in its index, and the right checksum behind it."""
    index = np.frombuffer(content[-68:-4], "<u8").reshape(4, 2).copy()
    index[entry] = replaced
    raw = index.tobytes()
    return content[:-68] + raw + crc32c_of(raw)


@pytest.mark.parametrize("end", [-1, -4, 40, 15, 1])
@pytest.mark.parametrize(("version", "name"), [(3, "blosc"), (2, "blosc"), (2, "blosc in zstd")])
def test_a_frame_of_blosc_that_is_cut_off_is_not_read_beyond_its_end(tmp_path, version, name, end):
    store = stored(tmp_path, version, name)
    chunk = files(store)[1]
    outer = numcodecs.Zstd() if name == "blosc in zstd" else None
    frame = chunk.read_bytes() if outer is None else bytes(outer.decode(chunk.read_bytes()))
    assert int.from_bytes(frame[12:16], "little") == len(frame) > 100
    kept = frame[:end]
    chunk.write_bytes(kept if outer is None else bytes(outer.encode(kept)))
    complaint = f"{chunk.name} is cut off: its blosc frame is .* bytes long, and {len(kept):,} are there"
    with pytest.raises(ValueError, match=complaint):
        read_cells(zarr.open(store, mode="r"), (...,))
    with pytest.raises(gp.SourceError, match=f"cannot read {store}.* is cut off"):
        gp.reconstruct(str(store), lambda x: x, size=32)


def test_a_frame_of_blosc_that_is_cut_off_in_a_shard_does_not_go_on_into_the_next(tmp_path):
    store = stored(tmp_path, 3, "shards of blosc")
    shard = files(store)[0]
    content = shard.read_bytes()
    first, n_bytes = np.frombuffer(content[-68:-4], "<u8").reshape(4, 2)[0].tolist()
    shard.write_bytes(with_index(content, 0, (first, n_bytes)))
    np.testing.assert_array_equal(read_cells(zarr.open(store, mode="r"), (...,)), CELLS)
    shard.write_bytes(with_index(content, 0, (first, n_bytes - 4)))
    with pytest.raises(ValueError, match="is cut off: its blosc frame is"):
        read_cells(zarr.open(store, mode="r"), (...,))


def test_more_bytes_behind_a_frame_of_blosc_do_no_harm(tmp_path):
    store = stored(tmp_path, 3, "blosc")
    chunk = files(store)[1]
    chunk.write_bytes(chunk.read_bytes() + b"more")
    np.testing.assert_array_equal(read_cells(zarr.open(store, mode="r"), (...,)), CELLS)


def say(store, version, what, axis, length):
    """Set a length in the metadata of an array: of its ``"shape"``, or of its ``"chunks"``."""
    metadata = store / ("zarr.json" if version == 3 else ".zarray")
    tree = json.loads(metadata.read_text())
    grid = tree["chunk_grid"]["configuration"] if version == 3 else tree
    lengths = tree["shape"] if what == "shape" else grid["chunk_shape" if version == 3 else "chunks"]
    lengths[axis] = length
    metadata.write_text(json.dumps(tree))


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize(
    ("said", "length", "complaint"),
    [
        ("chunks", 10**400, "its chunks have the shape .1000000000.*, and no memory holds one of them"),
        ("chunks", 2**62, "its chunks have the shape .4611686018427387904, 32, 32., and no memory"),
        ("shape", 2**53 + 1, "its shape is .9007199254740993, 70, 90., and more than .* are not counted"),
    ],
    ids=["chunks of 10**400", "chunks of 2**62", "a shape of 2**53 + 1"],
)
def test_lengths_that_zarr_counts_wrongly_are_refused(tmp_path, version, said, length, complaint):
    store = stored(tmp_path, version, "zstd")
    say(store, version, said, 0, length)
    array = zarr.open(store, mode="r")
    with pytest.raises(ValueError, match=complaint):
        read_cells(array, (slice(0, 2), slice(0, 32), slice(0, 32)))
    for call in (gp.plan, describe):
        with pytest.raises(gp.SourceError, match=f"{store} cannot be used: {complaint}"):
            call(str(store))


@pytest.mark.parametrize("axis", [1, 2])
@pytest.mark.parametrize(("version", "name"), [(2, "zstd"), (3, "zstd"), (3, "shards")])
def test_chunks_and_shards_that_hold_nothing_are_refused(tmp_path, version, name, axis):
    store = stored(tmp_path, version, name)
    say(store, version, "chunks", axis, 0)
    with pytest.raises(gp.SourceError, match=f"{store}"):  # some versions of zarr take 0 for 1
        gp.reconstruct(str(store), lambda x: x, size=32)


def test_as_many_chunks_as_a_header_says_are_not_numbered_at_once(tmp_path):
    array = zarr.create_array(tmp_path / "a.zarr", shape=(2**40, 2**40), chunks=(1, 1), dtype="uint8")
    guard = ChunkGuard.of(array)
    places = guard._places((...,))
    assert [next(places) for _ in range(3)] == [(0, 0), (0, 1), (0, 2)]
    assert list(guard._places((slice(1, 3), 5))) == [(1, 5), (2, 5)]


def test_chunks_that_are_not_there_are_fill(tmp_path):
    store = stored(tmp_path, 3, "zstd")
    files(store)[0].unlink()
    assert (read_cells(zarr.open(store, mode="r"), (0, slice(0, 32), slice(0, 32))) == 0).all()


def test_an_array_that_is_in_no_folder_is_left_alone():
    array = zarr.create_array(zarr.storage.MemoryStore(), shape=(4, 4), chunks=(2, 2), dtype="uint8")
    array[:] = 3
    assert ChunkGuard.of(array) is None
    assert (read_cells(array, (...,)) == 3).all()


def test_skipped_patches_are_those_over_the_chunk(tmp_path):
    store = stored(tmp_path, 3, "zstd")
    (bomb,) = [path for path in files(store) if path.relative_to(store) == Path("c/0/1/1")]
    bomb.write_bytes(encoded("zstd"))
    result = gp.reconstruct(
        str(store), lambda x: x, size=16, step=16, window="boxcar", dtype="float32", on_error="skip"
    )
    np.testing.assert_array_equal(result.array[:, :32], CELLS[:, :32])
    assert {error.stage for error in result.errors} == {"read"}
    assert all("OversizedChunkError" in error.message for error in result.errors)


@pytest.mark.parametrize(("folder", "step"), [("1/data", 2), ("1/valid", 2), ("valid", 1), ("weight", 1)])
def test_levels_masks_and_layers_are_measured_too(tmp_path, folder, step):
    image = np.ma.masked_less(np.arange(128 * 128, dtype="uint16").reshape(128, 128), 900)
    gp.reconstruct(
        image,
        np.copy,
        tmp_path / "r.zarr",
        size=32,
        chunks=32,
        layers=["weight"],
        storage=gp.ZarrStorage("zstd", multiscales=True),
    )
    rasters = stored_rasters(tmp_path / "r.zarr")
    name = "weight" if folder == "weight" else RESULT
    whole = Box.of_shape((128, 128))
    before = rasters[name].read(whole, [0], step)
    assert np.isfinite(before).any()
    for path in files(tmp_path / "r.zarr" / folder):
        path.write_bytes(encoded("zstd"))
    with pytest.raises(gp.SourceError, match=f"{folder}.*it is not decoded"):
        stored_rasters(tmp_path / "r.zarr")[name].read(whole, [0], step)
