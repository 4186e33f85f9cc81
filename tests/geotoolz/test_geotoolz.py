"""Operators: pipes are function composition, errors name the step, all describe themselves as JSON."""

import functools
import json
import operator
import pickle
import re
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import uniform_filter

import geopatcher
import geotoolz
from geotoolz import Identity, Lambda, Operator, Sequential


def halve(x):
    return x / 2


def negate(x):
    return -x


def add(x, n):
    return x + n


class Scale(Operator):
    def __init__(self, factor):
        self.factor = factor

    def __call__(self, x):
        return x * self.factor

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


class Twice(Sequential):
    """A Sequential that does more than run its steps."""

    def __call__(self, x):
        return super().__call__(super().__call__(x))


FUNCTIONS = {"halve": halve, "negate": negate, "abs": abs, "add 3": functools.partial(add, n=3)}
#: how to write a pipeline down: a function, or a list of pipelines
EXPRESSIONS = st.recursive(
    st.sampled_from(sorted(FUNCTIONS)), lambda inner: st.lists(inner, max_size=4), max_leaves=12
)


def build_nested(expression):
    return (
        FUNCTIONS[expression]
        if isinstance(expression, str)
        else Sequential([build_nested(e) for e in expression])
    )


def build_piped(expression):
    if isinstance(expression, str):
        return Lambda(FUNCTIONS[expression])
    return functools.reduce(operator.or_, [build_piped(e) for e in expression], Sequential())


def names(expression):
    """Return the functions of an expression, left to right, without any operator."""
    return [expression] if isinstance(expression, str) else [name for e in expression for name in names(e)]


class TestSequential:
    @given(EXPRESSIONS, st.floats(-1e6, 1e6))
    def test_is_the_composition_of_its_functions(self, expression, x):
        expected = x
        for name in names(expression):
            expected = FUNCTIONS[name](expected)
        assert build_nested(expression)(x) == expected
        assert build_piped(expression)(x) == expected

    @given(EXPRESSIONS, EXPRESSIONS)
    def test_pipes_flatten_into_one_row_of_steps(self, left, right):
        pipeline = build_piped(left) | build_piped(right)
        assert [step.fn for step in pipeline] == [FUNCTIONS[name] for name in [*names(left), *names(right)]]

    def test_without_steps_returns_the_object_itself(self):
        x = np.arange(3)
        assert Sequential([])(x) is x
        assert len(Sequential([])) == 0
        assert bool(Sequential([]))

    def test_is_indexed_sliced_and_iterated_like_a_list(self):
        pipeline = Sequential([halve, Identity(), abs])
        assert [len(pipeline), len(pipeline[1:]), type(pipeline[1:])] == [3, 2, Sequential]
        assert pipeline[-1].fn is abs
        assert list(pipeline)[1] is pipeline[1]
        assert pipeline[:1](8) == 4
        with pytest.raises(IndexError):
            pipeline[3]

    def test_takes_any_iterable_of_steps_once(self):
        pipeline = Sequential(f for f in (halve, negate))
        assert [pipeline(4), pipeline(4)] == [-2, -2]

    def test_given_as_a_step_it_stays_a_step(self):
        assert [type(step) for step in Sequential([Sequential([halve]), abs])] == [Sequential, Lambda]

    def test_a_subclass_is_not_taken_apart(self):
        pipeline = Lambda(negate) | Twice([halve])
        assert [type(step) for step in pipeline] == [Lambda, Twice]
        assert pipeline(8) == -2

    def test_pipes_leave_their_operands_as_they_were(self):
        first = Sequential([halve])
        second = first | negate
        assert (len(first), len(second)) == (1, 2)

    def test_reads_well(self):
        pipeline = Sequential([halve, Sequential([Scale(2)]), Identity()])
        assert repr(pipeline) == "Sequential([Lambda(halve), Sequential([Scale()]), Identity()])"
        assert pipeline.name == "halve | Scale | Identity"
        assert Sequential([]).name == "Sequential"


class TestPipe:
    @pytest.mark.parametrize("plain", [halve, np.sqrt, float, functools.partial(add, n=1), Scale(3).__call__])
    def test_wraps_a_plain_callable_on_either_side(self, plain):
        x = 4.0
        assert (plain | Lambda(negate))(x) == -plain(x)
        assert (Lambda(abs) | plain)(-x) == plain(x)
        assert type((plain | Identity())[0]) is Lambda

    @pytest.mark.parametrize(
        ("pipe", "message"),
        [
            (lambda: Identity() | 3, "the right side of | is 3 of type int, which cannot be called"),
            (lambda: "a" | Identity(), "the left side of | is 'a' of type str, which cannot be called"),
            (
                lambda: np.ones(2) | Identity(),
                "the left side of | is of type ndarray, which cannot be called",
            ),
            (
                lambda: Identity() | np.ones(2),
                "the right side of | is of type ndarray, which cannot be called",
            ),
            (lambda: Sequential([abs, 1.5]), "step 1 is 1.5 of type float, which cannot be called"),
            (lambda: Sequential([None]), "step 0 is None of type NoneType, which cannot be called"),
            (
                lambda: Sequential([abs, Identity]),
                "step 1 is the class Identity, not an operator: write Identity(...)",
            ),
            (
                lambda: Sequential(abs),
                "takes a list of steps, not of type builtin_function_or_method: write Seq",
            ),
            (lambda: Lambda([abs]), "Lambda takes a function of one argument, not of type list"),
        ],
    )
    def test_what_cannot_be_called_is_refused_with_its_place(self, pipe, message):
        with pytest.raises(TypeError, match=re.escape(message)):
            pipe()


class TestErrors:
    def test_keep_their_type_and_say_which_step(self):
        with pytest.raises(TypeError) as caught:
            Sequential([negate, halve])("five")
        assert caught.value.__notes__ == ["in step 0 (of 0 to 1) of a Sequential: Lambda(negate)"]

    def test_nested_steps_give_the_way_from_inside_out(self):
        pipeline = Sequential([abs, Sequential([halve, Lambda(lambda x: 1 / (x - x), name="explode")])])
        with pytest.raises(ZeroDivisionError) as caught:
            pipeline(3)
        assert caught.value.__notes__ == [
            "in step 1 (of 0 to 1) of a Sequential: Lambda(explode)",
            "in step 1 (of 0 to 1) of a Sequential: Sequential([Lambda(halve), Lambda(explode)])",
        ]

    def test_an_interruption_is_not_the_fault_of_a_step(self):
        def interrupt(_):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt) as caught:
            Sequential([interrupt])(1)
        assert "__notes__" not in vars(caught.value)

    def test_an_operator_without_a_call_cannot_be_made(self):
        class Empty(Operator):
            pass

        with pytest.raises(TypeError, match="__call__"):
            Empty()


class TestNames:
    @pytest.mark.parametrize(
        ("fn", "name"),
        [
            (halve, "halve"),
            (np.sqrt, "sqrt"),
            (str.upper, "str.upper"),
            (Scale(2).__call__, "Scale.__call__"),
            (Scale(2), "Scale"),
            (operator.itemgetter(0), "itemgetter"),
            (functools.partial(add, n=3), "partial(add, n=3)"),
            (functools.partial(add, np.ones(3)), "partial(add, ndarray)"),
        ],
    )
    def test_default_to_what_the_callable_is_called(self, fn, name):
        assert Lambda(fn).name == name
        assert repr(Lambda(fn)) == f"Lambda({name})"

    def test_given_names_win(self):
        assert Lambda(halve, name="to reflectance").name == "to reflectance"


class TestConfig:
    def test_says_name_type_function_and_parameters(self):
        pipeline = Lambda(halve, name="h") | Scale(2.5) | Identity()
        assert pipeline.get_config() == {
            "name": "h | Scale | Identity",
            "type": "Sequential",
            "steps": [
                {"name": "h", "type": "Lambda", "function": f"{__name__}:halve"},
                {"name": "Scale", "type": "Scale", "factor": 2.5},
                {"name": "Identity", "type": "Identity"},
            ],
        }

    @given(EXPRESSIONS)
    def test_is_json(self, expression):
        config = build_piped(expression).get_config()
        assert json.loads(json.dumps(config)) == config

    def test_tells_functions_with_other_arguments_apart(self):
        one, two = (Lambda(functools.partial(add, n=n)).get_config() for n in (1, 2))
        assert one != two


class TestPickle:
    @given(EXPRESSIONS, st.floats(-1e6, 1e6))
    def test_operators_of_module_level_functions_travel(self, expression, x):
        pipeline = build_piped(expression) | Scale(3)
        copy = pickle.loads(pickle.dumps(pipeline))  # noqa: S301 - our own bytes
        assert copy.get_config() == pipeline.get_config()
        assert copy(x) == pipeline(x)


def test_identity_returns_the_object_itself():
    x = np.arange(3)
    assert Identity()(x) is x


def test_the_package_names_its_operators_and_starts_without_geopatcher():
    assert {"Identity", "Lambda", "Operator", "Sequential", "NDVI", "SelectBands"} <= set(geotoolz.__all__)
    assert all(getattr(geotoolz, name) is not None for name in geotoolz.__all__)
    with pytest.raises(AttributeError, match="nothing"):
        _ = geotoolz.nothing
    code = (
        "import sys; from geotoolz import Identity, Sequential; "
        "print([name for name in ('geopatcher', 'numpy') if name in sys.modules])"
    )
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert child.stdout.strip() == "[]"


class Blur:
    """The mean of nine pixels, with zeros beyond the edges."""

    margin = 1

    def __call__(self, x):
        return uniform_filter(x, (0, 3, 3), mode="constant")


class Finer:
    output_scale = 2

    def __call__(self, x):
        return x.repeat(2, axis=-2).repeat(2, axis=-1)


def test_a_pipeline_wants_the_margins_of_all_its_steps():
    image = np.random.default_rng(0).random((2, 30, 40))
    pipeline = Lambda(np.negative) | Blur() | (Lambda(Blur()) | Blur())
    assert (pipeline.margin, pipeline.output_scale) == (3, 1)
    tiled = geopatcher.reconstruct(image, pipeline, size=8, step=8, window="boxcar", dtype="float64").array
    inner = (slice(None), slice(3, -3), slice(3, -3))
    np.testing.assert_allclose(tiled[inner], pipeline(image)[inner], atol=1e-12)
    seams = geopatcher.reconstruct(
        image, pipeline, size=8, step=8, window="boxcar", dtype="float64", margin=0
    )
    assert not np.allclose(seams.array[inner], pipeline(image)[inner], atol=1e-6)


def test_a_margin_behind_a_step_that_makes_finer_pixels_is_half_as_wide():
    pipeline = Lambda(Finer()) | Blur() | Blur() | Blur()
    assert (pipeline.margin, pipeline.output_scale) == (2, 2)
    image = np.random.default_rng(0).random((2, 30, 40))
    result = geopatcher.reconstruct(image, pipeline, size=10, step=10, window="boxcar", dtype="float64")
    inner = (slice(None), slice(3, -3), slice(3, -3))
    np.testing.assert_allclose(result.array[inner], pipeline(image)[inner], atol=1e-12)


def test_parameters_that_are_kept_under_their_names_are_told():
    class Kept(Operator):
        def __init__(self, factor, bands=(1, 2), table=None, other=3):
            self.factor, self.bands, self.table, self._other = factor, bands, object(), other

        def _apply(self, x):
            return x * self.factor

    assert Kept(0.5).get_config() == {"name": "Kept", "type": "Kept", "factor": 0.5, "bands": (1, 2)}
    assert (Kept(2) | Kept(3)).get_config()["steps"][1]["factor"] == 3
    assert Kept({"red": [0.5, None]}).get_config()["factor"] == {"red": [0.5, None]}
    assert "factor" not in Kept({"red": [np.zeros(3)]}).get_config()

    @dataclass
    class Shifted(Operator):
        by: int = 1

        def __call__(self, x):
            return x + self.by

    assert Shifted(4).get_config() == {"name": "Shifted", "type": "Shifted", "by": 4}
