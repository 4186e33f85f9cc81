"""What travels to other processes, what does not, and what is said of it."""

from __future__ import annotations

import functools
import threading
import types

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import far
import geopatcher as gp
from geopatcher import _optional
from geopatcher.engine.prepare import name_of
from geopatcher.errors import GeopatcherError, OperatorError, SourceError, TransportError
from geopatcher.executors.workers.pickling import Carried, WorkerTraceback, pack, unpack
from geopatcher.executors.workers.region_task import pack_job
from geopatcher.formats.dataset_pool import HandlePool
from geopatcher.operators.named import NamedOperator


@pytest.fixture
def without_cloudpickle(monkeypatch):
    """As if cloudpickle were not installed."""
    load = _optional.load

    def refuse(module):
        if module == "cloudpickle":
            raise gp.MissingExtraError("no cloudpickle")
        return load(module)

    monkeypatch.setattr("geopatcher.executors.workers.pickling.load", refuse)


def through(value):
    return unpack(pack(value))


@given(st.integers(), st.lists(st.floats(allow_nan=False)))
def test_closures_and_lambdas_travel(number, numbers):
    operator = through(lambda x: (x + number, numbers))
    assert operator(1) == (1 + number, numbers)


def test_partials_masked_operators_and_aggregations_travel():
    assert through(functools.partial(np.add, 2))(3) == 5
    masked = through(gp.masked(lambda patch: patch.filled(7)))
    assert masked.wants_mask
    assert masked(np.ma.masked_all(2)).tolist() == [7, 7]
    config = through(gp.SpatialOverlapAdd()).get_config()
    assert config == gp.SpatialOverlapAdd().get_config()


def test_what_is_imported_travels_by_name():
    assert through(far.bend) is far.bend
    assert b"bend" in pack(far.bend)
    assert len(pack(far.bend)) < 100


def test_a_named_operator_travels_as_its_name():
    named = NamedOperator("far:bend")
    assert through(named).reference == "far:bend"
    assert b"far:bend" in pack(named)
    assert name_of(named) == name_of(far.bend)
    assert not named.wants_mask
    patch = np.ones((1, 2, 2), "float32")
    assert (named(patch) == far.bend(patch)).all()


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("far", "is not module:function"),
        ("far:", "is not module:function"),
        ("far:bend()", "is not module:function"),
        ("no_such_module:f", "cannot be imported: No module named 'no_such_module'"),
        ("far:no_such_function", "module far has no no_such_function"),
        ("far:os.path.nothing", "module far has no os.path.nothing"),
        ("far:signal", "is a module, not a function"),
    ],
)
def test_wrong_names_are_told(reference, message):
    with pytest.raises(OperatorError, match=message):
        NamedOperator(reference)


def job_of(operator, source=None, aggregation=None):
    """The job of a run, as an executor is given it."""
    taken = []

    class Takes(far.InlineExecutor):
        def run(self, job, target):
            taken.append(job)
            raise KeyError

    image = np.zeros((8, 8), "float32") if source is None else source
    with pytest.raises(KeyError):
        gp.reconstruct(image, operator, size=4, aggregation=aggregation or "mean", executor=Takes((1, 1)))
    return taken[0]


class Holds:
    def __init__(self, thing):
        self.thing = thing

    def __call__(self, patch):
        return patch


def test_an_operator_that_cannot_travel_is_named():
    with pytest.raises(TransportError, match=r"the operator Holds cannot travel .*lock.* module:function"):
        pack_job(job_of(Holds(threading.Lock())))


def test_an_aggregation_that_cannot_travel_is_named():
    lock = threading.Lock()
    aggregation = gp.SpatialWeightedSum(lambda data: (lock, np.ones(data.shape[-2:]))[1])
    with pytest.raises(TransportError, match="the aggregation .* cannot travel"):
        pack_job(job_of(far.bend, aggregation=aggregation))


def test_credentials_do_not_travel():
    secretive = types.new_class("S3Store", (), {}, lambda space: space.update(__module__="obstore.store"))
    with pytest.raises(TransportError, match=r"a obstore\.store\.S3Store would carry its credentials"):
        pack_job(job_of(Holds(secretive())))
    with pytest.raises(TransportError, match=r"the operator Holds cannot travel .*rasterio.session"):
        pack_job(job_of(Holds(session())))


def session():
    made = types.new_class("AWSSession", (), {}, lambda space: space.update(__module__="rasterio.session"))
    return made()


def test_open_handles_do_not_travel():
    assert isinstance(through(HandlePool(3)), HandlePool)


def test_what_hears_of_a_job_stays(tmp_path):
    class Hears:
        lock = threading.Lock()

        def __init__(self):
            self.lock = threading.Lock()

        def on_patch_start(self, anchor):
            pass

    job = job_of(far.bend)
    heard = type(job)(
        **{**vars(job), "hooks": gp.hooks.Hooks.of(Hears()), "advance": Holds(threading.Lock())}
    )
    served = unpack(pack_job(heard))
    assert served.job.hooks, "it is known that somebody listens"
    assert not served.job.hooks.patch_starts


def test_without_cloudpickle_modules_travel_and_scripts_do_not(without_cloudpickle):
    assert through(far.bend) is far.bend
    local = types.FunctionType(far.bend.__code__, {"__name__": "__main__"}, "predict")
    local.__module__, local.__qualname__ = "__main__", "predict"
    with pytest.raises(TransportError, match=r"predict is defined in the script itself .* pip install"):
        pack_job(job_of(local))
    with pytest.raises(TransportError, match="the operator .*<lambda> cannot travel"):
        pack_job(job_of(lambda x: x))


def test_what_cannot_be_put_together_is_told():
    with pytest.raises(TransportError, match="No module named 'gone_module'.*importable in every worker"):
        unpack(b"cgone_module\nf\n.")


class Unfriendly(Exception):  # noqa: N818
    def __reduce__(self):
        raise TypeError("not made to travel")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ValueError("a"), ValueError),
        (SourceError("no file"), SourceError),
        (OperatorError("f failed"), OperatorError),
        (Unfriendly("1 2"), GeopatcherError),
        (OSError(28, "No space left"), OSError),
    ],
)
def test_errors_arrive_with_their_message_and_where_they_came_from(error, kind):
    with pytest.raises(type(error)) as caught:
        fail(error)
    revived = through(Carried(caught.value)).revive()
    assert isinstance(revived, kind)
    assert str(error) in str(revived)
    assert isinstance(revived.__cause__, WorkerTraceback)
    assert "in fail" in str(revived.__cause__)


def fail(error):
    raise error
