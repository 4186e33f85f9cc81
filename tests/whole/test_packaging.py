"""What is imported when, and what is in the distribution."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import tomllib
import zipfile
from email.parser import Parser

import pytest
import yaml

import geopatcher
from places import ROOT
from tools.version import newest, version

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = ("geopatcher", "geotoolz", "geostack")


def loaded_after(statement):
    """Return the modules a fresh process has after a statement, apart from those it starts with."""
    program = f"import sys; before = set(sys.modules); {statement}; print(*(set(sys.modules) - before))"
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(out.stdout.split())


def test_importing_the_package_imports_no_other():
    loaded = loaded_after("import geopatcher")
    foreign = {name.partition(".")[0] for name in loaded} - set(sys.stdlib_module_names)
    assert foreign == {"geopatcher", "lazy_loader"}


@pytest.mark.parametrize(
    "statement", ["from geopatcher import reconstruct, SpatialPatcher", "import geotoolz"]
)
def test_what_the_main_job_needs_imports_nothing_slow_or_optional(statement):
    loaded = loaded_after(statement)
    assert statement.split()[1] in loaded
    slow = {
        "scipy.signal",
        "scipy.stats",
        "matplotlib",
        "georeader",
        "xarray",
        "dask",
        "rich",
    }
    assert loaded & slow == set()


def test_all_names_at_once_leave_modules_of_others_alone():
    found: dict[str, object] = {}
    exec("import time\nfrom geopatcher import *", found)  # noqa: S102 - what people write
    assert found["time"] is time
    assert geopatcher.time is not time
    assert found["SpatialPatcher"] is geopatcher.SpatialPatcher


def test_every_public_name_is_there_and_documented():
    for name in geopatcher.__all__:
        value = getattr(geopatcher, name)
        assert name == "__version__" or value.__doc__, name
    assert set(dir(geopatcher)) - set(geopatcher.__all__) == {"dask", "jax", "time", "torch"}
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = geopatcher.nothing


def test_the_layers_of_every_module_are_under_contract():
    contracts = PROJECT["tool"]["importlinter"]["contracts"]
    layers = next(contract for contract in contracts if contract["type"] == "layers")
    assert layers["exhaustive"] is True
    assert layers["containers"] == ["geopatcher"]
    ranks = {
        name.strip(" ()"): rank
        for rank, layer in enumerate(layers["layers"])
        for name in re.split(r"[|:]", layer)
    }
    order = ("cli", "report", "api", "executors", "runs", "engine", "fields", "formats", "core", "errors")
    assert sorted(order, key=ranks.__getitem__) == list(order)
    assert ranks["fields"] == ranks["targets"] < ranks["accumulators"] < ranks["core"]


def test_each_lint_rule_left_out_has_its_reason():
    text = (ROOT / "pyproject.toml").read_text()
    ignored = text.partition("ignore = [")[2].partition("]")[0].strip().splitlines()
    assert len(ignored) > 5
    assert [line for line in ignored if "#" not in line] == []


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of this checkout, built by its own backend."""
    out = tmp_path_factory.mktemp("wheel")
    program = f"from hatchling.build import build_wheel; build_wheel({str(out)!r})"
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True)
    return zipfile.ZipFile(next(out.glob("*.whl")))


def info_of(wheel):
    """Return the name of the folder with what is said of a wheel."""
    return next(name.partition("/")[0] for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))


def test_the_wheel_holds_the_three_packages_and_nothing_else(wheel):
    names = wheel.namelist()
    assert {name.partition("/")[0] for name in names} == {
        *PACKAGES,
        info_of(wheel),
    }
    sources = {
        path.relative_to(ROOT / "src").as_posix()
        for package in PACKAGES
        for path in (ROOT / "src" / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert sources <= set(names)
    assert {f"{package}/py.typed" for package in PACKAGES} <= set(names)
    assert f"{info_of(wheel)}/licenses/LICENSE" in names


def test_the_wheel_says_what_it_is(wheel):
    folder = info_of(wheel)
    metadata = Parser().parsestr(wheel.read(f"{folder}/METADATA").decode())
    assert metadata["Name"] == "geopatcher"
    assert metadata["Version"] == version(ROOT)
    assert metadata["License-Expression"] == "MIT"
    assert metadata["Requires-Python"] == ">=3.11"
    extras = set(metadata.get_all("Provides-Extra"))
    assert {"streaming", "georeader", "xarray", "viz", "stac", "all"} <= extras
    wanted = {extra: set() for extra in extras}
    for line in metadata.get_all("Requires-Dist"):
        requirement, _, condition = line.partition(";")
        for extra in re.findall(r"extra == '([a-z]+)'", condition):
            wanted[extra].add(requirement.strip())
    large = {"torch", "sklearn", "boosters"}  # which come only when they are asked for
    assert wanted["all"] == set().union(*(wanted[extra] for extra in extras - {"all"} - large))
    assert wanted["all"]
    assert "geopatcher = geopatcher.__main__:run" in wheel.read(f"{folder}/entry_points.txt").decode()
    assert metadata.get_payload().startswith("# geopatcher")


def test_optional_libraries_of_the_lazy_table_come_with_the_extra_it_names():
    from geopatcher._optional import MODULES

    extras = PROJECT["project"]["optional-dependencies"]
    assert {extra for extra in MODULES.values() if extra} <= set(extras)
    core = " ".join(PROJECT["project"]["dependencies"])
    for module, extra in MODULES.items():
        if not extra and module.partition(".")[0] not in sys.stdlib_module_names:
            assert module.partition(".")[0].replace("_", "-") in core, module


def test_the_readme_shows_pictures_and_files_that_exist():
    text = (ROOT / "README.md").read_text()
    linked = re.findall(r"\]\(([^)#]+)\)", text)
    assert linked
    for link in linked:
        if "://" not in link:
            assert (ROOT / link).is_file(), link
    for picture in (ROOT / "docs" / "images").glob("*.png"):
        assert picture.stat().st_size < 600_000


def test_continuous_integration_runs_what_make_test_runs():
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert script.read_text().rstrip().endswith("make test TORCH=1")
    out = subprocess.run(
        ["make", "-n", "lint", "test-first"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for command in ("ruff check", "ruff format --check", "mypy", "lint-imports", "-m pytest -q"):
        assert command in out.stdout


def test_a_python_is_found_by_running_it(tmp_path):
    finder = ROOT / "tools" / "find-python.sh"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    broken = tmp_path / f"python{version}"
    broken.write_text("#!/bin/sh\nexit 127\n")  # what a version manager's shim does for a version not chosen
    broken.chmod(0o755)
    working = tmp_path / "python3"
    working.symlink_to(sys.executable)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    found = subprocess.run([finder, version], capture_output=True, text=True, check=False, env=environment)
    assert found.returncode == 0
    shown = subprocess.run([found.stdout.strip(), "--version"], capture_output=True, text=True, check=True)
    assert shown.stdout.startswith(f"Python {version}.")
    missing = subprocess.run([finder, "3.99"], capture_output=True, text=True, check=False, env=environment)
    assert (missing.returncode, missing.stdout) == (1, "")


def git(root, *words):
    who = (
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@b.c",
        "-c",
        "commit.gpgsign=false",
        "-c",
        "tag.gpgsign=false",
    )
    done = subprocess.run(["git", *who, *words], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def tree(tmp_path):
    root = tmp_path / "tree"
    root.mkdir()
    (root / "CHANGELOG.md").write_text(
        "# Changelog\n\n## Unreleased\n\n## 0.7.1 (2031-02-03)\n\n## 0.7.0 (2030-01-01)\n"
    )
    return root


def test_a_release_has_the_version_of_its_tag_and_what_follows_the_next_one(tree):
    git(tree, "init", "-q")
    git(tree, "add", ".")
    git(tree, "commit", "-qm", "first")
    commit = git(tree, "rev-parse", "--short", "HEAD")
    assert version(tree) == f"0.7.1+g{commit}"  # a clone without tags
    git(tree, "tag", "v0.7.1")
    git(tree, "tag", "other-9.9")
    assert version(tree) == "0.7.1"
    git(tree, "commit", "-qm", "second", "--allow-empty")
    behind = version(tree)
    assert re.fullmatch(r"0\.7\.2\.dev1\+g[0-9a-f]+", behind)
    (tree / "CHANGELOG.md").write_text("changed")
    assert version(tree) == f"{behind}.dirty"


@pytest.mark.parametrize("tag", ["v0.8.0-rc1", "v0.8", "v1", "v0.8.0.1", "vnext", "v0.8.x"])
def test_a_tag_that_is_no_release_hides_none(tree, tag):
    git(tree, "init", "-q")
    git(tree, "add", ".")
    git(tree, "commit", "-qm", "first")
    git(tree, "tag", "v0.7.5")
    git(tree, "commit", "-qm", "second", "--allow-empty")
    git(tree, "tag", tag)
    assert re.fullmatch(r"0\.7\.6\.dev1\+g[0-9a-f]+", version(tree))


def test_a_tree_without_git_asks_no_repository_around_it(tree):
    git(tree.parent, "init", "-q")
    git(tree.parent, "commit", "-qm", "another project", "--allow-empty")
    git(tree.parent, "tag", "v5.0.0")
    assert version(tree) == "0.7.1+untagged"
    (tree / "PKG-INFO").write_text("Metadata-Version: 2.4\nName: x\nVersion: 0.7.0\n\nVersion: 9\n")
    assert version(tree) == "0.7.0"  # an sdist
    (tree / "PKG-INFO").unlink()
    (tree / "CHANGELOG.md").write_text("## Unreleased\n")
    with pytest.raises(SystemExit, match="no version with a date"):
        version(tree)


def test_the_changelog_and_the_citation_name_the_same_release():
    text = (ROOT / "CITATION.cff").read_text()
    assert f"\nversion: {newest(ROOT)}\n" in text
    released = re.search(r"^date-released: (.*)$", text, re.MULTILINE)[1]
    assert f"\n## {newest(ROOT)} ({released})\n" in (ROOT / "CHANGELOG.md").read_text()
    (author,) = PROJECT["project"]["authors"]
    assert f"- name: {author['name']}" in text


def test_the_version_is_that_of_the_installed_distribution():
    from importlib import metadata

    assert geopatcher.__version__ == metadata.version("geopatcher")


def test_the_recipe_for_conda_asks_for_what_the_distribution_does():
    recipe = yaml.safe_load((ROOT / "packaging" / "conda-forge" / "recipe.yaml").read_text())
    # There isal is the library that python-isal is for.
    asked = [text.replace(" ", "").removeprefix("python-") for text in recipe["requirements"]["run"][2:]]
    assert asked == PROJECT["project"]["dependencies"]
    assert "hatchling >=1.26" in recipe["requirements"]["host"]
    assert PROJECT["build-system"]["requires"] == ["hatchling>=1.26"]
    assert recipe["context"] == {"version": newest(ROOT), "python_min": "3.11"}
    assert PROJECT["project"]["requires-python"] == ">=3.11"
    (entry,) = recipe["build"]["python"]["entry_points"]
    assert entry.split(" = ") == list(*PROJECT["project"]["scripts"].items())
    assert recipe["about"]["summary"] == PROJECT["project"]["description"]


def test_the_container_holds_the_wheel_and_calls_the_command():
    text = (ROOT / "packaging" / "Containerfile").read_text()
    steps = [line.split(maxsplit=1) for line in text.splitlines() if line and not line.startswith("#")]
    assert [step for step, _ in steps] == [
        *("FROM", "ARG", "COPY", "RUN", "RUN", "USER", "WORKDIR", "ENTRYPOINT", "CMD")
    ]
    said = dict(steps)
    extra = said["ARG"].removeprefix("EXTRAS=")
    assert extra in PROJECT["project"]["optional-dependencies"]
    assert json.loads(said["ENTRYPOINT"]) == [*PROJECT["project"]["scripts"]]
    assert said["USER"] != "root"
