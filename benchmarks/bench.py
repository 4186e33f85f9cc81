"""The one command: ``python -m benchmarks.bench``; ``--help`` lists what it takes.

Standard library only, so that this process stays small: see `benchmarks.catalog`.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import catalog, children, summary

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

QUICK = (1024, 1000)  # not a multiple of step or chunk, so that borders are tried too
LIBRARIES = ("numpy", "rasterio", "zarr", "numcodecs")


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="scenes of about 1024 x 1024, one round")
    parser.add_argument("--size", type=int, help="width and height of the first scene, in pixels (10980)")
    parser.add_argument("--repeat", type=int, help="rounds (5; with --quick 1)")
    parser.add_argument("--scenes", nargs="+", default=[], metavar="NAME", help="only these scenes")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="only these methods")
    parser.add_argument(
        "--out", type=Path, help="where results go (benchmarks/results if all is run at full size)"
    )
    parser.add_argument(
        "--scratch", type=Path, default=catalog.SCRATCH, help="where scenes and outputs are kept"
    )
    parser.add_argument("--timeout", type=float, default=1800, help="seconds a method may take (1800)")
    return parser.parse_args(given)


def versions() -> dict[str, str]:
    """Return what the figures depend on."""
    found = {"python": platform.python_version(), "system": platform.system(), "cores": str(os.cpu_count())}
    peers = [package for method in catalog.METHODS for package in method.packages]
    for name in dict.fromkeys([*LIBRARIES, *peers]):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def absent(method: catalog.Method) -> str | None:
    """Return which of a peer's packages are not installed; None if all are."""
    installed = versions()
    missing = [package for package in method.packages if installed[package] == "not installed"]
    return f"not installed: {', '.join(missing)}" if missing else None


def schedule(
    scenes: Sequence[catalog.Scene], names: Sequence[str], turn: int
) -> list[tuple[catalog.Scene, catalog.Method]]:
    """Return the runs of a round, every other round backwards.

    What a target compares stands close together, across scenes too: a machine that others use has slow
    quarters of an hour.
    """
    pairs = [
        (scene, method)
        for scene in scenes
        for method in catalog.pick_methods(scene, names)
        if turn < min(scene.most_repeats, method.most_repeats)
    ]
    pairs.sort(key=lambda pair: pair[1].name not in catalog.PAIR)  # first those that run on every scene
    return pairs[:: 1 if turn % 2 == 0 else -1]


def run_round(
    pairs: Sequence[tuple[catalog.Scene, catalog.Method]],
    turn: int,
    out_of_play: set[tuple[str, str]],
    options: argparse.Namespace,
) -> Iterator[children.Run]:
    """Run one round; who fails to run is not asked again."""
    for scene, method in pairs:
        if (scene.name, method.name) in out_of_play:
            continue
        reason = absent(method)
        if reason:
            run = children.Run(scene.name, method.name, turn, error=reason)
        else:
            run = children.measure(scene, method, turn, options.scratch, options.timeout)
        if run.seconds is None:
            out_of_play.add((scene.name, method.name))
        print(f"{scene.name} {turn + 1}/{options.repeat} {method.name}: {told(run)}", flush=True)
        yield run


def told(run: children.Run) -> str:
    """Return a run in one line."""
    if run.seconds is None:
        return f"failed: {run.error}"
    line = f"{run.seconds:.2f} s, {run.peak_mib:.0f} MiB"
    return f"{line}, failed: {run.error}" if run.error else line


def save(
    out: Path, scenes: Sequence[catalog.Scene], runs: Sequence[children.Run], options: argparse.Namespace
) -> None:
    """Write results.json, then the table and the chart from it."""
    rows = summary.rows_of(runs)
    # Targets are set for the full size; start-up is most of a small scene.
    held = summary.targets(rows) if (scenes[0].width, scenes[0].height) == catalog.FULL else []
    content = {
        "environment": versions(),
        "repeat": options.repeat,
        "patch": [catalog.SIZE, catalog.STEP],
        "memory_limit": catalog.MEMORY_LIMIT,
        "scenes": [
            {"name": s.name, "title": s.title, "width": s.width, "height": s.height, "bands": s.bands}
            for s in scenes
        ],
        "rows": [asdict(row) for row in rows],
        "targets": [{**asdict(target), "met": target.met} for target in held],
        "runs": [asdict(run) for run in runs],
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / "results.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    ended = children.start("benchmarks.report", [str(out)], options.timeout)
    if ended.error:
        raise SystemExit(f"the table and the chart could not be made: {ended.error}")


def main(given: Sequence[str] | None = None) -> None:
    """Make the scenes, run the methods, write the results."""
    options = arguments(given)
    options.repeat = options.repeat or (1 if options.quick else 5)
    options.scratch = options.scratch.resolve()
    whole = not (options.quick or options.size or options.scenes or options.only)
    out = (options.out or (catalog.RESULTS if whole else catalog.SCRATCH / "partial")).resolve()
    size = (options.size, options.size) if options.size else QUICK if options.quick else catalog.FULL
    scenes = catalog.pick_scenes(catalog.scenes(*size), options.scenes)
    scenes = tuple(scene for scene in scenes if catalog.pick_methods(scene, options.only))
    if not scenes:
        raise SystemExit("none of the named methods runs on the named scenes")
    for scene in scenes:
        made = children.start(
            "benchmarks.scenes", [str(options.scratch), *map(str, size), scene.name], options.timeout
        )
        if made.error:
            raise SystemExit(f"the scene {scene.name} could not be made: {made.error}")
    runs: list[children.Run] = []
    out_of_play: set[tuple[str, str]] = set()
    for turn in range(options.repeat):
        runs += run_round(schedule(scenes, options.only, turn), turn, out_of_play, options)
        save(out, scenes, runs, options)
    print(f"{out / 'RESULTS.md'}", file=sys.stdout)


if __name__ == "__main__":
    main()
