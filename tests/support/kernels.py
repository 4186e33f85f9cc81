"""Cells run as a notebook runs them: in a kernel of its own, and what came of each."""

from __future__ import annotations

import os
from contextlib import contextmanager

from jupyter_client.manager import start_new_kernel

from places import ROOT

#: Seconds until a cell must have said something.
PATIENCE_S = 120


@contextmanager
def kernel():
    """Give a function that runs a cell and returns its messages, ``(kind, content)`` each."""
    paths = [str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]
    manager, client = start_new_kernel(
        kernel_name="python3", env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    )

    def run(code):
        asked, found = client.execute(code), []
        while True:
            message = client.get_iopub_msg(timeout=PATIENCE_S)
            if message["parent_header"].get("msg_id") != asked:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                return found
            found.append((kind, content))

    try:
        yield run
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
