"""Chunks in their files, held against what zarr itself writes, file by file."""

from __future__ import annotations

import pickle
import shutil

import numpy as np
import pytest
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from zarr.codecs import BloscCodec, GzipCodec, ZstdCodec

from chunk_stores import CHUNK, by_us, by_zarr, custom, files, numbers, patterned, spec
from geopatcher.core.box import Box
from geopatcher.core.domain import LayerSpec
from geopatcher.errors import TargetError
from geopatcher.targets.chunk_files import files_of
from geopatcher.targets.chunk_writer import encoder_of
from geopatcher.targets.digests import NO_FILE, files_in, record_of
from geopatcher.targets.zarr_store import ZarrSink, create_store

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr"),
]

CODECS = ["zstd", "zstd-5", "gzip-1", "blosc-lz4", "blosc-zstd-1", "blosc-zlib-3", "none"]

DTYPES = ["bool", "uint8", "int16", "uint16", "int32", "float32", "float64", "int64"]

SHAPES = [(2, 21, 29), (21, 29), (1, 16, 8), (3, 3, 40)]


def compare(folder, wanted, *versions, height=CHUNK):
    """Write versions over each other, ours and zarr's; the stores must be the same files."""
    folder.mkdir(exist_ok=True)
    for name in ("ours", "theirs"):
        create_store(folder / name, wanted)
    for values in versions:
        by_us(folder / "ours", values, height)
        by_zarr(folder / "theirs", values)
        ours, theirs = files(folder / "ours"), files(folder / "theirs")
        assert sorted(ours) == sorted(theirs)
        assert ours == theirs
    np.testing.assert_array_equal(zarr.open_group(folder / "ours", mode="r")["data"][...], versions[-1])
    return ours


def fills_of(dtype):
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return [0, 0.0, -0.0, np.nan, 7.0, 0.1, float(np.finfo(dtype).max), np.inf, -np.inf]
    if dtype.kind == "b":
        return [False, True]
    return [0, 7, int(np.iinfo(dtype).max), int(np.iinfo(dtype).min)]


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_files_are_those_zarr_writes_with_every_codec(tmp_path, dtype, codec):
    shape = (2, 21, 29)
    written = compare(tmp_path, spec(shape, dtype, 0, codec), numbers(shape, dtype))
    assert sum(name.startswith("data/c/") for name in written) == 2 * 3 * 4


@pytest.mark.parametrize(
    ("dtype", "fill"),
    [(dtype, fill) for dtype in ("bool", "uint8", "int16", "float32", "float64") for fill in fills_of(dtype)],
)
def test_the_same_chunks_have_no_file_with_every_fill(tmp_path, dtype, fill):
    shape = (2, 24, 29)
    written = compare(tmp_path, spec(shape, dtype, fill), patterned(shape, dtype, fill))
    assert 0 < sum(name.startswith("data/c/") for name in written) < 2 * 3 * 4


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(
    dtype_and_fill=st.sampled_from([(dtype, fill) for dtype in DTYPES for fill in fills_of(dtype)]),
    codec=st.sampled_from(CODECS),
    shape=st.one_of(
        st.tuples(st.integers(1, 40), st.integers(1, 40)),
        st.tuples(st.integers(1, 3), st.integers(1, 30), st.integers(1, 30)),
    ),
    blocks=st.integers(1, 3),
    seed=st.integers(0, 1000),
)
def test_files_are_those_zarr_writes_and_writes_again(
    tmp_path_factory, dtype_and_fill, codec, shape, blocks, seed
):
    dtype, fill = dtype_and_fill
    folder = tmp_path_factory.mktemp("chunks")
    versions = [patterned(shape, dtype, fill, seed), patterned(shape, dtype, fill, seed + 1)]
    compare(folder, spec(shape, dtype, fill, codec), *versions, height=blocks * CHUNK)
    shutil.rmtree(folder)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("fill", [0.0, -0.0])
@pytest.mark.parametrize("sign", [1, -1])
def test_zeros_of_the_other_sign_are_no_fill(tmp_path, dtype, fill, sign):
    values = np.full((1, 8, 16), sign * 0.0, dtype)
    written = compare(tmp_path, spec(values.shape, dtype, fill), values)
    assert any(name.startswith("data/c/") for name in written) == (np.signbit(fill) != (sign < 0))


@pytest.mark.parametrize("lone", [(0, 0), (0, 3), (7, 7)])
@pytest.mark.parametrize(
    "fill",
    [0.0, -0.0],
)
def test_one_zero_of_the_other_sign_is_enough(tmp_path, fill, lone):
    values = np.full((1, 8, 8), fill, "float32")
    values[0, *lone] = -fill
    written = compare(tmp_path, spec(values.shape, "float32", fill), values)
    assert "data/c/0/0/0" in written


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("fill", [-1, np.nan])
def test_a_chunk_that_becomes_all_fill_loses_its_file(tmp_path, shape, fill):
    dtype = "int16" if fill == -1 else "float32"
    first, last = numbers(shape, dtype), np.full(shape, fill, dtype)
    second = first.copy()
    second[..., :CHUNK, :CHUNK] = fill
    create_store(tmp_path / "kept", spec(shape, dtype, fill))
    empty = files(tmp_path / "kept")
    n_all = len(compare(tmp_path / "a", spec(shape, dtype, fill), first))
    n_less = len(compare(tmp_path / "b", spec(shape, dtype, fill), first, second))
    assert n_all - n_less == (shape[0] if len(shape) == 3 else 1)
    assert compare(tmp_path / "c", spec(shape, dtype, fill), first, second, last, last) == empty


def test_nothing_but_fill_needs_no_file_that_was_there(tmp_path):
    create_store(tmp_path / "x", spec())
    before = files(tmp_path / "x")
    by_us(tmp_path / "x", np.zeros((2, 21, 29), "int16"))
    assert files(tmp_path / "x") == before


def test_not_a_number_is_fill_whatever_its_bits(tmp_path):
    values = np.full((1, 8, 16), np.nan, "float32")
    values.view("uint32")[0, 0, :8] = 0xFFC00001
    compare(tmp_path, spec(values.shape, "float32", np.nan), values)
    values[0, 7, 15] = 1
    compare(tmp_path / "again", spec(values.shape, "float32", np.nan), values)


@pytest.mark.parametrize("codec", ["zstd", "blosc-lz4", "none"])
def test_boxes_within_the_grid_go_to_their_own_chunks(tmp_path, codec):
    values = numbers((2, 45, 61), "uint16")
    for name in ("ours", "theirs"):
        create_store(tmp_path / name, spec(values.shape, "uint16", 3, codec))
    sink = ZarrSink(tmp_path / "ours")
    array = zarr.open_group(tmp_path / "theirs", mode="r+")["data"]
    for box in (Box(8, 24, 16, 40), Box(40, 45, 56, 61), Box(0, 8, 0, 61), Box(8, 45, 0, 8)):
        block = values[(..., *box.slices())]
        assert sink.write([(box, {"data": block})]) == block.nbytes
        array[(..., *box.slices())] = block
        assert files(tmp_path / "ours") == files(tmp_path / "theirs")


@pytest.mark.parametrize(
    "as_given",
    [
        np.asfortranarray,
        lambda values: values[:, ::-1, ::-1].copy()[:, ::-1, ::-1],
        lambda values: np.repeat(values, 2, axis=2)[:, :, ::2],
        lambda values: values.astype(values.dtype.newbyteorder(">")),
        lambda values: np.frombuffer(values.tobytes(), values.dtype).reshape(values.shape),  # read-only
        lambda values: np.broadcast_to(values[:1], values.shape),
    ],
    ids=["Fortran", "backwards", "strided", "big-endian", "read-only", "broadcast"],
)
@pytest.mark.parametrize("codec", ["zstd", "blosc-lz4", "none"])
def test_how_values_lie_in_memory_does_not_matter(tmp_path, codec, as_given):
    values = as_given(numbers((2, 21, 32), "float32"))
    compare(tmp_path, spec(values.shape, "float32", 0, codec), values)


def test_layers_are_written_beside_the_result(tmp_path):
    layers = {
        "weight": LayerSpec(np.dtype("float32"), np.nan),
        "count": LayerSpec(np.dtype("uint16"), 0),
    }
    for name in ("ours", "theirs"):
        create_store(tmp_path / name, spec(codec="blosc-zstd-1", layers=layers))
    for name, dtype in (("data", "int16"), ("weight", "float32"), ("count", "uint16")):
        values = numbers((2, 21, 29) if name == "data" else (21, 29), dtype)
        by_us(tmp_path / "ours", values, 2 * CHUNK, name)
        by_zarr(tmp_path / "theirs", values, name)
    assert files(tmp_path / "ours") == files(tmp_path / "theirs")


SETTINGS = {
    "zstd, fast": ZstdCodec(level=-3),
    "zstd with a checksum": ZstdCodec(level=3, checksum=True),
    "gzip, stored": GzipCodec(level=0),
    "lz4hc of bits": BloscCodec(cname="lz4hc", clevel=9, shuffle="bitshuffle", typesize=4),
    "blosclz as it is": BloscCodec(cname="blosclz", clevel=5, shuffle="noshuffle", typesize=4),
    "blosc, stored": BloscCodec(cname="zstd", clevel=0, shuffle="shuffle", typesize=4),
    "blosc in blocks": BloscCodec(cname="lz4", clevel=1, shuffle="shuffle", typesize=4, blocksize=128),
    "blosc by itself": BloscCodec(cname="zlib"),
}


@pytest.mark.parametrize("compressor", SETTINGS.values(), ids=SETTINGS.keys())
@pytest.mark.parametrize("chunk", [8, 64])
def test_other_settings_of_known_codecs_give_the_same_bytes(tmp_path, compressor, chunk):
    values = numbers((2, 70, 100), "int32")
    for name in ("ours", "theirs"):
        array = custom(
            tmp_path / name,
            "int32",
            shape=values.shape,
            chunks=(1, chunk, chunk),
            compressors=compressor,
        )
    assert encoder_of(array) is not None
    by_us(tmp_path / "ours", values, chunk)
    by_zarr(tmp_path / "theirs", values)
    assert files(tmp_path / "ours") == files(tmp_path / "theirs")


def test_an_empty_box_is_nothing_to_write(tmp_path):
    custom(tmp_path / "x")
    before = files(tmp_path / "x")
    ZarrSink(tmp_path / "x").write([(Box(8, 8, 0, 29), {"data": numbers((2, 0, 29), "int16")})])
    assert files(tmp_path / "x") == before


def test_gzip_does_not_note_the_time(tmp_path):
    create_store(tmp_path / "x", spec((1, 8, 8), "int16", 0, "gzip-1"))
    ZarrSink(tmp_path / "x").write([(Box(0, 8, 0, 8), {"data": numbers((1, 8, 8), "int16")})])
    assert (tmp_path / "x/data/c/0/0/0").read_bytes()[4:8] == bytes(4)


@pytest.mark.parametrize(
    "codec", [codec for codec in CODECS if "gzip" not in codec]
)  # whose header has the time
@pytest.mark.parametrize("dtype", ["uint8", "int16", "float64"])
def test_checksums_are_those_zarr_writes(tmp_path, codec, dtype):
    wanted = spec((2, 21, 29), dtype, 0, codec, checksum=True)
    create_store(tmp_path / "x", wanted)
    assert encoder_of(zarr.open_group(tmp_path / "x", mode="r")["data"]) is not None
    written = compare(tmp_path, wanted, patterned((2, 21, 29), dtype, 0))
    chunks = [name for name in written if name.startswith("data/c/")]
    chunk = tmp_path / "ours" / chunks[0]
    held = bytearray(chunk.read_bytes())
    held[len(held) // 2] ^= 1
    chunk.write_bytes(held)
    with pytest.raises(ValueError, match="checksum"):
        zarr.open_group(tmp_path / "ours", mode="r")["data"][...]


def test_what_was_written_is_known_once(tmp_path):
    create_store(tmp_path / "x", spec(layers={"count": LayerSpec(np.dtype("uint16"), 0)}))
    sink, values = ZarrSink(tmp_path / "x"), patterned((2, 21, 29), "int16", 0)
    boxes = [Box(0, 8, 0, 29), Box(8, 21, 0, 16), Box(8, 21, 16, 29)]
    for box in boxes:
        sink.write(
            [
                (
                    box,
                    {
                        "data": values[(..., *box.slices())],
                        "count": values[:1, *box.slices()].astype("uint16"),
                    },
                )
            ]
        )
    for box in boxes:
        known = sink.take(box)
        assert set(known) == {"data", "count"}
        for name, array in sink.arrays.items():
            for file, record in zip(
                files_of(sink.path / name, array, box), files_in(known[name]), strict=True
            ):
                assert record == (record_of(file) if file.exists() else NO_FILE)
        assert {record for array in sink.take(box).values() for record in files_in(array)} == {NO_FILE}


@pytest.mark.parametrize("options", [{}, {"shards": (16, 16)}], ids=["chunks", "shards"])
def test_a_store_that_is_gone_is_not_made_again(tmp_path, options):
    folder = tmp_path / "work" / "x"
    folder.parent.mkdir()
    create_store(folder, spec(**options))
    sink, values = ZarrSink(folder), numbers((2, 16, 29), "int16")
    box = Box(0, 16, 0, 29)
    sink.write([(box, {"data": values})])
    (tmp_path / "work").rename(tmp_path / "elsewhere")
    with pytest.raises(TargetError, match=r"rows 0:16.*is gone, so another run has taken over"):
        sink.write([(box, {"data": values})])
    with pytest.raises(FileNotFoundError):
        pickle.loads(pickle.dumps(sink))  # noqa: S301 - made a line before
    assert [path.name for path in tmp_path.iterdir()] == ["elsewhere"]


@pytest.mark.parametrize("options", [{"dtype": ">i2"}, {"dtype": ">f8", "compressors": None}], ids=str)
def test_an_array_that_is_read_as_big_endian_holds_what_was_written(tmp_path, options):
    custom(tmp_path / "x", **options)
    values = numbers((2, 21, 29), "int16")
    ZarrSink(tmp_path / "x").write([(Box(0, 21, 0, 29), {"data": values.astype(options["dtype"])})])
    np.testing.assert_array_equal(zarr.open_group(tmp_path / "x", mode="r")["data"][...], values)


@pytest.mark.parametrize(
    "encoding", [{"name": "v2", "separator": "."}, {"name": "default", "separator": "."}]
)
def test_chunks_are_named_as_the_array_says(tmp_path, encoding):
    values = numbers((2, 21, 29), "int16")
    for name in ("ours", "theirs"):
        custom(tmp_path / name, chunk_key_encoding=encoding)
    by_us(tmp_path / "ours", values)
    by_zarr(tmp_path / "theirs", values)
    assert files(tmp_path / "ours") == files(tmp_path / "theirs")
