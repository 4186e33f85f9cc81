"""What all tests share."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
from pathlib import Path

import pytest
from hypothesis import settings
from rasterio._env import del_gdal_config
from rasterio.env import get_gdal_config, set_gdal_config

from geopatcher.formats.gdal_environment import DEFAULTS, PINNED
from geopatcher.formats.local_files import LOCAL_OPTIONS

# A slow machine is no failure.
settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")

# A shell that starts tests in the background makes them, and their children, deaf to Ctrl-C.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

#: Options of GDAL that change what it finds.
OPTIONS = (*PINNED, *DEFAULTS, *LOCAL_OPTIONS, "CPL_TMPDIR", "GDAL_TIFF_INTERNAL_MASK")
#: What GDAL's variables begin with; clusters and pytest write others for themselves, and libraries these two
#: when they are imported.
BEGINNINGS = ("GDAL_", "GTIFF_", "VRT_", "CPL_", "VSI", "PROJ_", "AWS_", "AZURE_", "GS_")
IMPORTED = ("GDAL_CURL_CA_BUNDLE", "PROJ_CURL_CA_BUNDLE")


def process():
    """Return what tests share with the tests behind them: options of GDAL, variables, the folder."""
    options = {name: get_gdal_config(name, normalize=False) for name in OPTIONS}
    names = [name for name in os.environ if name.startswith(BEGINNINGS) and name not in IMPORTED]
    variables = {name: os.environ[name] for name in names}
    return options, variables, Path.cwd()


#: Where stacks are written while pytest has stderr for itself.
STDERR = pytest.StashKey()


def pytest_configure(config):
    config.stash[STDERR] = os.dup(sys.__stderr__.fileno())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    """End the process of a test that hangs where no signal reaches it, with the stacks of all threads."""
    said = item.get_closest_marker("timeout")
    limit = float(said.args[0] if said else item.config.getini("timeout"))
    faulthandler.dump_traceback_later(limit + 120, exit=True, file=item.config.stash[STDERR])
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()


@pytest.fixture(autouse=True)
def the_next_test_finds_what_this_one_found():
    before = process()
    yield
    after = process()
    for name, value in before[0].items():
        if value is None and after[0][name] is not None:
            del_gdal_config(name)
        elif value != after[0][name]:
            set_gdal_config(name, value, normalize=False)
    assert after == before, "a test left something behind"


@pytest.fixture
def gdal_variables(monkeypatch):
    """Set variables of the environment that GDAL reads; they are gone behind the test.

    An `Env` of rasterio's takes what it finds in the environment for an option, and leaves that behind.
    """
    names = set()

    def put(**variables):
        names.update(variables)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    yield put
    for name in names:
        monkeypatch.delenv(name)
        if get_gdal_config(name) is not None:
            del_gdal_config(name)


@pytest.fixture(scope="module")
def server():
    """A server of buckets that fails when it is told to; see `bucket_faults`."""
    from bucket_faults import faulty

    with faulty() as server:
        yield server


@pytest.fixture
def bucket(server, gdal_variables):
    """An empty bucket of it, which the environment lets us in to."""
    import buckets
    from geopatcher.formats.buckets import Bucket

    gdal_variables(**buckets.variables(server.server_port))
    server.begin_anew()
    return Bucket("s3://bucket")
