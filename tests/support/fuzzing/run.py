"""`python -m fuzzing.run --n 10000 --seed 0`: mutated inputs by the thousand, and what came of them."""

from __future__ import annotations

import argparse
import collections
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from fuzzing.bundles import remove
from fuzzing.cases import KINDS, case_of, prepare, prepared, run_case
from fuzzing.outcomes import OURS, SOURCES

SUPPORT = Path(__file__).parents[1]
#: Silence after which a process that does not even say where it hangs is ended.
SILENCE_S = 180
SHOWN = 40


@dataclass
class Lane:
    """Every ``every``-th input from ``first`` on, in one process after the other."""

    seed: int
    first: int
    last: int
    every: int
    bases: str
    child: tuple = ("-m", "fuzzing.child")
    results: list = field(default_factory=list)

    def work(self):
        """Try all inputs of the lane."""
        while self.first < self.last:
            begun, how = self._one_process()
            if begun is not None:
                fault = how.partition("\n")[0]
                self.results.append({**begun, "outcome": "FAULT", "fault": fault, "detail": how})
                self.first = begun["index"] + self.every
            elif self.first < self.last:
                raise RuntimeError(f"a process ended between two inputs: {how}")

    def _one_process(self):
        """Try inputs until the process ends; return the input it ended in, if any, and how."""
        command = [sys.executable, *self.child, "--bases", self.bases]
        for name in ("seed", "first", "last", "every"):
            command += [f"--{name}", str(vars(self)[name])]
        path = os.pathsep.join([str(SUPPORT), *filter(None, [os.environ.get("PYTHONPATH")])])
        environment = {**os.environ, "PYTHONPATH": path}
        with tempfile.TemporaryFile() as errors:
            child = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment
            )
            begun = self._listen(child)
            code = child.wait()
            errors.seek(0)
            said = errors.read().decode(errors="replace")
        if code == 0:
            self.first = self.last
            return None, ""
        return begun, f"{_ending(code, said)}\n{said[-6000:]}"

    def _listen(self, child):
        """Take the lines of a process; return the input it ended in."""
        begun = None
        watch = None
        for line in child.stdout:
            if watch is not None:
                watch.cancel()
            watch = threading.Timer(SILENCE_S, child.kill)
            watch.start()
            record = json.loads(line)
            if "begin" in record:
                begun = record["begin"]
            else:
                self.results.append(record)
                self.first, begun = record["index"] + self.every, None
        if watch is not None:
            watch.cancel()
        return begun


def _ending(code, said):
    """Say in a line how a process ended: the same for all that end alike."""
    if "Timeout (" not in said and code != -signal.SIGXCPU:
        return f"the process ended with {code}"
    main = said.rpartition("(most recent call first)")[2]
    places = [line.strip() for line in main.splitlines() if any(part in line for part in OURS)]
    return "hangs at " + (places[0].rpartition(f"{SOURCES}/")[2] if places else "an unknown place")


def fuzz(n, seed, jobs, first=0):
    """Try inputs ``first`` to ``first + n``; return a record of each."""
    with tempfile.TemporaryDirectory(prefix="fuzz bases ") as bases:
        prepare(bases)
        lanes = [Lane(seed, first + number, first + n, jobs, bases) for number in range(jobs)]
        threads = [threading.Thread(target=lane.work) for lane in lanes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    results = sorted((record for lane in lanes for record in lane.results), key=lambda one: one["index"])
    if len(results) != n:
        raise RuntimeError(f"{n} inputs were to be tried, and {len(results)} were: see what a process said")
    return results


def table(results):
    """Return a line for each kind: how many inputs came to which end."""
    counts = collections.Counter((one["kind"], one["outcome"]) for one in results)
    words = sorted({word for _, word in counts}, key=lambda word: (word == "FAULT", word))
    lines = ["".join([f"{'':10}", *(f"{word:>10}" for word in words)])]
    lines += ["".join([f"{kind:10}", *(f"{counts[kind, word]:>10}" for word in words)]) for kind in KINDS]
    return "\n".join(lines)


def faults_of(results):
    """Return the inputs that met each fault, most of them first."""
    groups = collections.defaultdict(list)
    for one in results:
        if one["outcome"] == "FAULT":
            groups[one["fault"]].append(one)
    return sorted(groups.items(), key=lambda group: -len(group[1]))


def told(groups, seed, folder):
    """Keep an input of each fault in a folder, and say how to meet it again."""
    with tempfile.TemporaryDirectory(prefix="fuzz bases ") as bases:
        prepare(bases)
        known = {kind: prepared(bases, kind) for kind in KINDS}
    lines = []
    for fault, met in groups[:SHOWN]:
        one = met[0]
        place = Path(folder) / f"{seed}-{one['index']}-{one['kind']}"
        remove(place)
        case_of(seed, one["index"], known)[0].bundle.write(place / "input")
        (place / "what.json").write_text(json.dumps(one, indent=1))
        lines += [f"{len(met):5} x {fault}", f"        {one['kind']} {one['base']!r}: {one['how'][:150]}"]
        lines += [
            f"        again: python -m fuzzing.run --seed {seed} --only {one['index']}; kept in {place}"
        ]
    return "\n".join(lines)


def once(seed, index):
    """Try one input in this process, and show all that comes of it."""
    with tempfile.TemporaryDirectory(prefix="fuzz bases ") as folder:
        prepare(Path(folder) / "bases")
        known = {kind: prepared(Path(folder) / "bases", kind) for kind in KINDS}
        case, chance = case_of(seed, index, known)
        print(f"{case.kind} {case.base!r}: {case.how[:300]}")
        for ended in run_case(case, chance, Path(folder) / "input"):
            print(ended.word, ended.fault, ended.detail, sep="\n    ")


def main():
    """Run from the command line; exit code 1 where there are faults."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=10_000, help="inputs to try")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at once")
    parser.add_argument("--only", type=int, help="try this one input again, in one process")
    parser.add_argument("--keep", default="fuzz-faults", help="folder for inputs that met a fault")
    given = parser.parse_args()
    if given.only is not None:
        once(given.seed, given.only)
        return
    began = time.monotonic()
    results = fuzz(given.n, given.seed, given.jobs, given.first)
    groups = faults_of(results)
    print(table(results))
    if groups:
        print(told(groups, given.seed, given.keep))
    took = time.monotonic() - began
    print(f"{len(results)} inputs, seed {given.seed}, {took:.0f} s, {len(groups)} kinds of faults")
    sys.exit(bool(groups))


if __name__ == "__main__":
    main()
