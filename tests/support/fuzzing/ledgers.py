"""Mutated ledgers: of runs that stopped, and of results that are finished."""

from __future__ import annotations

import tempfile
import zlib
from pathlib import Path

import numpy as np

import geopatcher
from fuzzing.blind import blind
from fuzzing.bundles import Bundle
from fuzzing.outcomes import BELIEVED, Wrong, outcome_of
from fuzzing.trees import DEEP, dumped, mutated_tree
from geopatcher.fields.raster import RasterField
from geopatcher.inspect.info import describe
from geopatcher.runs.ledger.lines import decode, encode

IMAGE = np.random.default_rng(5).random((2, 128, 96), dtype="float32")
LEVELS = geopatcher.ZarrStorage(multiscales=True)
OPTIONS = {"size": 32, "step": 16, "chunks": 32, "progress": False, "memory_limit": "256MB"}
#: What stands for what differs from run to run, so that a mutation can be made again.
STILL = {
    "pid": 1234567,
    "session": "2026-01-01T00:00:00+00:00",
    "began": "2026-01-01T00:00:00+00:00",
    "host": "here",
}


class Operator:
    """Twice the pixels; stops after so many patches, or fails at some."""

    def __init__(self, stop_after=None, fail_at=()):
        self.stop_after, self.fail_at, self.calls = stop_after, fail_at, 0

    def __call__(self, patch):
        self.calls += 1
        if self.calls == self.stop_after or self.calls in self.fail_at:
            raise ArithmeticError("told to fail")
        return patch * 2

    def fingerprint(self):
        return "twice"


def ledger_bases():
    """Yield what runs leave behind, by name."""
    runs = {
        "stopped": (Operator(stop_after=28), {}),
        "finished": (Operator(), {}),
        "flawed": (Operator(fail_at=(20, 21)), {"on_error": "skip"}),
        "with layers": (Operator(), {"layers": ["weight", "count"]}),
        "of labels": (Operator(), {"dtype": "uint8", "storage": LEVELS}),
    }
    for ending in (".zarr", ".tif"):
        for name, (operator, more) in runs.items():
            asked = {key: value for key, value in more.items() if ending == ".zarr" or key != "storage"}
            with tempfile.TemporaryDirectory(prefix="ledgers ") as folder:
                try:
                    geopatcher.reconstruct(IMAGE, operator, Path(folder) / f"out{ending}", **OPTIONS, **asked)
                except geopatcher.GeopatcherError:
                    if name != "stopped":
                        raise
                bundle = Bundle.read(folder, f"out{ending}")
            book = ledger_in(bundle)
            yield f"{name}{ending}", bundle.having(book, still(bundle.files[book]))


def ledger_in(bundle):
    """Return the name of the ledger of a bundle."""
    return next(name for name in sorted(bundle.files) if name.endswith("ledger.jsonl"))


def still(content):
    """Return a ledger that says nothing of when and where it was written."""
    lines = []
    for line in content.splitlines(keepends=True):
        record = {key: STILL.get(key, value) for key, value in decode(line).items() if key != "crc"}
        if "stats" in record:
            record |= {"complete": STILL["session"], "stats": {"seconds": 1.0, "patches": 70, "notes": []}}
        lines.append(encode(record))
    return b"".join(lines)


def mutated_ledger(bundle, chance):
    """Return a bundle with another ledger, and what was done."""
    name = ledger_in(bundle)
    content = bundle.files[name]
    if chance.random() < 0.4:
        content, how = blind(content, chance)
        return bundle.having(name, content), f"blind: {how}"
    lines = content.splitlines(keepends=True)
    kind = chance.choice(
        ["forged", "forged", "forged", "order", "line gone", "line twice", "hostile line", "long line"]
    )
    at = chance.randrange(len(lines))
    if kind == "forged":
        record, how = mutated_tree(decode(lines[at]), chance)
        kind = f"forged: {how}"
        lines[at] = forged(record)
    elif kind == "order":
        chance.shuffle(lines)
    elif kind == "line gone":
        del lines[at]
    elif kind == "line twice":
        lines.insert(chance.randrange(len(lines) + 1), lines[at])
    elif kind == "hostile line":
        lines.insert(chance.randrange(1, len(lines) + 1), forged(chance.choice(HOSTILE_LINES)))
    else:
        lines.insert(at, forged({"row": chance.choice([DEEP.format(30_000), [1] * 10**6])}))
    return bundle.having(name, b"".join(lines)), kind


#: Lines with a right checksum that nobody should have written.
HOSTILE_LINES = (
    {"row": [0, 10**12, 0, 10**12]}, {"row": [0, 2**63, 0, 1]}, {"row": [10**15, 10**15 + 1, 0, 1]},
    {"row": [-1, 1, 0, 1]}, {"row": [0, 32, 0, 96], "flaws": [[0, 0, "operate", "x", 0]] * 1000},
    {"row": [True, True, False, True]}, {"row": [0.5, 1.5, 0, 1]}, {"row": "abcd"}, {"row": {"0": 1}},
    {"row": [0, 32, 0, 96], "flaws": {"a": 1}}, {"row": [0, 32, 0, 96], "flaws": [["a", None, 1, 2, []]]},
    {"session": None, "boot": [1]}, {"complete": None},
    {"complete": {}, "stats": {"notes": 5, "patches": "x"}, "changed": [1, None]}, {"synced": None},
    {"ledger": 1},
    {"complete": "now", "stats": {"seconds": "x" * 100, "peak_rss_bytes": -1}, "changed": []},
    {"row": [31, 33, 5, 7]},
)  # fmt: skip


def forged(record):
    """Return a line with a right checksum, whatever the record is."""
    text = dumped(record)
    return f'{text[:-1]},"crc":{zlib.crc32(text.encode())}}}\n'.encode()


def check_ledger(target, how, base):
    """Run again over a mutated ledger, and open what is there; return the outcomes."""
    # A forged line is as good as a true one: what it says of pixels is believed, and only the manners count.
    believed = how.startswith(("forged", "order", "line", "hostile"))
    names = (str(target.parent),)
    found = [outcome_of("open", lambda: str(describe(target)) and None, names)] if target.exists() else []
    more = {"on_error": "skip"} if base.startswith("flawed") else {}
    if base.startswith("with layers"):
        more["layers"] = ["weight", "count"]
    if base.startswith("of labels"):
        more |= {"dtype": "uint8"} | ({"storage": LEVELS} if target.suffix == ".zarr" else {})
    wanted = np.rint(IMAGE * 2) if "dtype" in more else IMAGE * 2
    before = snapshot(target)
    resumed = outcome_of("resume", lambda: resume(target, more, wanted, believed), names)
    if resumed.word == "refused" and snapshot(target) != before:
        resumed = outcome_of(
            "resume", lambda: (_ for _ in ()).throw(Wrong("refused, and changed the result"))
        )
    found.append(resumed)
    found.append(
        outcome_of("overwrite", lambda: resume(target, {**more, "overwrite": True}, wanted, believed), names)
    )
    if resumed.word == "refused":
        more |= {"overwrite": True, "resume": False}
        found.append(outcome_of("begin anew", lambda: resume(target, more, wanted, believed=False), names))
    return found


def resume(target, more, wanted, believed):
    """Run, and compare what comes with what must."""
    result = geopatcher.reconstruct(IMAGE, Operator(), target, **OPTIONS, **more)
    try:
        compare(result.array, wanted)
        source = RasterField(target).source
        compare(source.read(geopatcher.Box(0, 128, 0, 96)), wanted)
    except Wrong:
        if not believed:
            raise
        return BELIEVED
    return None


def compare(array, wanted):
    """Refuse other pixels than those wanted."""
    got = np.asarray(array[...])
    if got.shape != wanted.shape:
        raise Wrong("a result of another shape", got.shape)
    if not np.allclose(got, wanted, rtol=1e-5, atol=1e-5):
        raise Wrong("other pixels than the operator makes", np.argwhere(~np.isclose(got, wanted))[:2])


def snapshot(target):
    """Return every file of a result with its content."""
    files = [target] if target.is_file() else sorted(path for path in target.rglob("*") if path.is_file())
    return {path: path.read_bytes() for path in files}
