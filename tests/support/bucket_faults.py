"""A server of buckets that fails as it is told to: moto behind a proxy, which may lose what passes it."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import buckets

#: Seconds without an answer.
HANGS_S = 30.0
#: Of a request that is no request to a store.
CONTROL = "/-control-/"
#: Headers of one connection, that are not passed on.
OWN = ("connection", "keep-alive", "transfer-encoding", "content-length", "expect")


@dataclass
class Fault:
    """What becomes of the next ``count`` requests of a method for a path: a status, or how they are lost.

    ``"reset"`` cuts the connection before the request is passed on, ``"lost"`` behind it: the store has done
    what was asked, and nobody hears of it. ``"hangs"`` says nothing for half a minute.
    """

    method: str
    path: str
    kind: int | str
    count: int = 1
    after: int = 0

    def takes(self, method, path):
        """Whether it becomes of this request."""
        if self.count < 1 or self.method != method or not re.search(self.path, path):
            return False
        if self.after:
            self.after -= 1
            return False
        self.count -= 1
        return True


class Proxy(BaseHTTPRequestHandler):
    """Passes requests on."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        """Keep the output clean."""

    def _any(self):
        # Of a signed upload the length is that of what is sent.
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = unquote(self.path)
        if path.startswith(CONTROL):
            return self._answer(200, self.server.told(path.removeprefix(CONTROL), body), [])
        with self.server.lock:
            self.server.log.append((self.command, path, dict(self.headers.items())))
            found = next((fault for fault in self.server.faults if fault.takes(self.command, path)), None)
        if found is not None and found.kind == "hangs":
            time.sleep(HANGS_S)
        if found is not None and found.kind in ("reset", "hangs"):
            return self._cut()
        if found is not None and isinstance(found.kind, int):
            return self._answer(found.kind, b"<Error><Code>SlowDown</Code></Error>", [])
        behind = http.client.HTTPConnection("127.0.0.1", self.server.behind, timeout=30)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in OWN}
        behind.request(self.command, self.path, body or None, headers)
        answer = behind.getresponse()
        content = answer.read()
        behind.close()
        if found is not None:
            return self._cut()
        return self._answer(answer.status, content, answer.getheaders())

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _any  # noqa: N815 - as the standard library calls them

    def _cut(self):
        self.close_connection = True
        self.connection.close()

    def _answer(self, status, content, headers):
        self.send_response(status)
        length = len(content)
        for name, value in headers:
            if name.lower() == "content-length":
                length = int(value)
            elif name.lower() not in OWN:
                self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


class Server(ThreadingHTTPServer):
    """Quiet about connections that are cut."""

    daemon_threads = True

    def begin_anew(self):
        """Have an empty bucket, no faults and no log; all servers of a process have the same buckets."""
        for method, path in (("POST", "/moto-api/reset"), ("PUT", "/bucket")):
            made = http.client.HTTPConnection("127.0.0.1", self.behind, timeout=30)
            made.request(method, path)
            made.getresponse().read()
            made.close()
        self.faults.clear()
        self.log.clear()

    def handle_error(self, *_):
        """Say nothing."""

    def told(self, what, body):
        """Do what `Apart` asks for; return what it wants to know as JSON."""
        if what == "anew":
            self.begin_anew()
        with self.lock:
            if what == "fail":
                self.faults += [Fault(**each) for each in json.loads(body)]
            if what == "heal":
                self.faults.clear()
            known = {"log": self.log, "faults": [asdict(fault) for fault in self.faults]}
            return json.dumps(known.get(what)).encode()


class Apart:
    """A server of buckets in a process of its own, for those who hold the interpreter while they ask.

    GDAL does where it opens a file.
    """

    def __init__(self, server_port):
        self.server_port = server_port

    def _ask(self, what, given=None):
        asked = http.client.HTTPConnection("127.0.0.1", self.server_port, timeout=30)
        asked.request("POST", f"{CONTROL}{what}", json.dumps(given))
        answer = json.loads(asked.getresponse().read())
        asked.close()
        return answer

    def begin_anew(self):
        """Have an empty bucket, no faults and no log."""
        self._ask("anew")

    def fail(self, *faults):
        """Fail as told, after what is left of what was told before."""
        self._ask("fail", [asdict(fault) for fault in faults])

    def heal(self):
        """Fail no more."""
        self._ask("heal")

    @property
    def left(self):
        """The faults there are, with how often they are left."""
        return [Fault(**each) for each in self._ask("faults")]

    @property
    def log(self):
        """Method, path and headers of every request since the bucket was empty."""
        return [tuple(each) for each in self._ask("log")]


@contextmanager
def apart():
    """Run `faulty` in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        yield Apart(int(process.stdout.readline()))
    finally:
        process.communicate()  # its input ends, and so does it


@contextmanager
def faulty():
    """Run a server of buckets with a bucket called ``bucket``; its ``faults`` are a list, empty at first."""
    with buckets.moto() as behind:
        server = Server(("127.0.0.1", 0), Proxy)
        server.behind, server.faults, server.log, server.lock = behind, [], [], threading.Lock()
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        server.begin_anew()
        try:
            yield server
        finally:
            server.shutdown()
            server.server_close()


if __name__ == "__main__":
    with faulty() as told:
        print(told.server_port, flush=True)
        sys.stdin.read()
