"""A local page's server, whatever it shows: what is in `test_viewer` holds for each page."""

from __future__ import annotations

import http.client
import socket
import struct
import threading
import time

import pytest

from geopatcher.report.answers import Answer
from geopatcher.report.server import ADDRESS, PortError, Viewer


class Echo:
    """Answers with what it was asked."""

    closed = False

    def answer(self, target):
        return Answer(200, "text/plain; charset=utf-8", target.encode())

    def close(self):
        self.closed = True


def get(viewer, target, host=None):
    line = http.client.HTTPConnection(ADDRESS, viewer.server_port, timeout=10)
    line.request("GET", target, headers={"Host": host} if host else {})
    answer = line.getresponse()
    return answer.status, answer.read().decode()


def test_whoever_asks_by_its_own_name_is_answered_and_nobody_else():
    with Viewer(Echo()) as viewer:
        assert viewer.url == f"http://127.0.0.1:{viewer.server_port}/"
        assert get(viewer, "/a?b=1") == (200, "/a?b=1")
        assert get(viewer, "/a", "example.org")[0] == 403


def test_closing_closes_what_is_shown_and_lets_go_of_the_port():
    echo = Echo()
    with Viewer(echo) as viewer:
        port = viewer.server_port
        with pytest.raises(PortError, match=f"cannot listen on 127.0.0.1:{port}"):
            Viewer(Echo(), port)
    assert echo.closed
    Viewer(Echo(), port).close()


def test_closing_waits_for_an_answer_in_the_making_and_begins_no_other():
    asked, ended = threading.Event(), []

    class Slow(Echo):
        def answer(self, target):
            asked.set()
            time.sleep(0.3)  # as in the middle of NumPy, where a process must not end
            ended.append(target)
            return super().answer(target)

    with Viewer(Slow()) as viewer:
        thread = threading.Thread(target=get, args=(viewer, "/a"))
        thread.start()
        assert asked.wait(10)
    assert ended == ["/a"]
    thread.join()
    assert viewer.answer("/b").status == 503
    assert ended == ["/a"]


def test_a_page_that_is_left_before_it_is_answered_is_no_error(monkeypatch):
    left, ended, errors = threading.Event(), threading.Event(), []

    class Slow:
        def answer(self, target):
            left.wait(10)
            return Answer(200, "text/plain", b"x" * (16 << 20))

        def close(self):
            left.set()

    with Viewer(Slow()) as viewer:
        monkeypatch.setattr(viewer, "handle_error", lambda *what: errors.append(what))
        monkeypatch.setattr(viewer, "shutdown_request", lambda request: (request.close(), ended.set()))
        with socket.create_connection(("127.0.0.1", viewer.server_port)) as page:
            page.sendall(f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{viewer.server_port}\r\n\r\n".encode())
            page.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        left.set()
        assert ended.wait(10)
    assert errors == []
