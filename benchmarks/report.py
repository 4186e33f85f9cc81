"""Table and chart from results.json: ``python -m benchmarks.report FOLDER``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks import catalog

if TYPE_CHECKING:
    from matplotlib.axes import Axes

mpl.use("agg")

HEAD = [
    "method",
    "seconds",
    "fastest to slowest",
    "ratio to the copy",
    "without start-up, s",
    "CPU, s",
    "ratio of CPU",
    "peak RSS, MiB",
]
DISK_HEAD = ["written, MiB", "result, MiB"]
NOTHING = "-"
COLOURS = {"geopatcher": "#d1495b", "baseline": "#8d99ae", "peer": "#4a7ba6"}

Row = dict[str, Any]


def number(value: float | None, form: str) -> str:
    """Return a number as text; a dash for none."""
    return NOTHING if value is None else format(value, form)


def outcome(row: Row) -> str:
    """Return the largest error, or that and why it failed."""
    if row["error"] is None:
        return number(row["max_error"], ".1e")
    return f"**failed**: {row['error'].replace('|', '/')}"


def line_of(row: Row, kind: str) -> str:
    """Return one line of a table."""
    span = NOTHING if row["fastest"] is None else f"{row['fastest']:.2f} to {row['slowest']:.2f}"
    cells = [
        catalog.BY_NAME[row["method"]].title,
        number(row["seconds"], ".2f"),
        span,
        number(row["ratio"], ".2f"),
        number(row["inner_seconds"], ".2f"),
        number(row.get("cpu_seconds"), ".2f"),
        number(row.get("cpu_ratio"), ".2f"),
        number(row["peak_mib"], ".0f"),
    ]
    if kind == catalog.DISK:
        cells += [number(row["written_mib"], ".0f"), number(row["result_mib"], ".0f")]
    return "| " + " | ".join([*cells, outcome(row)]) + " |"


def table(rows: list[Row], kind: str) -> list[str]:
    """Return the table of one class on one scene; nothing if nobody of that class ran."""
    own = [row for row in rows if catalog.BY_NAME[row["method"]].kind == kind]
    if not own:
        return []
    cells = [*HEAD, *(DISK_HEAD if kind == catalog.DISK else []), "largest error"]
    head, rule = "| " + " | ".join(cells) + " |", "|---|" + "---:|" * (len(cells) - 2) + "---|"
    return [f"### {kind.capitalize()}", "", head, rule, *[line_of(row, kind) for row in own], ""]


def targets(content: dict[str, Any]) -> list[str]:
    """Return the table of targets."""
    if not content["targets"]:
        return []
    lines = ["## Targets", "", "| target | at most | measured | |", "|---|---:|---:|---|"]
    for held in content["targets"]:
        title = f"{held['title']} ({held['note']})" if held["note"] else held["title"]
        word = "met" if held["met"] else "not measured" if held["measured"] is None else "**missed**"
        lines.append(f"| {title} | {held['most']:g} | {number(held['measured'], '.2f')} | {word} |")
    return [*lines, ""]


def markdown(content: dict[str, Any]) -> str:
    """Return the whole of RESULTS.md."""
    size, step = content["patch"]
    versions = ", ".join(f"{name} {version}" for name, version in content["environment"].items())
    how = (
        f"Patches of {size} pixels, step {step}, half-sample Hann; operator: uint16 to float32, scaled by"
        f" {catalog.SCALE:g}; geopatcher's `memory_limit` is {content['memory_limit']}. Medians of"
        " interleaved rounds. Every result was compared with its input at every pixel; an error above"
        f" {catalog.LARGEST_ERROR:g} or a lost pixel is a failure. How it is measured is told in"
        " `benchmarks/README.md`."
    )
    lines = ["# Results", "", how, "", versions + ".", "", "![Seconds and peak memory](chart.png)", ""]
    lines += targets(content)
    for scene in content["scenes"]:
        rows = [row for row in content["rows"] if row["scene"] == scene["name"]]
        if rows:
            size = f"{scene['width']} x {scene['height']}, {scene['bands']} band{'s' * (scene['bands'] > 1)}"
            rounds = max(row["runs"] for row in rows)
            lines += [f"## {scene['name']}: {scene['title']} ({size}; rounds: {rounds})", ""]
            lines += table(rows, catalog.DISK) + table(rows, catalog.MEMORY)
    return "\n".join(lines)


def group(name: str) -> str:
    """Return which colour a method has."""
    method = catalog.BY_NAME[name]
    return "peer" if method.peer else "geopatcher" if method.module == "patcher" else "baseline"


def bars(axes: Axes, rows: list[Row], measure: str, title: str) -> None:
    """Draw one panel of horizontal bars; who failed says so beside the bar."""
    values = [row[measure] or 0.0 for row in rows]
    names = [catalog.BY_NAME[row["method"]].title.replace("**", "") for row in rows]
    axes.barh(names, values, color=[COLOURS[group(row["method"])] for row in rows])
    for at, (row, value) in enumerate(zip(rows, values, strict=True)):
        figures = "" if row[measure] is None else format(value, ".2f" if measure == "seconds" else ".0f")
        axes.text(value, at, f" {figures}{' failed' if row['error'] else ''}", va="center", fontsize=8)
    axes.set_xlim(0, 1.25 * max([*values, 1e-3]))
    axes.set_title(title, fontsize=10)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def chart(content: dict[str, Any], path: Path) -> None:
    """Draw seconds and peak memory, a row of panels for each class on the first scene that ran."""
    scene = content["rows"][0]["scene"]
    rows = [row for row in content["rows"] if row["scene"] == scene]
    classes = [
        (kind, own)
        for kind in (catalog.DISK, catalog.MEMORY)
        if (own := [row for row in rows if catalog.BY_NAME[row["method"]].kind == kind])
    ]
    figure = Figure(figsize=(12, 1.2 + 0.42 * sum(len(own) + 2 for _, own in classes)), layout="constrained")
    heights = [len(own) + 1 for _, own in classes]
    panels = figure.subplots(len(classes), 2, squeeze=False, sharey="row", height_ratios=heights)
    for (seconds, memory), (kind, own) in zip(panels, classes, strict=True):
        bars(seconds, own, "seconds", f"{scene}, {kind}: seconds")
        bars(memory, own, "peak_mib", f"{scene}, {kind}: peak RSS, MiB")
        seconds.invert_yaxis()
    figure.savefig(path, dpi=110)


def main(arguments: list[str]) -> None:
    """Write RESULTS.md and chart.png beside results.json."""
    folder = Path(arguments[0])
    content = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    (folder / "RESULTS.md").write_text(markdown(content), encoding="utf-8")
    chart(content, folder / "chart.png")


if __name__ == "__main__":
    main(sys.argv[1:])
