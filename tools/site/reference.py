"""The API reference: a page for each group of public names, made from their docstrings by mkdocstrings.

A public name without a page or without a docstring is an error: the site does not build.
"""

from __future__ import annotations

import importlib
import inspect
import re
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

#: Modules whose names are public: those of `__all__`, or what is written in them.
MODULES = (
    "geopatcher",
    "geopatcher.aggregations",
    "geopatcher.domain",
    "geopatcher.errors",
    "geopatcher.executors",
    "geopatcher.fields",
    "geopatcher.hooks",
    "geopatcher.matched",
    "geopatcher.runners",
    "geopatcher.samplers",
    "geopatcher.samplers.coords",
    "geopatcher.spatial",
    "geopatcher.time",
    "geopatcher.training",
    "geopatcher.dask",
    "geopatcher.jax",
    "geopatcher.torch",
    "geotoolz",
    "geotoolz.patch_ops",
    "geostack",
)


class MissingEntryError(Exception):
    """A public name is missing in the reference, or says nothing."""


@dataclass(frozen=True)
class Page:
    """A page of the reference, and the modules whose names are on it (with all that is below them)."""

    name: str
    title: str
    intro: str
    holds: tuple[str, ...]


PAGES = (
    Page(
        "running",
        "Running and results",
        "The verbs, and what they give back.",
        (
            "geopatcher.api.reconstruct",
            "geopatcher.api.plan",
            "geopatcher.planning",
            "geopatcher.api.result",
            "geopatcher.api.export",
            "geopatcher.api.verify",
            "geopatcher.api.polygons",
            "geopatcher.api.detect",
            "geopatcher.api.detected",
            "geopatcher.targets.storage",
            "geopatcher.core.styles",
            "geopatcher.core.scaling",
            "geopatcher.engine.error_policy",
        ),
    ),
    Page(
        "operators",
        "Operators and models",
        "What is run over patches. Any function from pixels to pixels will do; these do more.",
        ("geopatcher.operators",),
    ),
    Page(
        "sources",
        "Sources",
        "Where pixels come from. A path or an array is enough for `reconstruct`; these say more about it.",
        ("geopatcher.fields", "geopatcher.core"),
    ),
    Page(
        "patchers",
        "Patchers",
        "What splits a field into patches, merges them and reduces them, without `reconstruct`.",
        ("geopatcher.api", "geopatcher.merging"),
    ),
    Page(
        "axes",
        "Geometry, sampler, window",
        "Three of the four axes of a patcher: how large patches are, where they sit, how their cells count.",
        ("geopatcher.patching",),
    ),
    Page(
        "aggregations",
        "Aggregations",
        "The fourth axis: how overlapping results become one.",
        ("geopatcher.aggregations", "geopatcher.accumulators"),
    ),
    Page(
        "time",
        "Time",
        "Windows of time, and patches of space and time.",
        ("geopatcher.temporal", "geopatcher.patchers"),
    ),
    Page(
        "training", "Training", "Samplers, parts and data sets for those who train.", ("geopatcher.training",)
    ),
    Page(
        "executors",
        "Executors, runners, hooks",
        "Where regions are computed, loops of your own, and objects that hear of patches.",
        ("geopatcher.executors", "geopatcher.runs", "geopatcher.engine.hooks", "geopatcher.engine.previews"),
    ),
    Page("report", "Seams, reports, tuning", "Whether a result is to be trusted.", ("geopatcher.report",)),
    Page(
        "errors",
        "Errors",
        "All of them are a `GeopatcherError`, and say what to do next.",
        ("geopatcher.errors",),
    ),
    Page(
        "geotoolz",
        "geotoolz",
        "Small operators that compose, in a package of their own: `from geotoolz import NDVI, Scale`.",
        ("geotoolz",),
    ),
    Page("geostack", "geostack", "Scenes of a STAC catalogue, in a package of their own.", ("geostack",)),
)


INDEX = """# API reference

Every public name, made from its docstring and its source. `geopatcher` itself has most of them; those of a
module are imported from it."""


@dataclass
class Entry:
    """A public name: where it is written, and under which names it is reached."""

    path: str
    said: str
    names: list[str] = field(default_factory=list)
    is_constant: bool = False

    @property
    def title(self) -> str:
        """The name alone."""
        return self.names[0].rpartition(".")[2]


def entries(modules: tuple[str, ...] = MODULES) -> dict[str, Entry]:
    """Return every public name, by the path of what it stands for."""
    found: dict[str, Entry] = {}
    for module_name in modules:
        module = importlib.import_module(module_name)
        for name in _public(module):
            value = getattr(module, name)
            if isinstance(value, ModuleType) or name == "__version__":
                continue
            path, said, is_constant = _told(module, name, value)
            if not said:
                raise MissingEntryError(
                    f"{module_name}.{name} is public and has no docstring: write one in {path}"
                )
            entry = found.setdefault(path, Entry(path, said.strip().splitlines()[0], is_constant=is_constant))
            entry.names.append(f"{module_name}.{name}")
    return found


def _public(module: ModuleType) -> list[str]:
    listed = getattr(module, "__all__", None)
    if listed is not None:
        return list(listed)
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and inspect.isclass(value) and value.__module__ == module.__name__
    ]


def _told(module: ModuleType, name: str, value: object) -> tuple[str, str, bool]:
    """Return where a name is written, its docstring, and whether it is neither function nor class."""
    if inspect.isclass(value) or inspect.isfunction(value):
        return f"{value.__module__}.{value.__qualname__}", inspect.getdoc(value) or "", False
    for place in _written_in(module):
        said = _comment_above(place, name)
        if said:
            return f"{place.__name__}.{name}", said, True
    return f"{module.__name__}.{name}", "", True


def _written_in(module: ModuleType) -> list[ModuleType]:
    """Return the loaded modules of a package, where a constant of it may be written."""
    package = module.__name__.partition(".")[0]
    folder = Path(importlib.import_module(package).__file__ or "").parent
    names = [
        ".".join((package, *path.relative_to(folder).with_suffix("").parts)).removesuffix(".__init__")
        for path in sorted(folder.rglob("*.py"))
        if "__main__" not in path.name
    ]
    return [importlib.import_module(name) for name in names]


def _comment_above(module: ModuleType, name: str) -> str:
    """Return what ``#:`` says above an assignment to a name."""
    text = Path(module.__file__ or "").read_text(encoding="utf-8")
    match = re.search(rf"((?:^#: .*\n)+){name}\b[^=\n]*= ", text, re.MULTILINE)
    return match[1].replace("#: ", "").replace("\n", " ") if match else ""


def page_of(path: str) -> Page:
    """Return the page whose modules hold a path: of several, that with the longest name of a module."""
    fits = [(len(part), page) for page in PAGES for part in page.holds if f"{path}.".startswith(f"{part}.")]
    if not fits:
        raise MissingEntryError(f"{path} is public and on no page of the reference: name its module in PAGES")
    return max(fits, key=lambda fit: fit[0])[1]


def _room(path: str, page: Page) -> int:
    """Return how far down on its page a path belongs: modules are in the order of the page."""
    return (
        max(
            (len(part), -place) for place, part in enumerate(page.holds) if f"{path}.".startswith(f"{part}.")
        )[1]
        * -1
    )


def place_of(path: str) -> str:
    """Return the address of a name in the site."""
    return f"reference/{page_of(path).name}.html#{path}"


def names(found: dict[str, Entry]) -> dict[str, str]:
    """Return the path for each spelling of a public name, with its module and without."""
    told = {entry.title: path for path, entry in reversed(found.items())}
    return told | {name: path for path, entry in found.items() for name in entry.names}


def pages() -> dict[str, str]:
    """Return the Markdown of each page of the reference, by its place under ``docs``."""
    on_page: dict[str, list[Entry]] = {page.name: [] for page in PAGES}
    for path, entry in entries().items():
        on_page[page_of(path).name].append(entry)
    for page in PAGES:
        on_page[page.name].sort(key=lambda entry, page=page: (_room(entry.path, page), entry.title))
    made = {"reference/index.md": _index(on_page)}
    for page in PAGES:
        parts = [f"# {page.title}", page.intro, *(_entry(entry) for entry in on_page[page.name])]
        made[f"reference/{page.name}.md"] = "\n\n".join(parts) + "\n"
    return made


def _index(on_page: dict[str, list[Entry]]) -> str:
    lines = [INDEX]
    for page in PAGES:
        rows = [
            f"| [`{entry.title}`]({page.name}.md#{entry.path}) | {_cell(entry.said)} |"
            for entry in on_page[page.name]
        ]
        lines += [f"## [{page.title}]({page.name}.md)", "\n".join(["| name | |", "|---|---|", *rows])]
    return "\n\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _entry(entry: Entry) -> str:
    """Return the Markdown of a name: anchors for each way to reach it, and what mkdocstrings makes."""
    anchors = "\n".join(f"[](){{#{name}}}" for name in entry.names if name != entry.path)
    if entry.is_constant:
        return f"## `{entry.names[0]}` {{#{entry.path}}}\n\n{anchors}\n\n{entry.said}"
    options = f"    options:\n      heading: {entry.names[0]}\n      toc_label: {entry.title}"
    return f"{anchors}\n\n::: {entry.path}\n{options}"
