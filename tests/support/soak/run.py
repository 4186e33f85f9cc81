"""`python -m soak.run --minutes 20`: the state machine for as long as there is time."""

from __future__ import annotations

import argparse
import collections
import time
from typing import ClassVar

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from soak.machine import Soak


def soak(left_out, *, examples, steps, number=None):
    """Run sequences of steps; return what came of their runs. An error says what is not as it must be."""

    class Some(Soak):
        counts: ClassVar = collections.Counter()

    Some.left_out = frozenset(left_out)
    quiet = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    asked = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        derandomize=number is None,
        database=None,
        suppress_health_check=quiet,
        print_blob=False,
        # A sequence found by chance is told as it was found: to shorten it takes longer than to read it.
        phases=(Phase.explicit, Phase.generate, Phase.shrink) if number is None else (Phase.generate,),
    )
    try:
        run_state_machine_as_test(Some if number is None else seed(number)(Some), settings=asked)
    finally:
        if Some.server is not None:
            Some.server.close()
    return Some.counts


def main():
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=0, help="of the first round; each has the next")
    parser.add_argument("--steps", type=int, default=30, help="most steps of a sequence")
    parser.add_argument("--examples", type=int, default=15, help="sequences of a round")
    parser.add_argument("--without", nargs="*", default=[], help="names of rules to leave out")
    given = parser.parse_args()
    end, number = time.monotonic() + 60 * given.minutes, given.seed
    while time.monotonic() < end:
        counts = soak(given.without, examples=given.examples, steps=given.steps, number=number)
        runs = ", ".join(f"{n} {how}" for how, n in sorted(counts.items()))
        print(f"seed {number}: {given.examples} sequences, all as it must be; runs: {runs}", flush=True)
        number += 1


if __name__ == "__main__":
    main()
