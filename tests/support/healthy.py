"""A server that fails no more, to each test that asks for one: its file gives a fixture ``serving``."""

from __future__ import annotations

import pytest

from geopatcher.formats.dataset_pool import POOL


@pytest.fixture
def server(serving):
    POOL.close()
    serving.fails()
    yield serving
    POOL.close()
