"""The picture of the architecture, and the tool that draws it."""

from __future__ import annotations

import subprocess
import sys

from places import ROOT

TOOL = ROOT / "tools" / "draw_architecture.py"
DOCUMENT = ROOT / "docs" / "architecture.md"


def tool():
    sys.path.insert(0, str(TOOL.parent))
    try:
        import draw_architecture
    finally:
        sys.path.remove(str(TOOL.parent))
    return draw_architecture


def test_the_picture_shows_the_imports_of_today():
    done = subprocess.run([sys.executable, TOOL, "--check"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_arrow_that_is_not_in_the_code_is_found(tmp_path, monkeypatch):
    drawing = tool()
    text = DOCUMENT.read_text(encoding="utf-8")
    assert drawing.with_picture(text) == text
    changed = text.replace("    core --> errors\n", "    errors --> cli\n")
    assert changed != text
    assert drawing.with_picture(changed) == text


def test_arrows_that_longer_ways_stand_for_are_left_out():
    drawing = tool()
    found = {"top": {"middle", "low"}, "middle": {"low"}, "low": set(), "beside": {"low"}}
    assert drawing.arrows(found) == [("top", "middle"), ("middle", "low"), ("beside", "low")]
    assert drawing.reach("top", found) == {"middle", "low"}


def test_every_room_has_its_paragraph():
    text = DOCUMENT.read_text(encoding="utf-8")
    rooms = {
        path.name
        for path in (ROOT / "src" / "geopatcher").iterdir()
        if (path / "__init__.py").exists() and path.name not in {"_src", "samplers"}
    }
    assert len(rooms) > 15
    assert {room for room in rooms if f"\n- **`{room}`**" not in text} == set()
