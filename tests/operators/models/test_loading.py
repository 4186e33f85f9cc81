"""Models that are loaded when they are needed, and once."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from geopatcher.operators.models.loading import Holder
from geopatcher.operators.models.protocol import Settings
from networks import ConvNet

PATCH = np.ones((1, 3, 8, 8), "float32")


@pytest.fixture
def holder(tmp_path):
    return Holder(ConvNet.random().save(tmp_path / "net.onnx"), Settings())


def test_threads_and_copies_of_a_process_share_what_is_loaded(holder):
    copies = [holder, *(pickle.loads(pickle.dumps(holder)) for _ in range(3))]  # noqa: S301 - our own bytes
    with ThreadPoolExecutor(4) as pool:
        runtimes = list(pool.map(Holder.runtime, copies))
    assert all(runtime is runtimes[0] for runtime in runtimes)


def test_it_is_loaded_again_after_it_was_closed(holder):
    before = holder.runtime().run(PATCH)["scores"]
    holder.close()
    np.testing.assert_array_equal(holder.runtime().run(PATCH)["scores"], before)


def test_the_same_weights_are_kept_and_other_ones_loaded(holder):
    holder.digest()
    runtime = holder.runtime()
    holder.digest()
    assert holder.runtime() is runtime
    ConvNet.random(seed=5).save(holder.model)
    holder.digest()
    assert holder.runtime() is not runtime
