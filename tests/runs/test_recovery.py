"""What an earlier run left at a target: returned, refused, replaced or mended."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

import geopatcher
from doubling import IMAGE, TARGETS, Double, Picky, begun, begun_ledger, names, run, values
from geopatcher.errors import OperatorError, TargetError, TargetExistsError
from geopatcher.runs.ledger.book import read_ledger
from stored import tree


@pytest.fixture(scope="module")
def truth():
    return values(run(None))


# -- being done -----------------------------------------------------------------------------------


@TARGETS
def test_a_finished_result_is_returned_and_nothing_is_computed(tmp_path, name, truth):
    first = run(tmp_path / name)
    operator = Double()
    seen = tree(tmp_path)
    result = run(tmp_path / name, operator)
    assert operator.calls == 0
    assert np.array_equal(values(result), truth)
    assert result.stats.notes[0].startswith("complete since 20")
    assert (result.stats.patches, result.path) == (first.stats.patches, first.path)
    assert str(result.domain) == str(first.domain)  # whose nodata is NaN, which equals nothing
    assert tree(tmp_path) == seen


@TARGETS
def test_other_arguments_are_refused_each_by_name(tmp_path, name):
    run(tmp_path / name)
    before = tree(tmp_path)
    storage = (
        ({"storage": geopatcher.ZarrStorage("zstd-9")}, r"result.codec was zstd and is zstd-9")
        if name == "x.zarr"
        else ({"storage": geopatcher.CogStorage(level=9)}, r"result.level was None and is 9")
    )
    for change, said in [
        storage,
        ({"step": 8}, r"plan.step was 16x16 and is 8x8"),
        ({"window": "boxcar"}, r"window.weights was \w+ and is \w+"),
        ({"dtype": "uint8"}, r"result.dtype was None and is uint8"),
        ({"image": IMAGE + 1}, r"source.cells was \w+ and is \w+"),
        ({"operator": np.copy}, r"operator was double and is copy"),
        ({"aggregation": "max"}, r"aggregation was .*OverlapAdd.* and is .*Max"),
    ]:
        with pytest.raises(TargetExistsError, match=f"was made by another run: .*{said}") as caught:
            run(tmp_path / name, **change)
        assert "overwrite=True (--overwrite)" in str(caught.value)
    assert tree(tmp_path) == before


def test_an_unfinished_target_of_another_run_is_refused_too(tmp_path):
    begun(tmp_path / "x.zarr")
    before = tree(tmp_path)
    with pytest.raises(
        TargetExistsError, match="was begun by another run, not yet complete: plan.step was 16x16"
    ):
        run(tmp_path / "x.zarr", step=8)
    assert tree(tmp_path) == before


def test_how_a_run_is_carried_out_makes_no_difference(tmp_path):
    begun(tmp_path / "x.zarr")
    result = run(tmp_path / "x.zarr", memory_limit="2GiB", max_retries=3, progress=False, hooks=[])
    assert result.stats.notes


@TARGETS
def test_overwrite_begins_anew_and_keeps_the_old_result_until_then(tmp_path, name, truth):
    run(tmp_path / name, dtype="float64")
    with pytest.raises(OperatorError):
        run(tmp_path / name, Double(100), overwrite=True)
    assert values(run(tmp_path / name, dtype="float64")).dtype == np.float64
    operator = Double()
    result = run(tmp_path / name, operator, overwrite=True)
    assert operator.calls < result.plan.n_patches  # an unfinished run with overwrite is gone on with
    assert np.array_equal(values(result), truth)
    assert names(tmp_path) == [name, f"{name}.ledger.jsonl"]
    anew = Double()
    run(tmp_path / name, anew, overwrite=True)
    assert anew.calls == result.plan.n_patches


def test_resume_false_begins_anew_and_still_overwrites_nothing(tmp_path, truth):
    begun(tmp_path / "x.zarr")
    operator = Double()
    result = run(tmp_path / "x.zarr", operator, resume=False)
    assert operator.calls == result.plan.n_patches
    assert np.array_equal(values(result), truth)
    with pytest.raises(TargetExistsError, match=r"x.zarr exists: choose another target"):
        run(tmp_path / "x.zarr", resume=False)


@TARGETS
def test_what_has_no_ledger_is_never_touched(tmp_path, name):
    (tmp_path / name).mkdir()
    (tmp_path / name / "precious").write_text("data")
    with pytest.raises(TargetExistsError, match=f"{name} exists"):
        run(tmp_path / name)
    assert tree(tmp_path) == {f"{name}/precious": b"data"}


def test_a_folder_with_the_name_of_the_working_folder_is_never_removed(tmp_path):
    (tmp_path / "x.zarr.partial").mkdir()
    (tmp_path / "x.zarr.partial" / "precious").write_text("data")
    for overwrite in (False, True):
        with pytest.raises(TargetError, match=r"x.zarr.partial is in the way and was not made by a run"):
            run(tmp_path / "x.zarr", overwrite=overwrite)
    assert tree(tmp_path) == {"x.zarr.partial/precious": b"data"}


@TARGETS
def test_a_result_replaced_behind_the_ledgers_back_is_refused(tmp_path, name):
    run(tmp_path / name)
    other = geopatcher.reconstruct(IMAGE[:1, :50], np.copy, tmp_path / f"other-{name}", size=32)
    shutil.rmtree(tmp_path / name) if name == "x.zarr" else (tmp_path / name).unlink()
    other.path.rename(tmp_path / name)
    with pytest.raises(TargetError, match=r"it was replaced; choose another target, or pass overwrite=True"):
        run(tmp_path / name)


def test_a_result_that_was_deleted_is_made_again(tmp_path, truth):
    run(tmp_path / "x.zarr")
    shutil.rmtree(tmp_path / "x.zarr")
    assert np.array_equal(values(run(tmp_path / "x.zarr")), truth)


def test_a_damaged_ledger_is_refused_unless_overwrite_is_set(tmp_path, truth):
    begun(tmp_path / "x.zarr")
    begun_ledger(tmp_path / "x.zarr").write_bytes(b"\x80\x04cos\nsystem\n")
    with pytest.raises(TargetError, match=r"is not a ledger that can be continued.*overwrite=True"):
        run(tmp_path / "x.zarr")
    assert np.array_equal(values(run(tmp_path / "x.zarr", overwrite=True)), truth)


# -- mending --------------------------------------------------------------------------------------


@TARGETS
def test_skipped_patches_are_told_and_tried_again_by_the_next_run(tmp_path, name, truth):
    first = run(tmp_path / name, Picky((64, 64), (224, 0)), on_error="skip")
    assert [(e.anchor, e.message) for e in first.errors] == [
        ((64, 64), "ArithmeticError: too bright"),
        ((224, 0), "ArithmeticError: too bright"),
    ]
    assert not np.array_equal(values(first), truth)
    account = read_ledger(tmp_path / f"{name}.ledger.jsonl")
    assert {flaw.anchor for flaw in account.flaws()} == {(64, 64), (224, 0)}
    still = Picky((224, 0))
    second = run(tmp_path / name, still, on_error="skip")
    assert [e.anchor for e in second.errors] == [(224, 0)]
    assert 0 < still.calls < second.plan.n_patches
    last = Double()
    third = run(tmp_path / name, last, on_error="skip")
    assert (third.errors, third.stats.failed) == ([], 0)
    assert 0 < last.calls < third.plan.n_patches
    assert np.array_equal(values(third), truth)
    assert names(tmp_path) == [name, f"{name}.ledger.jsonl"]
    fourth = Picky()
    run(tmp_path / name, fourth, on_error="skip")
    assert fourth.calls == 0


@TARGETS
def test_a_run_that_mends_and_fails_leaves_the_result_as_it_was(tmp_path, name, truth):
    run(tmp_path / name, Picky((64, 64)), on_error="skip")
    result_before = tree(tmp_path)[name] if name == "x.tif" else tree(tmp_path / name)

    class Failing(Picky):
        def __call__(self, patch):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / name, Failing(), on_error="skip")
    assert (tree(tmp_path)[name] if name == "x.tif" else tree(tmp_path / name)) == result_before
    mended = run(tmp_path / name, Picky(), on_error="skip")
    assert np.array_equal(values(mended), truth)
    assert names(tmp_path) == [name, f"{name}.ledger.jsonl"]


def test_a_geotiff_whose_blocks_were_removed_is_mended_from_nothing(tmp_path, truth):
    run(tmp_path / "x.tif", Picky((64, 64)), on_error="skip")
    shutil.rmtree(tmp_path / "x.tif.partial")
    operator = Picky()
    result = run(tmp_path / "x.tif", operator, on_error="skip")
    assert operator.calls == result.plan.n_patches
    assert np.array_equal(values(result), truth)


@pytest.mark.filterwarnings("ignore:double gave uint8 values that differ")
def test_a_run_may_go_on_leaving_patches_out(tmp_path):
    image = (IMAGE * 100).astype("uint8")
    begun(tmp_path / "x.zarr", image=image, dtype="uint8")
    run(tmp_path / "x.zarr", image=image, dtype="uint8", on_error="skip")
    assert "x.zarr" in names(tmp_path)
