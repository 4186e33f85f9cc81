"""How files know each other: in one direction, and by what they can do."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src"
PACKAGES = ("geopatcher", "geotoolz", "geostack")
#: What a source, a target or an executor of ours is called.
KINDS = ("Source", "Target", "Sink", "Executor", "Store", "Publisher")


def modules():
    """Return the syntax of each file by the name it is imported by."""
    found = {}
    for package in PACKAGES:
        for file in (SOURCE / package).rglob("*.py"):
            parts = file.relative_to(SOURCE).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = ast.parse(file.read_text())
    return found


MODULES = modules()


def imported(tree):
    """Yield the files a file imports from, those for type checking included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            names = {f"{node.module}.{alias.name}" for alias in node.names} & set(MODULES)
            yield from names or ({node.module} & set(MODULES))


def test_no_files_import_each_other_not_even_for_type_checking():
    graph = {name: set(imported(tree)) - {name} for name, tree in MODULES.items()}
    assert sum(map(len, graph.values())) > len(graph), "imports were found"
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise AssertionError(" imports ".join(reversed(error.args[1]))) from None


def concrete():
    """Return the classes of sources, targets and executors that are no protocols."""
    return {
        node.name
        for tree in MODULES.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        and node.name.endswith(KINDS)
        and not any("Protocol" in ast.unparse(base) for base in node.bases)
    }


def test_nothing_asks_for_a_class_of_source_target_or_executor():
    classes = concrete()
    assert {"RasterioSource", "ArraySource", "ZarrSink", "CogTarget", "LocalExecutor"} <= classes
    asked = {
        f"{module}: {ast.unparse(node)}"
        for module, tree in MODULES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "isinstance"
        if {name.id for name in ast.walk(node.args[1]) if isinstance(name, ast.Name)} & classes
    }
    assert asked == set()
