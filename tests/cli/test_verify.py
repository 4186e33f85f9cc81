from __future__ import annotations

import numpy as np
import pytest
from click.testing import CliRunner

import geopatcher as gp
from geopatcher.cli import main


def run(*arguments):
    return CliRunner().invoke(main, ["verify", *map(str, arguments)])


def test_the_code_says_whether_a_result_is_intact(tmp_path):
    target = tmp_path / "x.zarr"
    gp.reconstruct(np.random.default_rng(0).random((64, 64)), np.copy, target, size=32, chunks=32)
    intact = run(target)
    assert intact.exit_code == 0, intact.output
    chunk = target / "data" / "c" / "1" / "0"
    held = bytearray(chunk.read_bytes())
    held[-1] ^= 1
    chunk.write_bytes(held)
    damaged = run(target)
    assert damaged.exit_code == 1
    assert "rows 32:64, columns 0:32" in damaged.output


@pytest.mark.parametrize("arguments", [(), ("nowhere.zarr",)])
def test_wrong_usage_is_code_2(tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    assert run(*arguments).exit_code == 2
