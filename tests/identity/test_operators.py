# ruff: noqa: E501, ISC004 - programs on one line, one case beside the other
"""What two operators must differ in to be two, and what makes no difference."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

import geopatcher
from edited_operators import ADDED, OTHERS, Case, one
from geopatcher.identity.operators import MOST_PARTS, identity_of
from places import SUPPORT

CHILD = SUPPORT / "identities.py"

#: Edits that change no result.
SAME = {
    "comments and lines": one("def op(x): return x * 2", "def op", "# moved\n\n\ndef op"),
    "the text that documents it": one("def op(x):\n  'Twice.'\n  return x * 2", "Twice", "Double"),
    "no text that documents it": one("def op(x):\n  'Twice.'\n  return x * 2", "'Twice.'", ""),
    "the text that documents a class": one(
        "class A:\n  'Twice.'\n  def __call__(s, x): return x * 2\nop = A()", "Twice", "Double"
    ),
    "annotations": one("def op(x: int): return x * 2", "x: int", "x: float"),
    "what it does not use": one("K = 2\ndef op(x): return x * 2", "K = 2", "K = 3"),
    "another function": one("def g(x): return x + 1\ndef op(x): return x * 2", "+ 1", "+ 2"),
    "the rest of a module it uses": Case(
        {
            "m.py": "import helpers\ndef op(x): return helpers.g(x)",
            "helpers.py": "K = 2\ndef g(y): return y + 1",
        },
        ("helpers.py", "2", "3"),
    ),
    "that it ran": one(
        "import functools\nimport numpy as np\nclass A:\n  @functools.cached_property\n  def k(s): return 2\n"
        "  def __call__(s, x): return x * s.k\n@functools.lru_cache\ndef g(x): return x + 1\nv = np.vectorize(abs)\na = A()\n"
        "def op(x): return g(a(v(x)[0]))\nif False: op([1])",
        "False",
        "True",
    ),
    "a lock": one(
        "import threading\nclass A:\n  def __init__(s): s.lock = threading.Lock()\n  def __call__(s, x): return x\nop = A()",
        "op = A()",
        "A(); op = A()",
    ),
}

#: What cannot be known, and where that is said to be.
UNKNOWN = {
    "a generator": ("K = (i for i in 'ab')\ndef op(x): return next(K)", "global K of m: builtins.generator"),
    "an open file": ("K = open(__file__)\ndef op(x): return K.read()", "global K of m: _io.TextIOWrapper"),
    "an object that cannot be pickled": (
        "class S:\n  def __reduce_ex__(s, p): raise TypeError('no session pickles')\n"
        "class A:\n  def __init__(s): s.session = S()\n  def __call__(s, x): return x\nop = A()",
        "attribute session: m.S (no session pickles)",
    ),
    "a weak reference": (
        "import weakref\nclass A: pass\na = A()\nK = weakref.ref(a)\ndef op(x): return K",
        "global K of m: ",
    ),
    "a ufunc of a function": (
        "import numpy as np\nop = np.frompyfunc(lambda x: x * 2, 1, 1)",
        "itself: the ufunc",
    ),
    "an import by a made name": ("def op(x): return __import__('a' + 'b')", "function op of m: __import__"),
    "import_module": (
        "import importlib\ndef op(x): return importlib.import_module(x)",
        "importlib.import_module",
    ),
    "import_module by its own name": (
        "from importlib import import_module as load\ndef op(x): return load('h').f(x)",
        "importlib.load",
    ),
    "a module by its name in a table": (
        "import sys, json\ndef op(x): return sys.modules['json'].loads(x)",
        "sys.modules",
    ),
    "a file that is run": (
        "import runpy\ndef op(x): return runpy.run_path('h.py')['f'](x)",
        "runpy.run_path",
    ),
    "a file that is imported by its place": (
        "import importlib.util as u\ndef op(x): return u.spec_from_file_location('h', 'h.py')",
        "importlib.util.spec_from_file_location",
    ),
    "what is nested without end": (
        "K = []\nfor i in range(999): K = [K]\ndef op(x): return K",
        "nested deeper than 100",
    ),
}


def written(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return str(folder)


def looked(folders, hash_seed):
    environment = {**os.environ, "PYTHONHASHSEED": str(hash_seed), "PYTHONDONTWRITEBYTECODE": "1"}
    child = subprocess.run(
        [sys.executable, str(CHILD)],
        input=json.dumps(folders),
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode == 0, child.stderr
    return json.loads(child.stdout)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Each operator and its edit, in two processes: from other folders, in another order, with other hashes."""
    root = tmp_path_factory.mktemp("operators")
    cases = {
        **OTHERS,
        **SAME,
        **{name: Case({"m.py": text}, ("m.py", "", "")) for name, (text, _) in UNKNOWN.items()},
    }
    answers = {}
    for place in ("here", "elsewhere/deeper"):
        folders = {}
        for number, (name, case) in enumerate(cases.items()):
            file, old, new = case.edit
            assert old in case.files[file]
            after = {**case.files, file: case.files[file].replace(old, new, 1) if old else case.files[file]}
            after |= dict([ADDED[name]]) if name in ADDED else {}
            for state, files in (("before", case.files), ("after", after)):
                folder = root / place / f"{number}-{state}"
                folder.mkdir(parents=True)
                folders[name, state] = written(folder, files)
        order = list(folders) if place == "here" else list(reversed(folders))
        answers[place] = dict(zip(order, looked([folders[key] for key in order], len(place)), strict=True))
    return answers


@pytest.mark.parametrize("name", OTHERS)
def test_another_operator_is_another(found, name):
    (before, unknown), (after, _) = found["here"][name, "before"], found["here"][name, "after"]
    assert before != after
    assert unknown == []


@pytest.mark.parametrize("name", [*OTHERS, *SAME])
def test_an_operator_is_the_same_in_every_process(found, name):
    for state in ("before", "after"):
        assert found["here"][name, state] == found["elsewhere/deeper"][name, state]


@pytest.mark.parametrize("name", SAME)
def test_what_changes_no_result_makes_no_difference(found, name):
    assert found["here"][name, "before"] == found["here"][name, "after"]


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_cannot_be_known_is_said(found, name):
    _, unknown = found["here"][name, "before"]
    assert len(unknown) == 1
    assert UNKNOWN[name][1] in unknown[0]


def test_no_address_of_memory_is_in_an_identity(found):
    assert "0x" not in str(found)


def test_parts_are_named_and_numbers_told(found):
    parts, _ = found["here"]["another module: its constant", "before"]
    assert parts["global K of helpers"] == "2"
    parts, _ = found["here"]["a bound method's object", "before"]
    assert parts["attribute k"] == "2"
    assert {"function A.f of m", "class A of m", "python"} <= set(parts)
    parts, _ = found["here"]["partial: a keyword", "before"]
    assert parts["argument k"] == "2"
    parts, _ = found["here"]["a variable of the function around", "before"]
    assert parts["variable k in function make.<locals>.<lambda> of m"] == "2"


def test_what_is_installed_counts_by_its_version(tmp_path):
    site = tmp_path / "site-packages"
    text = "def g(x):\n  return x * 2\n"
    files = {"fastlib/__init__.py": text, "fastlib-1.2.dist-info/METADATA": "Name: fast-lib\nVersion: 1.2\n"}
    files["fastlib-1.2.dist-info/top_level.txt"] = "fastlib\n"
    files["fastlib-1.2.dist-info/RECORD"] = "fastlib/__init__.py,sha256=aa,9\n"
    written(site, {**files, "m.py": "import fastlib\ndef op(x): return fastlib.g(x)"})
    parts, _ = looked([str(site)], 1)[0]
    assert parts["version of fast-lib"] == "1.2"
    assert not any("fastlib" in name for name in parts)
    # The operator's own package is known by the record of what was installed, too: versions are not always raised.
    written(site, {"m.py": "from fastlib import g as op"})
    first, _ = looked([str(site)], 1)[0]
    written(site, {"fastlib-1.2.dist-info/RECORD": "fastlib/__init__.py,sha256=bb,9\n"})
    second, _ = looked([str(site)], 1)[0]
    assert first["version of fast-lib"].startswith("1.2 ")
    assert first["version of fast-lib"] != second["version of fast-lib"]


@pytest.mark.parametrize("factory", ["lambda x: x * k", "lambda x, k=k: x * k"])
@pytest.mark.parametrize("holder", ["op = {}", "class A:\n  f = staticmethod({})\n  __call__ = f\nop = A()"])
def test_what_a_library_makes_is_known_by_what_it_was_made_with(tmp_path, factory, holder):
    site = tmp_path / "site-packages"
    written(
        site,
        {
            "fastlib/__init__.py": f"def make(k): return {factory}\n",
            "fastlib-1.2.dist-info/METADATA": "Name: fast-lib\nVersion: 1.2\n",
            "fastlib-1.2.dist-info/top_level.txt": "fastlib\n",
        },
    )
    found = []
    for k in (2, 2, 3):
        written(site, {"m.py": f"import fastlib\n{holder.format(f'fastlib.make({k})')}"})
        parts, unknown = looked([str(site)], 1)[0]
        assert not unknown
        found.append(parts)
    assert found[0] == found[1] != found[2]


def test_code_that_is_in_development_counts_by_itself_though_its_distribution_is_installed(tmp_path):
    site, source = tmp_path / "site-packages", tmp_path / "src"
    written(
        site,
        {
            "devlib-0.0.dist-info/METADATA": "Name: devlib\nVersion: 0.0\n",
            "devlib-0.0.dist-info/top_level.txt": "devlib",
        },
    )
    written(
        source,
        {"devlib.py": "def g(x): return x * 2", "m.py": "import devlib\ndef op(x): return devlib.g(x)"},
    )
    first, _ = looked([str(source)], 1)[0]
    assert "function g of devlib" in first


def test_a_large_library_becomes_one_part_per_module(tmp_path):
    lines = [f"def f{n}(x): return x + {n}" for n in range(MOST_PARTS + 9)]
    written(
        tmp_path,
        {
            "m.py": "\n".join(
                [*lines, f"def op(x): return {[f'f{n}(x)' for n in range(MOST_PARTS + 9)]}".replace("'", "")]
            )
        },
    )
    first, _ = looked([str(tmp_path)], 1)[0]
    assert set(first) == {"itself", "code of m", "python"}
    written(tmp_path, {"m.py": (tmp_path / "m.py").read_text().replace("x + 7\n", "x - 7\n")})
    second, _ = looked([str(tmp_path)], 1)[0]
    assert first["code of m"] != second["code of m"]


def test_a_function_is_the_same_after_it_ran_often():
    def operator(x):
        return [value + 1 for value in x]

    before = identity_of(operator)
    for _ in range(2000):  # the interpreter specialises the code it runs often
        operator([1, 2.0, 3])
    assert identity_of(operator) == before


def test_a_global_that_is_set_in_a_running_module_counts(monkeypatch):
    def operator(x):
        return geopatcher.patching.windows.WINDOWS, FACTOR * x

    before = identity_of(operator)
    monkeypatch.setitem(globals(), "FACTOR", 3)
    assert identity_of(operator) != before


FACTOR = 2


def test_real_torch_modules_if_there():
    torch = pytest.importorskip("torch", reason="the extra that benchmarks need")

    def net(seed):
        torch.manual_seed(seed)
        return torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3), torch.nn.ReLU())

    assert identity_of(net(1)) == identity_of(net(1))
    assert identity_of(net(1)) != identity_of(net(2))
    assert identity_of(net(1)).unknown == ()
    assert identity_of(net(1).eval()) != identity_of(net(1).train())


def test_settings_of_wrappers_count():
    def noisy(patch, position):
        return patch + position.rng().random()

    seeds = [identity_of(geopatcher.positioned(noisy, seed=seed)) for seed in (3, 3, 4)]
    assert seeds[0] == seeds[1]
    assert seeds[0].digest != seeds[2].digest
    windows = [identity_of(geopatcher.rolling(noisy, *how)) for how in ((3,), (3,), (4,), (3, "level"))]
    assert windows[0] == windows[1]
    assert len({one.digest for one in windows}) == 3
