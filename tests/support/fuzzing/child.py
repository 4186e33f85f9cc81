"""The process mutated inputs are tried in, many one after the other; `run` starts it anew when it dies."""

from __future__ import annotations

import argparse
import faulthandler
import json
import logging
import os
import resource
import signal
import tempfile
import warnings
from pathlib import Path

from fuzzing.bundles import remove
from fuzzing.cases import KINDS, case_of, prepared, run_case
from fuzzing.outcomes import Outcome, worst

#: Time an input may take of a processor, and of a clock; beyond it hangs: the process says where, and dies.
PROCESSOR_S, CLOCK_S = 20, 120
#: Address space: an allocation a damaged header asks for fails, and the machine lives.
ADDRESS_SPACE = 6 << 30
#: What one input may add to the memory of the process.
GROWTH_BYTES = 512 << 20


def memory(name):
    """Return a size of this process in bytes, such as ``VmRSS``."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(name))


def processor_s():
    """Return the seconds of processors this process has used."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return int(used.ru_utime + used.ru_stime) + 1


def tried(case, chance, folder):
    """Try one input; return how it ended, its memory among what is looked at."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak counts from here
    before = memory("VmRSS")
    ended = worst(run_case(case, chance, folder))
    growth = memory("VmHWM") - before
    if ended.word != "FAULT" and growth > GROWTH_BYTES:
        return Outcome("FAULT", "memory grew by more than it may", f"{growth >> 20} MiB")
    return ended


def main():
    """Try inputs ``first``, ``first + every``, ... and print a line of JSON before and behind each."""
    parser = argparse.ArgumentParser()
    for name in ("seed", "first", "last", "every"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--bases", required=True)
    given = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    faulthandler.register(signal.SIGXCPU, chain=True)
    os.environ["GDAL_PAM_ENABLED"] = "NO"
    logging.getLogger().addHandler(logging.NullHandler())
    warnings.simplefilter("ignore")
    known = {kind: prepared(given.bases, kind) for kind in KINDS}
    with tempfile.TemporaryDirectory(prefix="fuzz ünd ") as folder:
        for index in range(given.first, given.last, given.every):
            case, chance = case_of(given.seed, index, known)
            told = {"index": index, "kind": case.kind, "base": case.base, "how": case.how}
            print(json.dumps({"begin": told}), flush=True)
            place = Path(folder) / str(index)
            faulthandler.dump_traceback_later(CLOCK_S, exit=True)
            resource.setrlimit(resource.RLIMIT_CPU, (processor_s() + PROCESSOR_S, resource.RLIM_INFINITY))
            ended = tried(case, chance, place)
            faulthandler.cancel_dump_traceback_later()
            remove(place)
            print(
                json.dumps({**told, "outcome": ended.word, "fault": ended.fault, "detail": ended.detail}),
                flush=True,
            )


if __name__ == "__main__":
    main()
