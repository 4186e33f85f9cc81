"""Draws the picture of the rooms in ``docs/architecture.md`` from the imports of the code.

    python tools/draw_architecture.py            # writes it
    python tools/draw_architecture.py --check    # fails when the document shows something else

Rooms stand on the floors that the import contract in ``pyproject.toml`` gives them. An arrow is an import
that is there, unless other arrows already lead to the same room.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- picture: begin -->", "<!-- picture: end -->"
#: The root module of the command, and the table of optional libraries: everything or nothing imports them.
LEFT_OUT = frozenset({"__main__", "_optional"})


def floors(project: Path = ROOT / "pyproject.toml") -> list[list[str]]:
    """Return the rooms of each floor, the highest floor first."""
    contracts = tomllib.loads(project.read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    rooms = [[room.strip() for room in layer.split("|")] for layer in layers]
    return [kept for floor in rooms if (kept := [room for room in floor if room not in LEFT_OUT])]


def imports(rooms: list[str], package: str = "geopatcher") -> dict[str, set[str]]:
    """Return for each room the others that a module in it imports from."""
    graph = grimp.build_graph(package)
    found: dict[str, set[str]] = {room: set() for room in rooms}
    for module in graph.modules:
        parts = module.split(".")
        if len(parts) < 2 or parts[1] not in found:
            continue
        for imported in graph.find_modules_directly_imported_by(module):
            other = imported.split(".")[1:2]
            if other and other[0] in found and other[0] != parts[1]:
                found[parts[1]].add(other[0])
    return found


def reach(room: str, found: dict[str, set[str]]) -> set[str]:
    """Return all rooms that a room leads to, over any number of arrows."""
    known: set[str] = set()
    ahead = [room]
    while ahead:
        new = found[ahead.pop()] - known
        known |= new
        ahead.extend(new)
    return known


def arrows(found: dict[str, set[str]]) -> list[tuple[str, str]]:
    """Return the imports that no longer way stands for."""
    return [
        (room, other)
        for room, others in found.items()
        for other in sorted(others)
        if not any(other in reach(between, found) for between in others - {other})
    ]


def picture() -> str:
    """Return the rooms and arrows as a Mermaid flowchart."""
    levels = floors()
    found = imports([room for floor in levels for room in floor])
    lines = ["```mermaid", "flowchart TD"]
    for number, floor in enumerate(levels, start=1):
        lines.append(f'    subgraph floor{number}[" "]')
        lines += [f"        {room}" for room in floor]
        lines.append("    end")
    lines += [f"    {room} --> {other}" for room, other in arrows(found)]
    return "\n".join([*lines, "```"])


def with_picture(text: str) -> str:
    """Return the document with the picture between its two marks."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"{DOCUMENT}: the marks {BEGIN} and {END} are not there")
    return f"{before}{BEGIN}\n{picture()}\n{END}{after}"


def main() -> None:
    """Write the picture, or compare it."""
    parser = argparse.ArgumentParser(description="Draw the rooms in docs/architecture.md from the imports.")
    parser.add_argument("--check", action="store_true", help="only say whether the document is up to date")
    check = parser.parse_args().check
    text = DOCUMENT.read_text(encoding="utf-8")
    drawn = with_picture(text)
    if check and drawn != text:
        sys.exit(f"{DOCUMENT} shows other imports than the code has: run `make architecture`")
    if not check:
        DOCUMENT.write_text(drawn, encoding="utf-8")


if __name__ == "__main__":
    main()
