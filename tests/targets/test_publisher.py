"""How a complete result appears at its place."""

from __future__ import annotations

import numpy as np
import pytest

from geopatcher.core.box import Box
from geopatcher.core.domain import RasterDomain, ResultSpec
from geopatcher.errors import TargetExistsError
from geopatcher.targets.disk import CogTarget, ZarrTarget

SPEC = ResultSpec(RasterDomain((16, 16), dtype=np.dtype("uint8")), (16, 16), 0)


def assembled(target, value):
    sink = target.begin(SPEC, replace=True)
    sink.write([(Box(0, 16, 0, 16), {"data": np.full((1, 16, 16), value, "uint8")})])
    target.publisher.assemble()
    return target.publisher


@pytest.fixture(params=[ZarrTarget, CogTarget], ids=["zarr", "tif"])
def target(request, tmp_path):
    made = request.param(tmp_path / ("x.zarr" if request.param is ZarrTarget else "x.tif"))
    yield made
    made.work.release()


def value_of(publisher):
    return np.asarray(publisher.open(SPEC).arrays["data"])[3, 4]


def test_nothing_is_at_the_place_before_it_is_published(target):
    publisher = assembled(target, 5)
    assert not publisher.place.exists()
    assert not publisher.replaces
    assert publisher.product.exists()
    publisher.publish(replace=False)
    assert not publisher.product.exists()
    assert value_of(publisher) == 5


def test_what_came_there_meanwhile_is_replaced_only_if_that_is_said(target):
    assembled(target, 5).publish(replace=False)
    publisher = assembled(target, 6)
    assert publisher.is_taken
    assert publisher.replaces
    with pytest.raises(TargetExistsError, match=r"was not there when the run began.*complete in .*overwrite"):
        publisher.publish(replace=False)
    assert value_of(publisher) == 5
    publisher.publish(replace=True)
    assert value_of(publisher) == 6
    assert not (target.work.own / "replaced").exists()


def test_an_empty_folder_takes_no_place_and_one_with_things_in_it_does(target):
    place = target.publisher.place
    place.mkdir()
    assert not target.publisher.is_taken
    target.publisher.require_replaceable()
    (place / "precious").write_text("x")
    assert target.publisher.is_taken
    with pytest.raises(TargetExistsError):
        target.publisher.require_replaceable()


def test_where_files_are(tmp_path):
    zarr, tiff = ZarrTarget(tmp_path / "x.zarr").publisher, CogTarget(tmp_path / "x.tif").publisher
    assert (zarr.file_of("data"), zarr.file_of("count")) == (tmp_path / "x.zarr", tmp_path / "x.zarr")
    assert (tiff.file_of("data"), tiff.file_of("count")) == (tmp_path / "x.tif", tmp_path / "x.count.tif")
    assert (zarr.ledger.name, tiff.ledger.name) == ("x.zarr.ledger.jsonl", "x.tif.ledger.jsonl")
