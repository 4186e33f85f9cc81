"""Buckets on loopback: a real S3 by moto, and a server that hands out a folder and fails as it is told to."""

from __future__ import annotations

import hashlib
import os
import re
import threading
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import obstore
from moto.server import ThreadedMotoServer
from obstore.store import S3Store

from replying import Replying

KEY, SECRET = "AKIDLOOPBACK00", "not-to-be-seen-anywhere"


def variables(port):
    """Return what an environment says of a server of buckets."""
    return {
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "us-east-1",
        "AWS_S3_ENDPOINT": f"127.0.0.1:{port}",
        "AWS_HTTPS": "NO",
        "AWS_VIRTUAL_HOSTING": "FALSE",
    }


@contextmanager
def moto():
    """Run moto; yields its port."""
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        yield server.get_host_and_port()[1]
    finally:
        server.stop()


def upload(folder, port, bucket, prefix):
    """Put a folder into a bucket of moto's, which is made for it."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}/{bucket}", method="PUT")
    urllib.request.urlopen(request).close()  # noqa: S310
    store = S3Store(
        bucket,
        endpoint=f"http://127.0.0.1:{port}",
        access_key_id=KEY,
        secret_access_key=SECRET,
        region="us-east-1",
        client_options={"allow_http": True},
    )
    for file in Path(folder).rglob("*"):
        if file.is_file():
            obstore.put(store, f"{prefix}/{file.relative_to(folder)}", file.read_bytes())
    return store


class Keys(Replying, BaseHTTPRequestHandler):
    """Hands out the files of `server.folder`, but for those whose path a pattern of `server.faults` matches.

    `server.faults` maps patterns to ``[status, how often]``, or ``["cut", how often]``.
    """

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        """Keep the output clean."""

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        path = unquote(urlsplit(self.path).path)
        if "list-type=" in self.path:  # as of a bucket that is open to those only who know the names
            return self.reply(403, b"<Error><Code>AccessDenied</Code></Error>")
        self.server.log.append((self.command, path, self.headers.get("Authorization", "")))
        for pattern, fault in self.server.faults.items():
            if re.search(pattern, path) and self.command == "GET" and fault[1] > 0:
                fault[1] -= 1
                return self.fails(fault[0], path)
        file = self.server.folder / path.lstrip("/")
        if not file.is_file():
            return self.reply(404, b"")
        body, status, headers = file.read_bytes(), 200, {}
        asked = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        whole = len(body)
        if asked:
            first = int(asked[1]) if asked[1] else max(0, whole - int(asked[2]))
            last = min(whole - 1, int(asked[2])) if asked[1] and asked[2] else whole - 1
            body, status = body[first : last + 1], 206
            headers["Content-Range"] = f"bytes {first}-{last}/{whole}"
        headers["ETag"] = f'"{hashlib.sha256(file.read_bytes()).hexdigest()}"'
        headers["Last-Modified"] = "Mon, 01 Jan 2024 00:00:00 GMT"
        return self.reply(status, body, headers)

    def fails(self, fault, path):
        if fault == "cut":
            body = (self.server.folder / path.lstrip("/")).read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("ETag", '"x"')
            self.send_header("Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT")
            self.end_headers()
            self.wfile.write(body[: len(body) // 2])
            self.close_connection = True
            return None
        return self.reply(fault, b"<Error><Code>Trouble</Code></Error>")


@contextmanager
def keys(folder):
    """Serve a folder in threads of this process: what asks by obstore lets them run meanwhile."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Keys)
    server.daemon_threads = True
    server.folder, server.faults, server.log = Path(folder), {}, []
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def given_here():
    """Give credentials as a provider of obstore does, from variables of the process it is called in."""
    return {
        "access_key_id": os.environ["THEIR_KEY"],
        "secret_access_key": os.environ["THEIR_SECRET"],
        "expires_at": None,
    }
