"""``geopatcher view``, ``report`` and ``tune`` as a shell user meets them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request

import numpy as np
import pytest
from click.testing import CliRunner

from geopatcher.cli import main
from geotiffs import write_geotiff


@pytest.fixture
def scene(tmp_path):
    image = np.random.default_rng(0).random((2, 120, 130), dtype="float32")
    return write_geotiff(tmp_path / "scene.tif", image)


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_view_names_a_port_that_cannot_be(scene):
    assert run("view", scene, "--port", 70_000).exit_code == 2
    done = run("view", scene, "--step", 8)
    assert done.exit_code == 1
    assert "only together with a size" in done.output


def test_view_serves_until_it_is_interrupted(scene):
    command = [sys.executable, "-m", "geopatcher", "view", str(scene), "--input", str(scene), "--size", "32"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            url = process.stdout.readline().split()[0]
            with urllib.request.urlopen(f"{url}session", timeout=20) as answer:  # noqa: S310 - our own
                session = json.load(answer)
            assert [layer["name"] for layer in session["layers"]] == ["result", "input"]
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0
        finally:
            process.kill()
