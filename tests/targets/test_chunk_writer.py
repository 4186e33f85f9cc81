"""Chunks in their files, held against what zarr itself writes, file by file."""

from __future__ import annotations

import pickle
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from zarr.codecs import BloscCodec, GzipCodec, ZstdCodec

from chunk_stores import CHUNK, by_zarr, custom, files, numbers, patterned
from geopatcher.core.box import Box
from geopatcher.core.domain import LayerSpec, RasterDomain, ResultSpec
from geopatcher.errors import TargetError
from geopatcher.targets import chunk_writer
from geopatcher.targets.chunk_files import files_of
from geopatcher.targets.chunk_writer import ChunkWriter, encoder_of, run_all, zarr_threads
from geopatcher.targets.digests import NO_FILE, files_in, record_of
from geopatcher.targets.files import FolderFiles
from geopatcher.targets.zarr_store import ZarrSink, create_store

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr"),
]

CODECS = ["zstd", "zstd-5", "gzip-1", "blosc-lz4", "blosc-zstd-1", "blosc-zlib-3", "none"]

DTYPES = ["bool", "uint8", "int16", "uint16", "int32", "float32", "float64", "int64"]

SHAPES = [(2, 21, 29), (21, 29), (1, 16, 8), (3, 3, 40)]


def spec(shape=(2, 21, 29), dtype="int16", fill=0, codec="zstd", **options):
    domain = RasterDomain(shape, dtype=np.dtype(dtype))
    return ResultSpec(domain, (CHUNK, CHUNK), fill, codec=codec, **options)


def by_us(place, values, height=CHUNK, name="data"):
    """Write rows of blocks, as a run does."""
    sink = ZarrSink(place)
    assert name in sink._writers
    for row in range(0, values.shape[-2], height):
        box = Box(row, min(row + height, values.shape[-2]), 0, values.shape[-1])
        sink.write([(box, {name: values.reshape(-1, *values.shape[-2:])[:, row : row + height]})])


def compare(folder, wanted, *versions, height=CHUNK):
    """Write versions over each other, ours and zarr's; the stores must be the same files."""
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


def written_once(place):
    """A store with numbers in it, and its files."""
    create_store(place, spec())
    by_us(place, numbers((2, 21, 29), "int16"))
    return files(place)


BLOCK = Box(8, 16, 0, 29)


@pytest.mark.parametrize("error", [ValueError("no"), MemoryError(), KeyboardInterrupt(), OSError(28, "full")])
def test_a_chunk_that_cannot_be_encoded_leaves_the_one_before(tmp_path, error):
    before = written_once(tmp_path / "x")

    def encode(cells):
        raise error

    array = zarr.open_group(tmp_path / "x", mode="r+")["data"]
    writer = ChunkWriter(array, FolderFiles(tmp_path / "x" / "data"), encode)
    with pytest.raises(type(error)):
        run_all(writer.tasks(BLOCK, numbers((2, 8, 29), "int16", 1)), zarr_threads())
    assert files(tmp_path / "x") == before


@pytest.mark.parametrize("fails", ["write_bytes", "replace"])
@pytest.mark.parametrize("threads", [1, 3])
def test_a_disk_that_fails_leaves_no_half_of_a_file(tmp_path, monkeypatch, fails, threads):
    before = written_once(tmp_path / "x")
    sink = ZarrSink(tmp_path / "x")

    def fail(path, given):
        if fails == "write_bytes":
            with path.open("wb") as file:
                file.write(bytes(given)[:5])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken, zarr.config.set({"threading.max_workers": threads}):
        broken.setattr(Path, fails, fail)
        with pytest.raises(TargetError, match=r"cannot write rows 8:16, columns 0:29 of .*data.*No space"):
            sink.write([(BLOCK, {"data": numbers((2, 8, 29), "int16", 1)})])
    assert files(tmp_path / "x") == before
    after = numbers((2, 8, 29), "int16", 1)
    sink.write([(BLOCK, {"data": after})])
    np.testing.assert_array_equal(zarr.open_group(tmp_path / "x", mode="r")["data"][:, 8:16], after)


def test_one_chunk_that_fails_is_heard_of_among_many_that_do_not(tmp_path, monkeypatch):
    before = written_once(tmp_path / "x")
    replace = Path.replace

    def fail(path, target):
        if Path(target).name == "2":
            raise OSError(5, "Input/output error")
        return replace(path, target)

    with monkeypatch.context() as broken, zarr.config.set({"threading.max_workers": 4}):
        broken.setattr(Path, "replace", fail)
        with pytest.raises(TargetError, match="Input/output error"):
            ZarrSink(tmp_path / "x").write([(BLOCK, {"data": numbers((2, 8, 29), "int16", 1)})])
    after = files(tmp_path / "x")
    assert sorted(after) == sorted(before)
    assert {name for name in after if name.endswith("/1/2")} == {"data/c/0/1/2", "data/c/1/1/2"}
    assert all(after[name] == before[name] for name in after if not name.startswith("data/c/"))
    assert all(after[name] == before[name] for name in after if name.endswith("/1/2"))


def test_a_file_is_never_there_by_half(tmp_path, monkeypatch):
    before = written_once(tmp_path / "x")
    write_bytes, seen = Path.write_bytes, []

    def watch(path, given):
        written = write_bytes(path, given)
        seen.append(path.name.endswith(".partial"))
        assert {name: held for name, held in files(tmp_path / "x").items() if name in before} == before
        return written

    with monkeypatch.context() as watched, zarr.config.set({"threading.max_workers": 1}):
        watched.setattr(Path, "write_bytes", watch)
        watched.setattr(Path, "replace", lambda path, target: path.unlink())
        ZarrSink(tmp_path / "x").write([(BLOCK, {"data": numbers((2, 8, 29), "int16", 1)})])
    assert seen == [True] * 8


def test_two_threads_in_one_chunk_leave_one_whole_file(tmp_path):
    create_store(tmp_path / "x", spec((1, 8, 8), "float64", 0, "none"))
    array = zarr.open_group(tmp_path / "x", mode="r+")["data"]
    both = threading.Barrier(2)

    def encode(cells):
        both.wait(30)
        return cells.tobytes()

    writer = ChunkWriter(array, FolderFiles(tmp_path / "x" / "data"), encode)
    for turn in range(20):
        versions = [numbers((1, 8, 8), "float64", 2 * turn + which) for which in (0, 1)]
        with ThreadPoolExecutor(2) as pool:
            tasks = [task for cells in versions for task in writer.tasks(Box(0, 8, 0, 8), cells)]
            list(pool.map(lambda task: task(), tasks))
        chunks = {name: held for name, held in files(tmp_path / "x").items() if name.startswith("data/c/")}
        assert list(chunks) == ["data/c/0/0/0"]
        assert chunks["data/c/0/0/0"] in [each.tobytes() for each in versions]


def test_one_thread_and_another_that_empties_the_chunk_do_not_hurt_each_other(tmp_path):
    create_store(tmp_path / "x", spec((1, 8, 8), "float64", 0, "none"))
    sink, values = ZarrSink(tmp_path / "x"), numbers((1, 8, 8), "float64")
    failed = []

    def write(block):
        try:
            for _ in range(50):
                sink.write([(Box(0, 8, 0, 8), {"data": block})])
        except TargetError as error:
            failed.append(error)

    threads = [threading.Thread(target=write, args=(block,)) for block in (values, np.zeros_like(values))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failed
    chunks = {name: held for name, held in files(tmp_path / "x").items() if name.startswith("data/c/")}
    assert chunks in ({}, {"data/c/0/0/0": values.tobytes()})


def encoded_in(tmp_path, n_chunks):
    """Names of the threads in which chunks are encoded."""
    create_store(tmp_path / "x", spec((1, 8, 8 * n_chunks)))
    array = zarr.open_group(tmp_path / "x", mode="r+")["data"]
    names = []

    def encode(cells):
        names.append(threading.current_thread().name)
        return cells.tobytes()

    block = Box(0, 8, 0, 8 * n_chunks)
    writer = ChunkWriter(array, FolderFiles(tmp_path / "x" / "data"), encode)
    run_all(writer.tasks(block, np.ones((1, *block.shape), "int16")), zarr_threads())
    assert len(names) == n_chunks
    return set(names)


def no_pool(*arguments):
    raise AssertionError("a pool of threads was made")


def test_no_thread_is_started_where_zarr_may_have_one_only(tmp_path, monkeypatch):
    monkeypatch.setattr(chunk_writer, "ThreadPoolExecutor", no_pool)
    with zarr.config.set({"threading.max_workers": 1}):
        assert encoded_in(tmp_path, 6) == {threading.current_thread().name}


def test_no_thread_is_started_for_one_chunk(tmp_path, monkeypatch):
    monkeypatch.setattr(chunk_writer, "ThreadPoolExecutor", no_pool)
    with zarr.config.set({"threading.max_workers": 4}):
        assert encoded_in(tmp_path, 1) == {threading.current_thread().name}


def test_there_are_no_more_threads_than_zarr_may_have_and_none_stays(tmp_path):
    before = set(threading.enumerate())
    with zarr.config.set({"threading.max_workers": 2}):
        names = encoded_in(tmp_path, 12)
    assert 1 <= len(names) <= 2
    assert threading.current_thread().name not in names
    assert not [thread for thread in set(threading.enumerate()) - before if "encode" in thread.name]


@pytest.mark.parametrize("cores", [1, 3])
def test_without_a_setting_there_are_as_many_threads_as_cores(tmp_path, monkeypatch, cores):
    pools = []

    class Pool(chunk_writer.ThreadPoolExecutor):
        def __init__(self, n_threads, name):
            pools.append(n_threads)
            super().__init__(n_threads, name)

    monkeypatch.setattr(chunk_writer, "ThreadPoolExecutor", Pool)
    monkeypatch.setattr(chunk_writer, "usable_cores", lambda: cores)
    with zarr.config.set({"threading.max_workers": None}):
        encoded_in(tmp_path, 6)
    assert pools == ([] if cores == 1 else [cores])
