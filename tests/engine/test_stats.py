"""What a run did, and where its time went."""

from __future__ import annotations

import json
import threading

import numpy as np
import pytest

import geopatcher as gp
from geopatcher.engine.resident import peak_rss_bytes
from geopatcher.engine.stats import STAGES, RunStats


def test_stages_add_up_from_any_thread():
    stats = RunStats()
    threads = [
        threading.Thread(target=lambda: [stats.spend("read", 0.5) for _ in range(1000)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stats.seconds["read"] == 2000.0


def test_a_stage_counts_its_time_even_when_it_fails():
    stats = RunStats()
    with pytest.raises(KeyError), stats.stage("write"):
        raise KeyError
    assert stats.seconds["write"] > 0
    assert stats.seconds["read"] == 0


def test_parts_of_a_run_add_up():
    first = RunStats(patches=2, skipped=1, blocks=3, bytes_read=10, bytes_written=5, peak_bytes=7)
    second = RunStats(patches=5, failed=1, blocks=1, bytes_read=30, bytes_written=15, peak_bytes=4)
    second.spend("operate", 1.5)
    first.source_bytes, first.target_bytes = 40, 10
    first.add(second)
    assert (first.patches, first.skipped, first.failed, first.blocks) == (7, 1, 1, 4)
    assert (first.read_amplification, first.write_amplification) == (1.0, 2.0)
    assert first.seconds["operate"] == 1.5
    assert first.peak_bytes == 7


def test_without_a_source_nothing_is_amplified():
    assert (RunStats().read_amplification, RunStats().write_amplification) == (0.0, 0.0)


def test_a_run_fills_every_number():
    image = np.random.default_rng(0).random((2, 300, 200))
    stats = gp.reconstruct(image, lambda x: x, size=64, step=32, chunks=128).stats
    known = json.loads(json.dumps(stats.as_dict()))
    assert known["patches"] == stats.patches == 9 * 6
    assert known["blocks"] == 3
    assert known["bytes_read"] == known["source_bytes"] == image.nbytes
    assert known["bytes_written"] == known["target_bytes"] == image.nbytes
    assert (known["read_amplification"], known["write_amplification"]) == (1.0, 1.0)
    assert set(known["seconds"]) == set(STAGES)
    assert all(seconds > 0 for seconds in known["seconds"].values())
    assert known["elapsed"] > 0
    assert known["peak_bytes"] > 10 << 20
    assert "_lock" not in known


def test_the_peak_is_in_bytes():
    before = peak_rss_bytes()
    ballast = np.ones(100 << 17)  # 100 MiB
    assert peak_rss_bytes() >= ballast.nbytes
    assert before > 1 << 20
