"""``geopatcher model``."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from geopatcher import Model
from geopatcher.cli import main
from networks import ConvNet


@pytest.fixture
def net(tmp_path):
    return ConvNet.random().save(tmp_path / "net.onnx", notes={"geopatcher:multiple": "8"})


def call(*arguments):
    return CliRunner().invoke(main, ["model", *map(str, arguments)])


def test_it_says_what_is_known_and_what_is_not(net):
    out = call(net)
    assert out.exit_code == 0
    assert "bands      3, as they come" in out.output
    assert "patches    multiples of 8, any number at once" in out.output
    assert "not told   bands, scaling, classes, activation, margin" in out.output


def test_the_record_it_writes_is_read(net):
    assert call(net, "--write").exit_code == 0
    written = net.with_name("net.mlm.json")
    assert json.loads(written.read_text())["geopatcher:multiple"] == 8
    assert Model(net).multiple == 8
    assert str(written) in call(net).output
    refused = call(net, "--write")
    assert refused.exit_code == 1
    assert "--overwrite writes over it" in refused.output
    written.write_text(written.read_text().replace('"geopatcher:margin": 0', '"geopatcher:margin": 4'))
    assert call(net, "--write", "--overwrite").exit_code == 0
    assert Model(net).margin == 4


def test_json_is_the_record(net):
    properties = json.loads(call(net, "--json").output)
    assert properties["mlm:input"][0]["input"]["shape"] == [-1, 3, -1, -1]


def test_what_is_wrong_is_one_line(tmp_path, net):
    assert "there is no file of a model" in call(tmp_path / "away.onnx").output
    assert "--overwrite is for --write" in call(net, "--overwrite").output
