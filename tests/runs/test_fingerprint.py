# ruff: noqa: E501 - messages and markup on one line
"""What two runs must agree in for one to go on where the other stopped."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import rasterio

import far
import geopatcher
from doubling import BASE, IMAGE, TARGETS, names, values
from geopatcher.errors import OperatorError, TargetExistsError
from geopatcher.executors import NamedOperator
from geopatcher.patching.samplers.scattered import SpatialRandom
from geopatcher.runs.fingerprint import differences, differing, unknown_in
from stored import tree


def run(target, operator, image=IMAGE, **keywords):
    return geopatcher.reconstruct(image, operator, target, **{**BASE, **keywords})


class Scale:
    """An operator with a state."""

    def __init__(self, factor):
        self.factor = factor

    def __call__(self, x):
        return x * self.factor

    def method(self, x):
        return x * self.factor


@TARGETS
def test_an_operator_that_differs_in_anything_is_refused_by_the_name_of_that(tmp_path, name):
    run(tmp_path / name, Scale(2))
    before = tree(tmp_path)
    assert run(tmp_path / name, Scale(2)).stats.notes[0].startswith("complete since")
    with pytest.raises(
        TargetExistsError, match=r"another run: operator.attribute factor was 2 and is 3\. Call"
    ):
        run(tmp_path / name, Scale(3))
    with pytest.raises(
        TargetExistsError, match=r"operator.itself was class Scale of .* and is function .*<lambda>"
    ):
        run(tmp_path / name, lambda x: x * 2)
    assert tree(tmp_path) == before


def test_a_run_that_was_begun_by_another_operator_is_not_gone_on_with(tmp_path):
    def make(factor, fail_at):
        calls = iter(range(10**6))  # of its own, and no part of what it does

        class Counted(Scale):
            def __call__(self, x):
                if next(calls) == fail_at:
                    raise ArithmeticError("stopped here")
                return super().__call__(x)

            def fingerprint(self):
                return f"scale {self.factor}"

        return Counted(factor)

    with pytest.raises(OperatorError):
        run(tmp_path / "x.zarr", make(2, 150))
    with pytest.raises(
        TargetExistsError, match="not yet complete: operator.fingerprint was scale 2 and is scale 3"
    ):
        run(tmp_path / "x.zarr", make(3, None))
    whole = run(tmp_path / "x.zarr", make(2, None))
    assert whole.stats.notes[0].startswith("goes on where an earlier run stopped")
    assert np.array_equal(values(whole), IMAGE * 2)


def test_an_operator_by_its_name_is_the_same_as_itself(tmp_path):
    sizes = {"size": 32, "chunks": 64}
    geopatcher.reconstruct(IMAGE, far.bend, tmp_path / "x.zarr", **sizes)
    again = geopatcher.reconstruct(IMAGE, NamedOperator("far:bend"), tmp_path / "x.zarr", **sizes)
    assert again.stats.notes[0].startswith("complete since")


def test_two_pass_counts_its_statistics(tmp_path):
    def shifted(x, found):
        return x - found["mean"][:, None, None]

    patcher = geopatcher.SpatialPatcher(
        geopatcher.SpatialRectangular(32),
        geopatcher.SpatialRegularStride(32),
        geopatcher.SpatialBoxcar(),
        geopatcher.SpatialOverlapAdd(),
    )
    for reduce_with in (geopatcher.SpatialMeanStd(), geopatcher.SpatialMeanStd()):
        patcher.two_pass(IMAGE, reduce_with=reduce_with, apply=shifted, target=tmp_path / "x.zarr")
    with pytest.raises(TargetExistsError, match=r"operator.attribute statistics was \w+ and is \w+"):
        patcher.two_pass(
            IMAGE, reduce_with=geopatcher.SpatialMinMax(), apply=shifted_by_min, target=tmp_path / "x.zarr"
        )


def shifted_by_min(x, found):
    return x - found["min"][:, None, None]


def edited(folder, name, old, new):
    path = folder / name
    path.write_text(path.read_text().replace(old, new))


def command(folder, *arguments, hash_seed=1):
    environment = {**os.environ, "PYTHONHASHSEED": str(hash_seed)}
    done = subprocess.run(
        [
            sys.executable,
            "-B",
            "-m",
            "geopatcher",
            "run",
            "s.tif",
            *arguments,
            "--size",
            "32",
            "--no-progress",
        ],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def project(tmp_path):
    """A folder with a raster and a package whose operator uses another module of it."""
    with rasterio.open(
        tmp_path / "s.tif", "w", driver="GTiff", height=70, width=80, count=1, dtype="float32", crs="EPSG:32633",
        transform=rasterio.Affine(10, 0, 5e5, 0, -10, 5e6),
    ) as file:  # fmt: skip
        file.write(np.random.default_rng(0).random((1, 70, 80), "float32"))
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "__init__.py").write_text("")
    (tmp_path / "pack" / "model.py").write_text(
        "from pack.tools import above\nTHRESHOLD = 0.5\n"
        "def predict(x):\n    return above(x, THRESHOLD).astype('uint8')\n"
    )
    (tmp_path / "pack" / "tools.py").write_text("def above(x, level):\n    return x > level\n")
    return tmp_path


@pytest.mark.parametrize(
    ("edit", "said", "workers"),
    [
        (("pack/model.py", "0.5", "0.9"), "operator.global THRESHOLD of pack.model was 0.5 and is 0.9", ()),
        (
            ("pack/tools.py", "x > level", "x < level"),
            "operator.function above of pack.tools was",
            ("--workers", "2"),
        ),
    ],
)
def test_the_command_line_refuses_what_edited_code_would_make(project, edit, said, workers):
    what = ("c.tif", "--operator", "pack.model:predict", "--aggregation", "mode", *workers)
    assert command(project, *what)[0] == 0
    code, output = command(project, *what, hash_seed=2)
    assert code == 0
    assert "complete since" in output
    with rasterio.open(project / "c.tif") as file:
        before = file.read(1)
    edited(project, *edit)
    code, output = command(project, *what)
    assert code == 1
    assert said in output
    code, output = command(project, *what, "--resume-always")
    assert (code, "complete since" in output) == (0, True)
    assert command(project, *what, "--overwrite")[0] == 0
    with rasterio.open(project / "c.tif") as file:
        assert (file.read(1) != before).any()
    code, output = command(project, *what, "--resume-always", "--no-resume")
    assert code == 2
    assert "give either --no-resume or --resume-always" in output


class Session:
    """Something of another program, which nobody can look into."""

    def __reduce_ex__(self, protocol):
        raise TypeError("a session cannot be pickled")


class Unknown(Scale):
    """An operator that holds a session."""

    def __init__(self, factor, fail_at=None):
        super().__init__(factor)
        self.session, self.fail_at, self.calls = Session(), fail_at, 0

    def __call__(self, x):
        self.calls += 1
        if self.calls == self.fail_at:
            raise ArithmeticError("stopped here")
        return x * self.factor


SAYS = r"cannot be known \(operator: attribute session: .*Session \(a session cannot be pickled\)\).*resume='always'"


@TARGETS
def test_the_result_of_an_unknown_operator_is_taken_for_nobodys(tmp_path, name):
    with pytest.warns(RuntimeWarning, match=SAYS) as caught:
        run(tmp_path / name, Unknown(2))
    assert len(caught) == 1
    before = tree(tmp_path)
    for operator in (Unknown(2), Unknown(3)):
        with pytest.raises(TargetExistsError, match=r"x\.\w+ (is there|was made)"):
            run(tmp_path / name, operator)
    assert tree(tmp_path) == before
    again = Unknown(2)
    result = run(tmp_path / name, again, resume="always")
    assert again.calls == 0
    assert result.stats.notes[0].startswith("complete since")
    with pytest.warns(RuntimeWarning, match="cannot be known"):
        anew = run(tmp_path / name, Unknown(3), overwrite=True)
    assert np.array_equal(values(anew), IMAGE * 3)


def test_why_and_what_to_do_is_said(tmp_path):
    with pytest.warns(RuntimeWarning, match="cannot be known"):
        run(tmp_path / "x.zarr", Unknown(2))
    with pytest.raises(
        TargetExistsError,
        match=r"x.zarr is there, and whether this run would make the same cannot be known of operator: attribute "
        r"session: .*pass resume='always' \(--resume-always\), else overwrite=True.*fingerprint\(\) -> str",
    ):
        run(tmp_path / "x.zarr", Unknown(2))


def test_a_run_of_an_unknown_operator_is_gone_on_with_only_when_told(tmp_path):
    with pytest.raises(OperatorError), pytest.warns(RuntimeWarning, match="cannot be known"):
        run(tmp_path / "x.zarr", Unknown(2, 150))
    before = tree(tmp_path)
    with pytest.raises(TargetExistsError, match="x.zarr"):
        run(tmp_path / "x.zarr", Unknown(3))
    assert tree(tmp_path) == before
    rest = Unknown(2)
    result = run(tmp_path / "x.zarr", rest, resume="always")
    assert 0 < rest.calls < result.plan.n_patches
    assert np.array_equal(values(result), IMAGE * 2)


def test_overwrite_goes_on_with_nothing_of_an_unknown_operator(tmp_path):
    with pytest.raises(OperatorError), pytest.warns(RuntimeWarning, match="cannot be known"):
        run(tmp_path / "x.zarr", Unknown(2, 150), overwrite=True)
    with pytest.warns(RuntimeWarning, match="cannot be known"):
        result = run(tmp_path / "x.zarr", Unknown(3), overwrite=True)
    assert np.array_equal(values(result), IMAGE * 3)


def test_trusting_the_operator_trusts_nothing_else(tmp_path):
    run(tmp_path / "x.zarr", Scale(2))
    for change, said in [
        ({"image": IMAGE + 1}, "source.cells was"),
        ({"step": 8}, "plan.step was"),
        ({"dtype": "float64"}, "result.dtype was"),
    ]:
        with pytest.raises(TargetExistsError, match=said):
            run(tmp_path / "x.zarr", Scale(2), resume="always", **change)
    assert values(run(tmp_path / "x.zarr", Scale(3), resume="always")).max() == (IMAGE * 2).max()


def test_nobody_who_resumes_nothing_is_warned(tmp_path, recwarn):
    run(tmp_path / "x.zarr", Unknown(2), resume=False)
    run(tmp_path / "y.zarr", Unknown(2), resume="always")
    run(None, Unknown(2))
    assert [str(one.message) for one in recwarn if "cannot be known" in str(one.message)] == []
    assert {"x.zarr", "y.zarr"} <= set(names(tmp_path))


def test_an_aggregation_of_ones_own_counts_by_its_code(tmp_path):
    def made(low):
        @dataclass(frozen=True, kw_only=True)
        class Lower(geopatcher.SpatialOverlapAdd):
            def finalise(self, state):
                return super().finalise(state)._replace() if low else super().finalise(state)

        return Lower()

    sizes = {"size": 32, "window": "hann"}
    geopatcher.reconstruct(IMAGE, np.copy, tmp_path / "x.zarr", aggregation=made(True), **sizes)
    again = geopatcher.reconstruct(IMAGE, np.copy, tmp_path / "x.zarr", aggregation=made(True), **sizes)
    assert again.stats.notes[0].startswith("complete since")
    with pytest.raises(
        TargetExistsError, match=r"aggregation.variable low in function .*finalise.* was True and is False"
    ):
        geopatcher.reconstruct(IMAGE, np.copy, tmp_path / "x.zarr", aggregation=made(False), **sizes)


def test_versions_of_libraries_count(tmp_path, monkeypatch):
    run(tmp_path / "x.zarr", Scale(2))
    monkeypatch.setattr(np, "__version__", "0.1")
    with pytest.raises(TargetExistsError, match=r"library.numpy was \S+ and is 0.1"):
        run(tmp_path / "x.zarr", Scale(2))


def test_what_is_unknown_is_told_by_part():
    known = {
        "operator.unknown": "global K of m: a generator",
        "source.unknown": "no server",
        "source.size": 1,
    }
    assert unknown_in(known) == ["operator: global K of m: a generator", "source: no server"]
    assert unknown_in({"operator": "op"}) == []
    assert differing({"aggregation.python": "3.11"}, {}) == ["aggregation.python was 3.11 and is not there"]


@pytest.mark.parametrize("change", [{"seed": 2}, {"n": 9}])
def test_listed_anchors_and_custom_windows_are_in_it(tmp_path, change):
    image = np.ones((1, 64, 64), "float32")

    def made(seed=1, n=8, edge=0.5):
        patcher = geopatcher.SpatialPatcher(
            geopatcher.SpatialRectangular(16),
            SpatialRandom(n, seed=seed),
            geopatcher.SpatialTukey(edge),
            geopatcher.SpatialOverlapAdd(),
        )
        return geopatcher.reconstruct(image, np.copy, tmp_path / "x.zarr", patcher=patcher, allow_gaps=True)

    made()
    assert made().stats.notes[0].startswith("complete since")
    with pytest.raises(geopatcher.TargetExistsError, match=r"plan.anchors was \d+ \w+ and is \d+ \w+"):
        made(**change)
    with pytest.raises(geopatcher.TargetExistsError, match=r"window.weights was"):
        made(edge=0.7)


def test_long_lists_of_differences_are_cut(tmp_path):
    run(tmp_path / "x.zarr", Scale(2))
    with pytest.raises(TargetExistsError, match=r"; [^;]* and \d+ more\. Call it with"):
        run(
            tmp_path / "x.zarr", Path, image=IMAGE[:, :90], size=64, step=64, chunks=32, dtype="float64",
            window="boxcar", aggregation="max", nodata=1,
        )  # fmt: skip


def test_the_fingerprint_is_plain_json(tmp_path):
    geopatcher.reconstruct(np.ones((1, 32, 32)), np.copy, tmp_path / "x.zarr", size=16, layers=("count",))
    first = json.loads((tmp_path / "x.zarr.ledger.jsonl").read_text().splitlines()[0])
    assert first["fingerprint"]["plan.size"] == "16x16"
    assert "count" in first["fingerprint"]["layers"]
    assert all(isinstance(value, str | int | float) for value in first["fingerprint"].values())


def test_differences_are_short_whatever_a_fingerprint_holds():
    (told,) = differences({"a": "x" * (1 << 24)}, {"a": 3})
    assert len(told) < 500


def test_differences_name_each_entry():
    old, new = {"a": 1, "b": "x", "c": 2}, {"b": "y", "c": 2, "d": 0.5}
    assert differences(old, new) == [
        "a was 1 and is not there",
        "b was x and is y",
        "d was not there and is 0.5",
    ]
    assert differences(old, dict(old)) == []
