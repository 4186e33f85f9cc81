from __future__ import annotations

import os
import subprocess
import sys

import pytest

from geopatcher.core.cpu import usable_cores


def test_there_are_no_more_than_the_machine_has():
    assert 1 <= usable_cores() <= os.cpu_count()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system pins no processes")
def test_a_process_that_is_pinned_to_a_core_has_one():
    code = (
        "import os\nfrom geopatcher.core.cpu import usable_cores\n"
        "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\nprint(usable_cores())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"
