from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile

import pytest

from geopatcher.errors import TransportError
from geopatcher.executors.workers.deadline import Deadline
from geopatcher.executors.workers.pickling import pack
from geopatcher.executors.workers.process_main import (
    END,
    STOP,
    Done,
    Failed,
    PipeChannel,
    ProgressEvent,
    Ready,
)


def serve(task, channel):
    if task == "fail":
        raise ValueError("told to")
    if task == "until stopped":
        while not channel.stop_requested():
            pass
        return "stopped"
    channel.tell(f"{task} begins")
    return task * 2


CHILD = """
import sys
from multiprocessing.connection import Connection
from geopatcher.executors.workers.process_main import main
main(Connection(int(sys.argv[1])), int(sys.argv[2]))
"""


@pytest.fixture
def talk():
    """Run a worker; return the parent's end of its pipe."""
    ours, theirs = multiprocessing.Pipe()
    with tempfile.TemporaryFile() as notes:
        files = (theirs.fileno(), notes.fileno())
        command = [sys.executable, "-c", CHILD, *map(str, files)]
        paths = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        with subprocess.Popen(command, pass_fds=files, env=paths) as child:
            theirs.close()
            try:
                yield ours
                ours.send_bytes(END)
                assert child.wait(20) == 0
            finally:
                child.kill()


def test_it_ends_at_once_when_its_parent_is_gone():
    ours, theirs = multiprocessing.Pipe()
    with tempfile.TemporaryFile() as notes:
        files = (theirs.fileno(), notes.fileno())
        with subprocess.Popen([sys.executable, "-c", CHILD, *map(str, files)], pass_fds=files) as child:
            theirs.close()
            ours.send_bytes(pack(len))
            assert ours.recv() == Ready()
            ours.close()
            assert child.wait(20) == 1


def test_tasks_are_served_in_turn_and_an_error_is_told(talk):
    talk.send_bytes(pack(serve))
    assert talk.recv() == Ready()
    for task in ("a", "fail", "b"):
        talk.send_bytes(pack(task))
    assert talk.recv() == ProgressEvent("a begins")
    assert talk.recv() == Done("aa")
    failed = talk.recv()
    assert isinstance(failed, Failed)
    assert str(failed.carried.revive()) == "told to"
    assert (talk.recv(), talk.recv()) == (ProgressEvent("b begins"), Done("bb"))


def test_a_task_is_asked_to_stop(talk):
    talk.send_bytes(pack(serve))
    assert talk.recv() == Ready()
    talk.send_bytes(pack("until stopped"))
    talk.send_bytes(STOP)
    assert talk.poll(10)
    assert talk.recv() == Done("stopped")


def test_work_that_cannot_be_taken_over_is_said_of_each_task(talk):
    talk.send_bytes(b"rubbish")
    assert talk.recv() == Ready()
    for _ in range(2):
        talk.send_bytes(pack("a"))
        assert isinstance(talk.recv().carried.revive(), TransportError)


def test_a_channel_sends_what_it_is_told(tmp_path):
    ours, theirs = multiprocessing.Pipe()
    with (tmp_path / "notes").open("w+b") as notes:
        channel = PipeChannel(theirs, Deadline(os.dup(notes.fileno())))
        channel.tell({"rows": 3})
        assert ours.recv() == ProgressEvent({"rows": 3})
        assert not channel.stop_requested()
        channel.stop()
        assert channel.stop_requested()
