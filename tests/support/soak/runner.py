"""One run in a process of its own, killed, disturbed or left alone as the request says."""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import threading
import time
import traceback
import warnings
from pathlib import Path

import numcodecs
import numpy as np
import pyproj
import rasterio
import zarr

import geopatcher
import killed
from geopatcher.cli import main as command_line
from geopatcher.executors import ProcessExecutor
from soak.interference import record_syncs

#: Imported before the fork, once for all runs.
LOADED = (numcodecs, pyproj, rasterio, zarr, zarr.core.sync)
#: Size of a block of a result.
CHUNK = 32


class Disturbance:
    """A hook that does things after so many patches: kills the process, edits the source, opens a gate."""

    def __init__(self, request):
        self.request, self.patches = request, 0

    def on_patch_done(self, anchor, seconds, nbytes):
        self.patches += 1
        if self.patches == self.request.get("kill_after"):
            os.kill(os.getpid(), signal.SIGKILL)
        if self.patches == self.request.get("edit_after"):
            for prepared, place in self.request["edit"]:
                Path(prepared).replace(place)
        if self.patches == self.request.get("gate_after"):
            Path(self.request["gate"]).touch()


def start_anew(boot):
    """Have the system look as if it had started at another time."""
    for name, module in list(sys.modules.items()):
        if name.startswith("geopatcher") and "boot_id" in vars(module):
            module.boot_id = lambda: boot


def die_with(folder):
    """Kill this process when a worker in ``folder`` waits."""
    while not any(Path(folder).glob("waits *")):
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGKILL)


def run(request):
    """Reconstruct; write what came of it into a file."""
    sys.path.insert(0, request["operators"])
    operator = importlib.import_module("soaked").operator
    source = request["source"]
    if source.endswith(".npy"):
        source = np.load(source)
    keywords = dict(request["options"])
    if request["executor"] == "processes":
        keywords["executor"] = ProcessExecutor(2)
    result = geopatcher.reconstruct(
        source,
        operator,
        request["target"],
        chunks=CHUNK,
        hooks=[Disturbance(request)],
        progress=False,
        **keywords,
    )
    np.save(request["answer"], np.asarray(result.array[...]))


def child(request):
    """Be the child: run, say what came of it, and leave."""
    said = {"ended": "right", "message": ""}
    warnings.simplefilter("ignore")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is printed is no answer of ours
    try:
        record_syncs(request["syncs"])
        start_anew(request["boot"])
        os.environ.update(request.get("environment", {}))
        if "die_with" in request:
            threading.Thread(target=die_with, args=(request["die_with"],), daemon=True).start()
        if "kill_before_step" in request:
            killed.kill_before_step(request["kill_before_step"], str(Path(request["target"]).parent), None)
        if "verify" in request:
            command_line(["verify", request["verify"]], prog_name="geopatcher")
        run(request)
    except geopatcher.GeopatcherError as error:
        said = {"ended": "refused", "message": f"{type(error).__name__}: {error}"}
    except SystemExit as error:
        said = {"ended": f"exit {error.code}", "message": ""}
    except BaseException as error:  # noqa: BLE001 - told to the parent, where it fails
        said = {"ended": "fault", "message": "".join(traceback.format_exception(error))}
    Path(request["report"]).write_text(json.dumps(said))
    os._exit(0)


def main():
    """Serve until there are no more requests."""
    sys.dont_write_bytecode = True  # a module edited twice in a second would be taken for the first
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    killed.serve(child)
