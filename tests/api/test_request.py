"""What a caller asks for, put together once."""

from __future__ import annotations

import numpy as np
import pytest

import geopatcher as gp
from geopatcher.api.area import Extent
from geopatcher.api.axes import Axes
from geopatcher.api.destination import Destination
from geopatcher.api.request import Conduct, Request, job_for
from geopatcher.errors import IncompleteScanConfiguration, MemoryLimitError
from geopatcher.fields.array_source import ArraySource
from geopatcher.planning.reading import Reading

SOURCE = ArraySource.of(np.zeros((3, 40, 60), "uint8"))
PLAIN = {
    "to": Destination(),
    "chunks": 16,
    "layers": (),
    "dtype": None,
    "nodata": None,
    "batch_size": 1,
    "memory_limit": "1GiB",
    "extent": Extent(),
}


def request_of(*, axes=None, **change):
    return Request.of(axes or Axes.of(8, None, "hann", "mean", "cover"), Reading(), **{**PLAIN, **change})


def test_blocks_are_chunks_or_the_shards_that_hold_them(tmp_path):
    assert request_of(chunks=(16, 32)).blocks == (16, 32)
    sharded = request_of(to=Destination(tmp_path / "x.zarr", gp.ZarrStorage(shards=(32, 64))))
    assert sharded.blocks == (32, 64)
    assert sharded.output.chunks == (16, 16)
    assert sharded.plan(SOURCE).chunks == (32, 64)


def test_limits_and_layers_are_resolved():
    request = request_of(memory_limit="64MiB", layers=("count", "weight"))
    assert request.memory_limit == 64 << 20
    assert list(request.layers) == ["count", "weight"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"batch_size": 0}, 'batch_size must be 1 or more, or "auto", not 0'),
        ({"memory_limit": "lots"}, "lots"),
        ({"layers": ("depth",)}, "depth"),
        ({"chunks": 0}, "chunks"),
        ({"to": Destination("x.zarr", gp.ZarrStorage(shards=24))}, "do not hold whole chunks"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_opened(change, words):
    with pytest.raises(ValueError, match=words):
        request_of(**change)


def test_the_bands_of_the_result_count_in_the_plan():
    request = request_of(dtype="float64")
    few, many = request.plan(SOURCE, 1), request.plan(SOURCE, 50)
    assert many.disk_bytes == 50 * few.disk_bytes == 50 * 40 * 60 * 8
    assert many.memory_bytes > few.memory_bytes


def test_a_job_is_what_was_asked_for():
    job = job_for(request_of(batch_size=4, layers=("count",)), Conduct(timeout_s=3.0), SOURCE, np.negative)
    assert (job.name, job.batch_size, job.timeout_s, list(job.layers)) == ("negative", 4, 3.0, ["count"])
    assert job.skip_empty is False  # the source has no nodata
    assert job.plan == request_of(batch_size=4, layers=("count",)).plan(SOURCE)


def test_what_is_no_job():
    axes = Axes.of(8, None, "hann", gp.SpatialMeanStd(), "cover")
    with pytest.raises(TypeError, match="SpatialMeanStd gives no value per pixel: use the patcher's merge"):
        job_for(request_of(axes=axes), Conduct(), SOURCE, np.negative)
    gaps = Axes.of(8, 16, "boxcar", "mean", "cover")
    with pytest.raises(IncompleteScanConfiguration):
        job_for(request_of(axes=gaps), Conduct(), SOURCE, np.negative)
    assert job_for(request_of(axes=gaps), Conduct(allow_gaps=True), SOURCE, np.negative).plan.n_patches > 0
    large = Axes.of(4096, None, "boxcar", "mean", "pad")
    with pytest.raises(MemoryLimitError, match=r"4096x4096.* memory_limit is"):
        job_for(request_of(axes=large, memory_limit="16MiB"), Conduct(), SOURCE, np.negative)
