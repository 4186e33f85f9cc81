"""``geopatcher polygons``."""

from __future__ import annotations

import geopandas
import numpy as np
from click.testing import CliRunner

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
