"""Code in documents: found, run from top to bottom in an empty folder, and what it printed.

    python -m tools.documents docs/tutorials/first-map.md OUT.json    # in an empty folder

Blocks of ``python`` and ``sh`` run. ``text`` is shown and no more. ``py`` is Python of libraries which need
not be installed: it runs where those that it imports are, and is shown otherwise, like the ``py`` after it
that imports nothing of others.
"""

from __future__ import annotations

import ast
import io
import json
import os
import re
import subprocess
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LANGUAGES = {"python", "sh", "text", "mermaid", "py", "json"}
#: Lines that nobody runs, each with its reason. All others run.
NOT_RUN = {
    r"make \w": "works on the checkout itself, for minutes",
    r"geopatcher view ": "serves a page until it is stopped",
    r"cluster = DaskExecutor": "needs a cluster",
    r"geopatcher\.reconstruct\(.*executor=cluster": "needs a cluster and a folder that its workers share",
}


class DocumentError(Exception):
    """A block of a document failed, or warned."""


@dataclass(frozen=True)
class Block:
    """A piece of code in a document; ``end`` is where its fence ends in the text."""

    document: Path
    line: int
    language: str
    code: str
    end: int

    def __str__(self) -> str:
        return f"{self.document.name}:{self.line}"


def blocks_of(document: Path) -> list[Block]:
    """Return the blocks of code of a document, from top to bottom."""
    text = document.read_text(encoding="utf-8")
    return [
        Block(document, text.count("\n", 0, match.start(2)) + 1, match[1], match[2], match.end())
        for match in FENCE.finditer(text)
    ]


def without_what_is_not_run(code: str) -> str:
    """Return the code without the lines that `NOT_RUN` names."""
    lines = [line for line in code.splitlines() if not any(re.match(what, line) for what in NOT_RUN)]
    return "\n".join(lines) + "\n"


def run(document: Path) -> Iterator[tuple[Block, str]]:
    """Run the blocks of a document in the working directory, and give each with what it printed."""
    namespace: dict[str, object] = {"__name__": "__main__"}
    missing: list[str] = []
    follows = False  # whether the last block of other libraries ran
    for block in blocks_of(document):
        printed = ""
        if block.language == "py" and (imported := libraries_of(block)):
            missing = [name for name in imported if find_spec(name) is None]
            follows = not missing
        if block.language == "sh":
            printed = _run_shell(block)
        elif block.language == "python" or (block.language == "py" and follows):
            printed = _run_python(block, namespace)
        elif block.language == "py" and missing:
            printed = f"shown, not run: {', '.join(missing)} is not installed here\n"
        yield block, printed


def libraries_of(block: Block) -> list[str]:
    """Return the names of the packages of others that a block of Python imports."""
    found = set()
    for node in ast.walk(ast.parse(block.code, str(block))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return sorted(found - {"geopatcher"})


def _run_python(block: Block, namespace: dict[str, object]) -> str:
    """Run a block of Python; like a notebook, show the value of an expression that ends it."""
    tree = ast.parse(without_what_is_not_run(block.code), str(block))
    last = tree.body[-1] if tree.body else None
    shown = tree.body.pop() if isinstance(last, ast.Expr) else None
    out = io.StringIO()
    # Lines are those of the block: what an operator is, is known by its code too.
    with redirect_stdout(out):
        exec(compile(tree, str(block), "exec"), namespace)  # noqa: S102 - the documents are ours
        if isinstance(shown, ast.Expr):
            value = eval(compile(ast.Expression(shown.value), str(block), "eval"), namespace)  # noqa: S307 - ours
            if value is not None:
                print(value)
    return out.getvalue()


def _run_shell(block: Block) -> str:
    """Run a block with bash; the command `geopatcher` is this checkout's."""
    commands = Path("commands")
    if not commands.exists():
        commands.mkdir()
        starter = commands / "geopatcher"
        program = "import sys; from geopatcher.__main__ import run; sys.exit(run())"
        starter.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -c "{program}" "$@"\n')
        starter.chmod(0o755)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", without_what_is_not_run(block.code)],
        env={**os.environ, "PATH": f"{commands.resolve()}{os.pathsep}{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode or "Warning" in done.stderr:
        raise DocumentError(f"{block} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done.stdout


def main() -> None:
    """Run a document in the working directory, and write down what its blocks printed."""
    document, out = Path(sys.argv[1]), Path(sys.argv[2])
    sys.path.insert(0, os.getcwd())  # noqa: PTH109 - as Python does for a script that lies there
    out.write_text(json.dumps([printed for _, printed in run(document)]), encoding="utf-8")


if __name__ == "__main__":
    main()
