"""``geopatcher polygons``."""

from __future__ import annotations

import geopandas
import numpy as np
from click.testing import CliRunner

import geopatcher
from geopatcher.cli import main
from geotiffs import write_geotiff


def test_a_map_becomes_a_file(tmp_path):
    write_geotiff(tmp_path / "map.tif", np.kron([[[1, 2], [2, 3]]], np.ones((4, 4))).astype("uint8"))
    out = tmp_path / "x.geojson"
    arguments = ["polygons", str(tmp_path / "map.tif"), str(out), "--classes", "1,2", "--connectivity", "8"]
    ended = CliRunner().invoke(main, arguments)
    assert (ended.exit_code, ended.output) == (0, f"result     {out}\n")
    assert sorted(geopandas.read_file(out)["class"]) == [1, 2]
    again = CliRunner().invoke(main, arguments)
    assert again.exit_code == 1
    assert "pass overwrite=True" in again.output
    assert CliRunner().invoke(main, [*arguments, "--overwrite"]).exit_code == 0


def test_a_name_of_digits_is_a_name(tmp_path):
    """Classes may be years."""
    style = geopatcher.Style(classes={1: "2020", 2: "2021"})
    cells = np.kron([[[1, 2], [2, 3]]], np.ones((4, 4))).astype("uint8")
    geopatcher.reconstruct(cells, np.copy, tmp_path / "map.tif", aggregation="mode", size=8, style=style)
    arguments = ["polygons", str(tmp_path / "map.tif"), str(tmp_path / "x.gpkg"), "--classes", "2021,3"]
    ended = CliRunner().invoke(main, arguments)
    assert ended.exit_code == 0, ended.output
    assert {*geopandas.read_file(tmp_path / "x.gpkg")["class"]} == {2, 3}
