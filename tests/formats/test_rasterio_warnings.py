"""A warning that would tell users nothing is kept from them, and no other."""

from __future__ import annotations

import os
import threading
import warnings
from types import FunctionType

import pytest
from rasterio.errors import NotGeoreferencedWarning

from geopatcher.formats.rasterio_warnings import caller_level, no_affine_warning, no_georeference_warning


def test_only_this_warning_is_kept_back():
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        with no_georeference_warning():
            warnings.warn("nowhere", NotGeoreferencedWarning, stacklevel=1)
            warnings.warn("other", RuntimeWarning, stacklevel=1)
        warnings.warn("afterwards", NotGeoreferencedWarning, stacklevel=1)
    assert [str(warning.message) for warning in seen] == ["other", "afterwards"]


def test_what_rasterio_does_with_transforms_is_kept_back():
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        with no_affine_warning():
            warnings.warn("use @", PendingDeprecationWarning, stacklevel=1)
            warnings.warn("other", DeprecationWarning, stacklevel=1)
        warnings.warn("afterwards", PendingDeprecationWarning, stacklevel=1)
    assert [str(warning.message) for warning in seen] == ["other", "afterwards"]


def test_filters_are_as_before_after_many_threads():
    before = list(warnings.filters)

    def work():
        for _ in range(200):
            with no_georeference_warning():
                pass

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert warnings.filters == before


@pytest.mark.parametrize("first", [0, 1])
def test_nobody_waits_for_another_and_the_last_who_goes_puts_filters_back(first):
    before = list(warnings.filters)
    inside = threading.Barrier(3, timeout=30)
    may_go = [threading.Event(), threading.Event()]

    def work(number, kept):
        with kept():
            inside.wait()
            may_go[number].wait(30)

    threads = [
        threading.Thread(target=work, args=each)
        for each in enumerate([no_georeference_warning, no_affine_warning])
    ]
    for thread in threads:
        thread.start()
    inside.wait()  # both are in
    during = list(warnings.filters)
    may_go[first].set()
    threads[first].join()
    left = list(warnings.filters)
    may_go[1 - first].set()
    threads[1 - first].join()
    assert during == left
    assert {NotGeoreferencedWarning, PendingDeprecationWarning} <= {each[2] for each in left}
    assert warnings.filters == before


def test_a_forked_child_has_the_filters_of_before():
    before = list(warnings.filters)
    with no_georeference_warning():
        child = os.fork()
        if not child:
            os._exit(7 if warnings.filters == before else 8)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


@pytest.mark.timeout(20)
def test_it_may_be_asked_for_twice_over():
    with no_georeference_warning(), no_georeference_warning(), warnings.catch_warnings():
        warnings.warn("nowhere", NotGeoreferencedWarning, stacklevel=1)


def test_an_error_inside_passes_and_restores():
    before = list(warnings.filters)
    with pytest.raises(KeyError), no_georeference_warning():
        raise KeyError
    assert warnings.filters == before


def say():
    warnings.warn("here", UserWarning, stacklevel=caller_level())


def deeper(depth):
    return deeper(depth - 1) if depth else say()


def test_a_warning_points_at_who_called_the_package():
    inside = {"__name__": "geopatcher.inside", "__builtins__": __builtins__}
    inside |= {"warnings": warnings, "caller_level": caller_level}
    inside |= {function.__name__: FunctionType(function.__code__, inside) for function in (say, deeper)}
    for depth in (0, 1, 5):
        with pytest.warns(UserWarning, match="here") as heard:
            inside["deeper"](depth)
        assert heard[0].lineno == test_a_warning_points_at_who_called_the_package.__code__.co_firstlineno + 6
    assert caller_level() == 1
