from __future__ import annotations

import hashlib
import importlib.metadata
import sys
from pathlib import Path

import numpy as np
import pytest

from geopatcher.identity.homes import OWN, Home, file_of, home_of, record_of


@pytest.mark.parametrize(
    ("module", "kind"),
    [
        ("sys", "python"),
        ("json.decoder", "python"),
        ("geopatcher.core", "library"),
        ("geotoolz", "library"),
        ("__main__", "own"),
        ("", "own"),
        (None, "own"),
        ("no_such_module_anywhere", "own"),
        (__name__, "own"),
    ],
)
def test_where_a_module_is_from(module, kind):
    assert home_of(module).kind == kind


def test_what_is_installed_has_the_version_its_distribution_says():
    assert home_of("numpy.linalg") == Home("installed", "numpy", importlib.metadata.version("numpy"))
    yaml = pytest.importorskip("yaml", reason="a module with another name than its distribution")
    assert home_of("yaml").distribution.lower() == "pyyaml"
    assert home_of("yaml").version == yaml.__version__


def test_nothing_is_imported_to_find_out(tmp_path, monkeypatch):
    (tmp_path / "never_run.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert home_of("never_run") == OWN
    assert "never_run" not in sys.modules


def site_of(tmp_path, monkeypatch, name, record):
    info = tmp_path / "site-packages" / f"{name}-3.0.dist-info"
    info.mkdir(parents=True)
    (info.parent / f"{name}.py").write_text("")
    (info / "METADATA").write_text(f"Name: {name}\nVersion: 3.0\n")
    (info / "RECORD").write_text(record)
    monkeypatch.syspath_prepend(str(info.parent))
    return info


def test_the_record_of_a_package_is_that_of_its_own_files_in_any_order(tmp_path, monkeypatch):
    lines = ["madeup.py,sha256=aa,9", "madeup/b.py,sha256=bb,9"]
    records = [
        lines,
        lines[::-1],
        [*lines, "other.py,sha256=cc,1", "madeup/c.pyc,,"],
        ["madeup.py,sha256=dd,9"],
    ]
    digests = []
    for number, record in enumerate(records):
        with monkeypatch.context() as patch:
            site_of(tmp_path / str(number), patch, "madeup", "\n".join(record))
            assert home_of("madeup") == Home("installed", "madeup", "3.0")
            digests.append(record_of("madeup"))
    nothing = record_of("no_such_module_anywhere")
    assert nothing == hashlib.sha256().hexdigest()[:16]
    assert digests[0] == digests[1] == digests[2]
    assert len({digests[0], digests[3], nothing}) == 3


def test_the_file_of_a_module_that_is_imported():
    assert file_of("numpy") == Path(np.__file__)
    assert file_of("sys") is None
    assert file_of("no_such_module_anywhere") is None
