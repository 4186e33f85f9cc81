"""The journal of patches, for loops of one's own."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import geopatcher
from geopatcher.api.journal import PatchJournal
from geopatcher.errors import SourceError, TargetError
from geopatcher.fields.array_source import ArraySource
from geopatcher.fields.raster import RasterField

IMAGE = np.arange(64 * 48, dtype="float32").reshape(1, 64, 48)


def patcher(**how):
    return geopatcher.SpatialPatcher(
        geopatcher.SpatialRectangular(16),
        geopatcher.SpatialRegularStride(16),
        geopatcher.SpatialBoxcar(),
        geopatcher.SpatialOverlapAdd(),
        **how,
    )


def test_a_loop_that_stopped_goes_on_with_what_is_left(tmp_path):
    done = []
    for stop_after in (5, 100):
        with PatchJournal(tmp_path / "j.jsonl") as journal:
            stream = patcher().split(IMAGE, journal=journal)
            assert len(stream) == 12 - len(done)
            for count, patch in enumerate(stream, start=1):
                np.testing.assert_array_equal(
                    patch.data[0], IMAGE[0][patch.anchor[0] :, patch.anchor[1] :][:16, :16]
                )
                done.append(patch.anchor)
                journal.commit(patch.anchor, status="done", runtime_s=0.1)
                if count == stop_after:
                    break
    assert done == list(patcher().anchors(IMAGE))


def test_commits_are_kept_in_readable_lines(tmp_path):
    place = tmp_path / "j.jsonl"
    journal = PatchJournal(place)
    journal.commit((np.int64(3), 4), status="done", runtime_s=1.5, output_uri="s3://b/3_4.tif")
    line = json.loads(place.read_text())
    assert line["anchor"] == [3, 4]
    assert (line["status"], line["runtime_s"], line["output_uri"], line["error"]) == (
        "done",
        1.5,
        "s3://b/3_4.tif",
        None,
    )
    assert journal.has((3, 4))
    assert len(PatchJournal(place)) == 1


def test_the_last_commit_of_a_patch_counts(tmp_path):
    place = tmp_path / "j.jsonl"
    journal = PatchJournal(place)
    journal.commit((0, 0), status="failed", runtime_s=0)
    assert not journal.has((0, 0))
    journal.commit((0, 0), status="done", runtime_s=0)
    assert journal.has((0, 0))
    journal.commit((0, 0), status="done", runtime_s=0, error="OSError: on second thought")
    assert not journal.has((0, 0))
    assert not PatchJournal(place).has((0, 0))


@given(cut=st.integers(0, 10**6))
def test_a_torn_line_is_left_out_and_the_next_one_is_whole(tmp_path_factory, cut):
    place = tmp_path_factory.mktemp("j") / "j.jsonl"
    journal = PatchJournal(place)
    for col in range(3):
        journal.commit((0, col), status="done", runtime_s=0)
    whole = place.read_bytes()
    cut %= len(whole) + 1
    place.write_bytes(whole[:cut])
    again = PatchJournal(place)
    kept = sum(
        len(line) <= cut for line in (b"".join(whole.splitlines(keepends=True)[: n + 1]) for n in range(3))
    )
    assert kept <= len(again) <= kept + 1  # a line that lacks its end only says what it says
    again.commit((9, 9), status="done", runtime_s=0)
    assert PatchJournal(place).has((9, 9))
    assert len(PatchJournal(place)) == len(again)


def test_hostile_lines_say_nothing(tmp_path):
    place = tmp_path / "j.jsonl"
    place.write_bytes(
        b'{"anchor": [0, "0"]}\n[1, 2]\n\x00\xff\n'
        + b"[" * 100_000
        + b'\n{"anchor": 1}\n{"anchor": [1, 2, 3]}\n'
        b'{"anchor": [true, 5], "status": "done"}\n'
        b'{"anchor": [6, 5], "status": ["done"]}\n'
        b'{"anchor": [7, 5], "status": {}}\n'
        b'{"anchor": [8, 5], "status": null}\n'
        b'{"anchor": [9, 1e99], "status": "done"}\n'
        b'{"anchor": [' + b"9" * 5000 + b', 5], "status": "done"}\n'
        b'{"anchor": [5, 5], "status": "done", "error": null}\n'
    )
    journal = PatchJournal(place)
    assert (len(journal), journal.has((5, 5))) == (1, True)


def test_a_line_of_any_length_takes_little_and_the_ones_behind_it_count(tmp_path):
    place = tmp_path / "j.jsonl"
    with place.open("wb") as file:
        file.write(b'{"anchor": [' + b"{}," * 2_000_000 + b"\n")
        for _ in range(40):
            file.write(b" " * (1 << 20))
        file.write(b'{"anchor": [1, 1], "status": "done"}\n{"anchor": [2, 2], "status": "done"}\n')
    tracemalloc.start()
    try:
        journal = PatchJournal(place)
        assert tracemalloc.get_traced_memory()[1] < 60 << 20
    finally:
        tracemalloc.stop()
    assert (len(journal), journal.has((2, 2))) == (1, True)
    journal.commit((3, 3), status="done", runtime_s=0)
    assert len(PatchJournal(place)) == 2


def test_threads_and_processes_share_a_file(tmp_path):
    place = tmp_path / "j.jsonl"
    journal = PatchJournal(place)
    child = (
        "import sys; from geopatcher.api.journal import PatchJournal\n"
        "journal = PatchJournal(sys.argv[1])\n"
        "for col in range(200): journal.commit((1, col), status='done', runtime_s=0)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", child, str(place)])

    def commit(row):
        for col in range(50):
            journal.commit((row, col), status="done", runtime_s=0)

    threads = [threading.Thread(target=commit, args=(row,)) for row in (2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert process.wait(60) == 0
    assert len(journal) == 100
    assert len(PatchJournal(place)) == 300


def test_uris(tmp_path):
    with PatchJournal((tmp_path / "with space.jsonl").as_uri()) as journal:
        assert journal.path == tmp_path / "with space.jsonl"
    assert PatchJournal(Path(tmp_path / "other.jsonl")).path.exists()
    with pytest.raises(ValueError, match="a journal is a local file, not 's3://bucket/j'"):
        PatchJournal("s3://bucket/j")
    with pytest.raises(TargetError, match=r"cannot open the journal .*missing/j.jsonl"):
        PatchJournal(tmp_path / "missing" / "j.jsonl")


def test_a_full_disk_names_the_journal_and_spoils_nothing(tmp_path):
    journal = PatchJournal(tmp_path / "j.jsonl")
    journal.commit((0, 0), status="done", runtime_s=0)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (journal.path.stat().st_size + 20, before[1]))
    try:
        with pytest.raises(TargetError, match=r"cannot write the journal .*j.jsonl"):
            journal.commit((0, 1), status="done", runtime_s=0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not journal.has((0, 1))
    journal.commit((0, 2), status="done", runtime_s=0)
    again = PatchJournal(journal.path)
    assert (again.has((0, 0)), again.has((0, 1)), again.has((0, 2))) == (True, False, True)


@pytest.mark.parametrize("place", ["/dev/full", "/dev/zero", "."])
def test_what_is_no_file_is_no_journal(place):
    with pytest.raises(TargetError, match="is not a file"):
        PatchJournal(place)


# -- what else split does with patches that fail --------------------------------------------------


class Holed(ArraySource):
    def read(self, box):
        if box.intersect(geopatcher.Box(16, 32, 16, 32)).n_pixels:
            raise OSError("a hole")
        return super().read(box)


def holed():
    domain = geopatcher.RasterDomain(IMAGE.shape, dtype=IMAGE.dtype)
    return RasterField(Holed(IMAGE, domain, "holed", (16, 16)))


def test_split_raises_skips_or_masks():
    with pytest.raises(SourceError, match="a hole"):
        list(patcher().split(holed()))
    skipping = patcher(on_error="skip")
    anchors = [patch.anchor for patch in skipping.split(holed())]
    assert anchors == [anchor for anchor in patcher().anchors(IMAGE) if anchor != (16, 16)]
    assert [(e.anchor, e.stage) for e in skipping.errors] == [((16, 16), "read")]
    masked = {patch.anchor: patch.data for patch in patcher(on_error="mask").split(holed())}
    assert np.isnan(masked[16, 16]).all()
    assert masked[16, 16].shape == (1, 16, 16)
    np.testing.assert_array_equal(masked[0, 0], IMAGE[:, :16, :16])


def test_fractions_of_pixels_are_no_anchor(tmp_path):
    journal = PatchJournal(tmp_path / "journal.jsonl")
    with pytest.raises(TypeError, match="in whole pixels, not"):
        journal.commit((0.7, 0), status="done", runtime_s=1.0)
    with pytest.raises(TypeError, match="in whole pixels, not"):
        journal.has((0.7, 0))
    journal.commit(np.array([3, 4]), status="done", runtime_s=1.0)
    assert journal.has((3, 4))
