from __future__ import annotations

import collections
import pathlib
import threading
import types

import numpy as np
import pytest

from geopatcher.identity.operators import identity_of
from geopatcher.identity.values import DEEPEST, Values, attributes_of, said


def test_what_an_object_says_must_be_text():
    class Wrong:
        def fingerprint(self):
            return 7

    with pytest.raises(TypeError, match=r"Wrong.fingerprint\(\) returned 7: it must return text"):
        identity_of(Wrong())


@pytest.mark.parametrize("kind", ["half", "bfloat16"])
def test_tensors_numpy_has_no_dtype_for(kind):
    class Tensor:
        def __init__(self, cells, dtype):
            self.cells, self.dtype = cells, dtype

        def detach(self):
            return self

        def cpu(self):
            return self

        def float(self):
            return Tensor(self.cells, "float32")

        def numpy(self):
            if self.dtype == "bfloat16":
                raise TypeError("got unsupported ScalarType BFloat16")
            return self.cells

    one, same, other, wider = (
        identity_of(Tensor(np.full(3, value), dtype))
        for value, dtype in ((1.5, kind), (1.5, kind), (2.5, kind), (1.5, "float32"))
    )
    assert one == same
    assert len({one.digest, other.digest, wider.digest}) == 3
    assert one.unknown == ()


class Recorder:
    """Labels what it is shown by module and name."""

    def __init__(self):
        self.unknown = []

    def refer(self, named):
        return (
            f"{named.__module__} {named.__qualname__}" if hasattr(named, "__qualname__") else named.__name__
        )

    def note_unknown(self, what):
        self.unknown.append(what)


def digest(value):
    return Values(Recorder()).digest(value)


class Point:
    def __init__(self, x, y):
        self.x, self.y = x, y


class Slotted:
    __slots__ = ("k",)

    def __init__(self, k):
        self.k = k


ALIKE = [
    (lambda: 2.5, lambda: 2.5),
    (lambda: {1, 2, 300}, lambda: {300, 2, 1}),
    (lambda: {0, 8}, lambda: {8, 0}),  # which a loop sees in another order
    (lambda: np.arange(6.0).reshape(2, 3), lambda: np.asfortranarray(np.arange(6.0).reshape(2, 3))),
    (lambda: Point(1, [2]), lambda: Point(1, [2])),
    (lambda: pathlib.PurePosixPath("a/b"), lambda: pathlib.PurePosixPath("a/b")),
    (threading.Lock, threading.Lock),
]

UNLIKE = [
    (1, 1.0),
    (1, True),
    (0.0, -0.0),
    ("a", b"a"),
    ([1, 2], (1, 2)),
    ([1, 2], [2, 1]),
    ([[1], 2], [1, [2]]),
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    ({1}, frozenset({1})),
    (np.zeros(4), np.zeros((2, 2))),
    (np.zeros(4), np.zeros(4, "float32")),
    (np.float64(1), 1.0),
    (np.ma.array([1, 2], mask=[0, 1]), np.ma.array([1, 2], mask=[1, 0])),
    (np.array([1, "a"], object), np.array([1, "b"], object)),
    (np.dtype("<i4"), np.dtype(">i4")),
    (Point(1, 2), Point(2, 1)),
    (Slotted(1), Slotted(2)),
    (collections.Counter("aab"), collections.Counter("abb")),
    (collections.deque([1]), collections.deque([2])),
    (slice(1, 2), slice(1, 3)),
]


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_equal_values_have_one_digest(one, other):
    assert digest(one()) == digest(other())


@pytest.mark.parametrize(("one", "other"), UNLIKE)
def test_other_values_have_another(one, other):
    assert digest(one) != digest(other)


@pytest.mark.parametrize("text", [False, True])
def test_the_content_of_a_model_counts_where_a_path_names_it(tmp_path, text):
    def named(file):
        return str(file) if text else file

    model, notes = tmp_path / "net.onnx", tmp_path / "notes.txt"
    seen = []
    for content in ("1", "2"):
        model.write_text(content)
        notes.write_text(content)
        seen.append((digest(named(model)), digest(named(notes))))
    assert seen[0][0] != seen[1][0]
    assert seen[0][1] == seen[1][1]


def test_what_holds_itself_ends():
    def ring(value):
        held = [value]
        held.append(held)
        return held

    assert digest(ring("a")) == digest(ring("a")) != digest(ring("b"))


def test_what_cannot_be_known_is_noted_with_its_reason():
    names = Recorder()
    nested = []
    for _ in range(DEEPEST + 5):
        nested = [nested]
    Values(names).digest(nested)
    Values(names).digest(iter(threading.local, None))
    Values(names).digest(n for n in "ab")
    assert names.unknown[0] == f"builtins.list (it is nested deeper than {DEEPEST} levels)"
    assert names.unknown[-1].startswith("builtins.generator (cannot pickle 'generator' object")


def test_attributes_by_name_in_slots_or_not():
    assert attributes_of(types.SimpleNamespace(b=1, a=2)) == {"a": 2, "b": 1}
    assert attributes_of(Slotted(3)) == {"k": 3}
    assert Values(Recorder()).state(Point(1, 2)) == {"x": 1, "y": 2}
    assert Values(Recorder()).state([1]) is None


def test_what_an_object_says_of_itself_is_text():
    class Says:
        def __init__(self, what):
            self.what = what

        def fingerprint(self):
            return self.what

    assert said(Says("v1")) == "v1"
    assert digest(Says("v1")) == digest(Says("v1")) != digest(Says("v2"))
    with pytest.raises(TypeError, match=r"Says\.fingerprint\(\) returned 7: it must return text"):
        said(Says(7))
