from __future__ import annotations

import threading

import numpy as np
import pytest

from geopatcher.core.box import Box
from geopatcher.errors import OperatorError, TransportError
from geopatcher.executors.workers.pickling import pack

distributed = pytest.importorskip("distributed")

from geopatcher.executors.workers.dask_worker import JobPlugin, Said, serve_region  # noqa: E402 - needs the extra
from geopatcher.executors.workers.process_main import Done, Failed  # noqa: E402


class Serves:
    """Tells of two rows and returns the region; or fails."""

    def __init__(self, error=None):
        self.error = error

    def __call__(self, assignment, channel):
        assert not channel.stop_requested()
        channel.tell("begins")
        if self.error == "limit":
            with channel.limited([(0, 0)], 3.0):
                raise AssertionError
        if self.error:
            raise OperatorError(self.error)
        return assignment.region


@pytest.fixture(scope="module")
def client():
    options = {"n_workers": 1, "threads_per_worker": 1, "processes": False, "dashboard_address": None}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as client:
        yield client


def test_what_was_sent_is_one_for_each_thread():
    plugin = JobPlugin(pack({"cells": np.arange(3)}))
    plugin.setup(None)
    first, others = plugin.content(), []
    thread = threading.Thread(target=lambda: others.append(plugin.content()))
    thread.start()
    thread.join()
    assert plugin.content() is first
    assert others[0] is not first
    np.testing.assert_array_equal(others[0]["cells"], first["cells"])


@pytest.mark.parametrize("error", [None, "no luck", "limit"])
def test_a_task_says_all_at_its_end(client, error):
    client.register_plugin(JobPlugin(pack(Serves(error))), name=f"job {error}")
    said = client.submit(serve_region, f"job {error}", None, (0, 8, 4, 12), pure=False).result(timeout=30)
    assert isinstance(said, Said)
    assert said.messages == ["begins"]
    if error is None:
        assert said.event == Done(Box(0, 8, 4, 12))
        return
    assert isinstance(said.event, Failed)
    raised = said.event.carried.revive()
    assert isinstance(raised, TransportError if error == "limit" else OperatorError)
    if error == "limit":
        assert "no time limit of 3.0 s can be kept on a Dask worker" in str(raised)
    else:
        assert str(raised) == error
