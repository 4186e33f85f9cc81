"""Several that write into one bucket: leases, orphans, workers and threads."""

from __future__ import annotations

import json
import pickle
import threading
import time

import numpy as np
import pytest

import geopatcher as gp
from bucket_cases import (
    Overtaken,
    interrupted,
    kill,
    objects,
    spawned,
)
from bucket_run import Double, run
from bucket_store import CHUNK, KEY, TARGET, beside, local
from geopatcher.core.box import Box
from geopatcher.errors import TargetError, TargetLockedError
from geopatcher.runs.ledger.book import read_ledger
from geopatcher.targets.open import target_for

pytestmark = pytest.mark.once

__all__ = ["local"]  # a fixture


def test_two_writers_and_a_lease_that_ends(bucket, local, tmp_path):
    process = spawned(TARGET, tmp_path, delay_s=0.05, lease_s=3.0)
    try:
        deadline = time.monotonic() + 300
        while bucket.head(f"{KEY}.lock") is None:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(3.5)  # it is renewed
        with pytest.raises(
            TargetLockedError, match=rf"{TARGET} is being written by process {process.pid} on .* s ago: wait"
        ):
            run(TARGET)
    finally:
        kill(process)
    held = json.loads(bucket.get(f"{KEY}.lock"))
    elsewhere = {**held, "machine": "another", "host": "far-away"}  # of which nobody knows what lives there
    bucket.put(f"{KEY}.lock", json.dumps(elsewhere).encode())
    with pytest.raises(TargetLockedError, match="on far-away, which started at"):
        run(TARGET)
    time.sleep(4.5)
    run(TARGET)
    assert objects(bucket, KEY) == local
    assert beside(bucket) == []


def test_who_loses_the_lease_publishes_nothing(bucket, local):
    with pytest.raises(TargetError, match="the run this was for has ended or was taken over"):
        run(TARGET, Overtaken(bucket, KEY, 120))
    assert json.loads(bucket.get(f"{KEY}.lock"))["run"] == "another", "it is not ours to remove"
    assert f"{KEY}/zarr.json" not in objects(bucket, KEY)
    bucket.remove([f"{KEY}.lock"])
    run(TARGET, Overtaken(bucket, KEY))
    assert objects(bucket, KEY) == local


def test_a_worker_that_outlives_its_run_writes_nothing_into_the_next(bucket, local):
    interrupted(TARGET)
    target = target_for(TARGET, overwrite=False)
    orphan = pickle.dumps(target.blocks.open(read_ledger(target.publisher.ledger).header.spec))
    late = [(Box(0, 64, 64, 128), {"data": np.ones((2, 64, 64), "float32")})]
    with pytest.raises(TargetError, match="the run this was for has ended or was taken over"):
        pickle.loads(orphan).write(late)  # noqa: S301 - our own
    run(TARGET)
    # One that had looked before its run was taken over puts where there is something already.
    assert bucket.put_new(CHUNK, b"late") is None
    assert objects(bucket, KEY) == local


def test_what_an_orphan_of_another_run_has_put_is_replaced(bucket, local):
    class Late(Double):
        def __call__(self, patch):
            if self.count == 0:
                bucket.put(CHUNK, b"of another operator")
            return super().__call__(patch)

    run(TARGET, Late())
    assert objects(bucket, KEY) == local


def test_processes_write_by_themselves(bucket, local):
    operator = Double()
    result = run(TARGET, operator, workers=2)
    assert operator.count == 0
    assert objects(bucket, KEY) == local
    assert result.stats.patches >= result.plan.n_patches


def test_dask_workers_write_with_the_credentials_of_their_environment(bucket, server, local):
    distributed = pytest.importorskip("distributed")
    theirs = {"AWS_ACCESS_KEY_ID": "AKIDOFAWORKER0", "AWS_SECRET_ACCESS_KEY": "another-secret"}
    options = {"n_workers": 1, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with (
        distributed.LocalCluster(**options, env=theirs, silence_logs=50) as cluster,
        distributed.Client(cluster) as client,
    ):
        run(TARGET, executor=gp.executors.DaskExecutor(client))
    assert objects(bucket, KEY) == local
    signed = [
        headers.get("authorization", headers.get("Authorization", ""))
        for method, path, headers in server.log
        if method == "PUT" and "/data/c/" in path
    ]
    assert signed
    assert all("Credential=AKIDOFAWORKER0/" in said for said in signed)


def test_two_threads_of_a_process_are_two_writers(bucket, local):
    begun, errors = threading.Event(), []

    class Slow(Double):
        def __call__(self, patch):
            begun.set()
            return super().__call__(patch)

    thread = threading.Thread(target=run, args=(TARGET, Slow(delay_s=0.01)))
    thread.start()
    begun.wait(30)
    try:
        run(TARGET)
    except TargetLockedError as error:
        errors.append(error)
    thread.join()
    assert len(errors) == 1
    assert objects(bucket, KEY) == local
