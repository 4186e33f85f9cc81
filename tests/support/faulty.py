"""A file server by ranges of bytes, in a process of its own, that fails as it is told to.

``python faulty.py FOLDER`` prints its port. `Faulty` starts one and tells it what to do.
"""

from __future__ import annotations

import gzip
import json
import re
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.request
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qs, quote, unquote, urlsplit

#: How it fails: an HTTP status, a connection that is reset, a body cut off or held back half-way, no answer,
#: a web page to log in, other bytes than were asked for, the file whole, bytes that are packed.
#: ``head`` is what each HEAD is answered, ``need`` what each query must have. Bytes from ``held`` on are
#: not given before bytes from ``until`` on are asked for; spans that begin within two numbers of ``together``
#: wait until as many as its third were asked for. One who never asks for those is answered late.
PLAN = {
    "fault": "none",
    "after": 0,
    "count": 10**9,
    "only": "",
    "least": 0,
    "need": "",
    "latency": 0,
    "head": 0,
    "held": 0,
    "until": 0,
    "together": (0, 0, 0),
}

#: Seconds after which nobody is waited for.
HELD_S = 20


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    plan: ClassVar[dict] = dict(PLAN)
    log: ClassVar[list] = []
    lock = threading.Lock()
    seen = 0
    flying = 0
    most = 0
    farthest = -1
    met = 0
    moved = threading.Condition(lock)

    def log_message(self, *_):
        """Keep the output clean."""

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        address = urlsplit(self.path)
        if address.path == "/__plan":
            with self.lock:
                self.plan.update(PLAN | json.loads(parse_qs(address.query)["json"][0]))
                self.log.clear()
                Handler.seen = Handler.most = 0
                Handler.farthest, Handler.met = -1, 0
            self.body(b"{}")
        elif address.path == "/__most":
            self.body(json.dumps(self.most).encode())
        elif address.path == "/__log":
            self.body(json.dumps(self.log).encode())
        else:
            with self.lock:
                Handler.flying += 1
                Handler.most = max(Handler.most, Handler.flying)
            try:
                time.sleep(self.plan["latency"])
                self.hold()
                self.answer(address)
            finally:
                with self.lock:
                    Handler.flying -= 1

    def hold(self):
        """Wait, with the bytes that are held, for who asks for others."""
        span = re.match(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if not span:
            return
        first, last = int(span[1]), int(span[2])
        held, until = self.plan["held"], self.plan["until"]
        low, high, number = self.plan["together"]
        with self.moved:
            Handler.farthest = max(Handler.farthest, last)
            Handler.met += low <= first <= high
            self.moved.notify_all()
            is_held = until and first <= held <= last < until
            is_early = low <= first <= high
            if (is_held and not self.moved.wait_for(lambda: self.farthest >= until, HELD_S)) or (
                is_early and not self.moved.wait_for(lambda: self.met >= number, HELD_S)
            ):
                self.log.append([self.command, "late", "none", ""])

    def answer(self, address):
        """Answer, or fail to."""
        path = Path(sys.argv[1], unquote(address.path).lstrip("/"))
        fault = self.fault(address.path, address.query)
        with self.lock:
            self.log.append([self.command, self.path, fault, self.headers.get("Range", "")])
        if fault.isdecimal():
            self.body(b"", int(fault))
        elif fault == "page":
            self.body(b"<!DOCTYPE html><html><form>Log in</form></html>", 200, {"Content-Type": "text/html"})
        elif fault == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True
        elif fault == "stall":
            time.sleep(20)
            self.close_connection = True
        elif not path.is_file():
            self.body(b"", 404)
        else:
            self.file(path, fault)

    def fault(self, path, query):
        """Return how this request fails."""
        plan = self.plan
        if plan["head"] and self.command == "HEAD":
            return str(plan["head"])
        if plan["need"] and plan["need"] not in query:
            return "403"
        span = re.match(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        large = plan["least"] <= (int(span[2]) - int(span[1]) if span else 0)
        with self.lock:
            if plan["fault"] == "none" or plan["only"] not in path or not large:
                return "none"
            Handler.seen += 1
            counts = plan["after"] < Handler.seen <= plan["after"] + plan["count"]
        return str(plan["fault"]) if counts else "none"

    def file(self, path, fault):
        data, status = path.read_bytes(), path.stat()
        span = re.match(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        start = int(span[1]) if span else 0
        stop = min(int(span[2]) + 1, len(data)) if span and span[2] else len(data)
        if start >= len(data):
            self.body(b"", 416)
            return
        extra = {"ETag": f'"{status.st_mtime_ns}"', "Last-Modified": formatdate(status.st_mtime, usegmt=True)}
        if span:
            extra["Content-Range"] = f"bytes {start}-{stop - 1}/{len(data)}"
        if fault == "shift" and span:
            start, stop = max(0, start - 4096), max(0, start - 4096) + stop - start
            extra["Content-Range"] = f"bytes {start}-{stop - 1}/{len(data)}"
        content = data[start:stop]
        if fault == "gzip":
            content, extra["Content-Encoding"] = gzip.compress(content), "gzip"
        if fault == "whole":
            content, span = data, None
            extra.pop("Content-Range", None)
        self.body(content, 206 if span else 200, extra, fault)

    def body(self, content, status=200, extra=(), fault="none"):
        self.send_response(status)
        for name, value in {"Accept-Ranges": "bytes", **dict(extra)}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if fault in ("truncate", "midstall"):
            self.wfile.write(content[: len(content) // 2])
            self.wfile.flush()
            if fault == "midstall":
                time.sleep(20)
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.wfile.write(content)


class Quiet(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_):
        """Clients that hang up are what this is for."""


class Faulty:
    """A server for the files of a folder; a context manager."""

    def __init__(self, folder):
        self.folder = Path(folder)

    def __enter__(self):
        command = [sys.executable, __file__, str(self.folder)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def fails(self, fault="none", **plan):
        """Fail from now on, and forget what was asked until now."""
        self._ask(f"/__plan?json={quote(json.dumps({'fault': str(fault), **plan}))}")

    def asked(self, name):
        """Return how requests for a file were answered since then: method and fault."""
        return [(method, fault) for method, path, fault, _ in self._log() if name in path]

    def paths(self):
        """Return the paths that were asked for since then, in order."""
        return [path for _, path, _, _ in self._log()]

    def spans(self, name=""):
        """Return the spans of bytes, first and last, that were asked for since then, of a file or of all."""
        return [
            tuple(map(int, span[6:].split("-"))) for _, path, _, span in self._log() if span and name in path
        ]

    def most(self):
        """Return how many requests were on their way at once since then."""
        return json.loads(self._ask("/__most"))

    def _log(self):
        return json.loads(self._ask("/__log"))

    def _ask(self, path):
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(self.url + path, timeout=60) as answer:
            return answer.read()


if __name__ == "__main__":
    server = Quiet(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()
