"""A local page: served to this machine's browser, and to nobody else.

The server listens on 127.0.0.1. It answers only requests whose ``Host`` is that address: a page elsewhere
on the web whose name was made to point here (DNS rebinding) is refused, and so are requests that a browser
says come from another site. Nothing of an address ever reaches the file system.
"""

from __future__ import annotations

import socketserver
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Self

from geopatcher.core.closing import Closing
from geopatcher.errors import GeopatcherError
from geopatcher.report.answers import Answer

if TYPE_CHECKING:
    from geopatcher.report.answers import Answering

#: The only address there is.
ADDRESS = "127.0.0.1"
#: Seconds a connection may stay silent.
SILENCE_S = 30
#: Most seconds that are waited for an answer in the making, when the server ends.
ANSWER_S = 10
#: Sent with everything.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}


class PortError(GeopatcherError, OSError):
    """The port cannot be listened on."""


class Viewer(Closing, ThreadingHTTPServer):
    """A page that is served: a context manager; `url` is where it is.

    ``port=0`` takes any free one.

    Raises
    ------
    PortError
        Another program listens there, or the port is reserved.

    """

    daemon_threads = True

    def __init__(self, session: Answering, port: int = 0) -> None:
        self.session = session
        self._thread: threading.Thread | None = None
        self._answers, self._is_open = 0, True
        self._changed = threading.Condition()
        try:
            super().__init__((ADDRESS, port), Handler)
        except (OSError, OverflowError) as error:
            raise PortError(
                f"cannot listen on {ADDRESS}:{port}: {error}; choose another port, or 0 for any (--port 0)"
            ) from error

    def server_bind(self) -> None:
        """Bind, without asking any name server what this machine is called."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = ADDRESS, int(self.server_address[1])

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{ADDRESS}:{self.server_port}/"

    @property
    def hosts(self) -> frozenset[str]:
        """What a browser may call us."""
        names = (ADDRESS, "localhost")
        plain = names if self.server_port == 80 else ()
        return frozenset((*plain, *(f"{name}:{self.server_port}" for name in names)))

    def start(self) -> Self:
        """Begin to serve, in a thread; once."""
        if self._thread is None:
            serve = {"poll_interval": 0.05}
            self._thread = threading.Thread(target=self.serve_forever, kwargs=serve, daemon=True)
            self._thread.start()
        return self

    def wait(self) -> None:
        """Go on until someone interrupts, or calls `close` in another thread."""
        while self._thread is not None and self._thread.is_alive():
            self._thread.join(0.5)

    def close(self) -> None:
        """Stop serving, and let go of the port."""
        self.session.close()
        if self._thread is not None:
            self.shutdown()
        self.server_close()
        with self._changed:
            self._is_open = False
            self._changed.wait_for(lambda: not self._answers, ANSWER_S)

    def answer(self, target: str) -> Answer:
        """Answer a request, if the page is still served.

        Threads are not waited for at the end of a process, and one that is in the middle of NumPy or GDAL
        then would end it with a signal: `close` waits for those.
        """
        with self._changed:
            if not self._is_open:
                return _text(503, "the page is not served any more")
            self._answers += 1
        try:
            return self.session.answer(target)
        finally:
            with self._changed:
                self._answers -= 1
                self._changed.notify_all()

    def __enter__(self) -> Self:
        return self.start()


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: Viewer
    protocol_version = "HTTP/1.1"
    server_version = "geopatcher"
    sys_version = ""
    timeout = SILENCE_S

    def do_GET(self) -> None:
        """Answer."""
        self._send(self._answer())

    def do_HEAD(self) -> None:
        """Answer without the content."""
        self._send(self._answer())

    def _answer(self) -> Answer:
        refusal = self._refusal()
        return self.server.answer(self.path) if refusal is None else _text(403, refusal)

    def _refusal(self) -> str | None:
        """Return why a request is not answered, ``None`` when it is."""
        if "Content-Length" in self.headers or "Transfer-Encoding" in self.headers:
            self.close_connection = True  # a body nobody reads must not be taken for the next request
        hosts = self.headers.get_all("Host") or []
        if len(hosts) != 1 or hosts[0].lower() not in self.server.hosts:
            return "this server is for its own machine"
        origin = self.headers.get("Origin")
        if origin is not None and origin.removeprefix("http://").lower() not in self.server.hosts:
            return "this server is for its own page"
        if self.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site") and self.path != "/":
            return "this server is for its own page"
        return None

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer what the base class refuses (other methods, broken requests) in plain text."""
        _ = explain
        self.close_connection = True
        self._send(_text(int(code), message or "refused"))

    def _send(self, answer: Answer) -> None:
        try:
            self._write(answer)
        except ConnectionError:  # the page was left or reloaded: nobody waits for it
            self.close_connection = True

    def _write(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(answer.content)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Write nothing: a page asks for hundreds of tiles."""


def _text(status: int, message: str) -> Answer:
    return Answer(status, "text/plain; charset=utf-8", f"{message}\n".encode())
