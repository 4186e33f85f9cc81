"""Each module has its test file, files and functions stay small, and no files import each other."""

from __future__ import annotations

import ast

import grimp
import pytest

from places import ROOT

SRC = ROOT / "src"
PACKAGE = SRC / "geopatcher"
TESTS = ROOT / "tests"
#: Faces of a few lines at the root, and what has no behaviour of its own.
FACES = {
    "__main__",
    "_optional",
    "dask",
    "domain",
    "hooks",
    "jax",
    "matched",
    "runners",
    "spatial",
    "time",
    "torch",
    "xarray",
}
FACE_FOLDERS = {"_src", "samplers"}
MOST_LINES, MOST_IN_A_FUNCTION = 400, 60
FILES = sorted(SRC.rglob("*.py"))


def modules():
    """Return the paths, below the package, of the modules that need a test file."""
    below = (path.relative_to(PACKAGE) for path in FILES if path.is_relative_to(PACKAGE))
    return [
        path
        for path in below
        if path.stem != "__init__"
        and path.parts[0] not in FACE_FOLDERS
        and not (len(path.parts) == 1 and path.stem in FACES)
    ]


def test_each_module_has_a_test_file_of_its_name():
    assert len(modules()) > 200
    wanted = {path: TESTS / path.parent / f"test_{path.name}" for path in modules()}
    assert [str(path) for path, test in wanted.items() if not test.exists()] == []


@pytest.mark.parametrize(
    ("folder", "least"), [("src", 250), ("tests", 300), ("tools", 5), ("benchmarks", 20)]
)
def test_no_file_is_longer_than_it_may_be(folder, least):
    lengths = {
        path.relative_to(ROOT).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in (ROOT / folder).rglob("*.py")
    }
    assert len(lengths) > least
    assert {name: length for name, length in lengths.items() if length > MOST_LINES} == {}


def functions(tree):
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def length_of(function):
    """Return the lines of a function, decorators and docstring not counted."""
    length = function.end_lineno - function.lineno + 1
    if ast.get_docstring(function) is not None:
        length -= function.body[0].end_lineno - function.body[0].lineno + 1
    return length


def test_no_function_is_longer_than_it_may_be():
    found = [(path, function) for path in FILES for function in functions(ast.parse(path.read_text()))]
    assert len(found) > 1000
    long = {
        f"{path.relative_to(SRC)}:{function.name}"
        for path, function in found
        if length_of(function) > MOST_IN_A_FUNCTION
    }
    assert long == set()


def test_the_length_of_a_function_does_not_count_its_docstring():
    text = '@decorated\ndef f(\n    x,\n):\n    """One.\n\n    Two.\n    """\n    return x\n'
    assert [length_of(function) for function in functions(ast.parse(text))] == [4]


def knots(imports):
    """Return the sets of modules that lead to each other, given what each of them imports."""
    reached = {}
    for module in imports:
        known, ahead = set(), [module]
        while ahead:
            new = imports[ahead.pop()] - known
            known |= new
            ahead.extend(new)
        reached[module] = known
    return {
        frozenset({module, *(other for other in known if module in reached[other])})
        for module, known in reached.items()
        if module in known
    }


def test_knots_are_found():
    assert knots({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == {frozenset("abc")}
    assert knots({"a": {"b"}, "b": {"c"}, "c": set()}) == set()


@pytest.mark.parametrize("package", ["geopatcher", "geotoolz", "geostack"])
def test_no_files_import_each_other_not_even_for_their_types(package):
    graph = grimp.build_graph(package)
    imports = {module: set(graph.find_modules_directly_imported_by(module)) for module in graph.modules}
    # Packages list the names of their modules, and modules may be reached through them.
    del imports[package]
    assert len(imports) > 1
    found = knots({module: others & set(imports) for module, others in imports.items()})
    short = {frozenset(module.partition(".")[2] for module in knot) for knot in found}
    assert short == set()
