"""Buckets of Google and of Azure on loopback, as far as they are read, and those of Google written, too.

A server of a few lines, which knows no signatures, in a process of its own: ``python clouds.py FOLDER``
prints its port. Where Azurite is installed, it is taken for Azure.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from replying import Replying

#: The account and the key that every emulator of Azure has.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
BUCKET = "geo"
MODIFIED = "Mon, 01 Jan 2024 00:00:00 GMT"


class Objects(Replying, BaseHTTPRequestHandler):
    """Hands out, takes, lists and removes what is in ``server.objects``, by its key."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        """Keep the output clean."""

    @property
    def asked(self):
        """Key, and the query by its names."""
        parts = urlsplit(self.path)
        path = unquote(parts.path).removeprefix(f"/{ACCOUNT}").removeprefix(f"/{BUCKET}").lstrip("/")
        query = parse_qs(parts.query, keep_blank_values=True)
        return path, {name: values[0] for name, values in query.items()}

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        key, query = self.asked
        if not key:
            return self.reply(200, self.listing(query), {"Content-Type": "application/xml"})
        content = self.server.objects.get(key)
        if content is None:
            return self.reply(404, b"<Error><Code>NoSuchKey</Code></Error>")
        span = re.fullmatch(
            r"bytes=(\d+)-(\d*)", self.headers.get("Range") or self.headers.get("x-ms-range", "")
        )
        headers = {"ETag": tag(content), "Last-Modified": MODIFIED, "x-ms-blob-type": "BlockBlob"}
        headers |= {
            "x-goog-generation": str(self.server.generations.get(key, 1)),
            "x-ms-version": "2021-08-06",
            "Accept-Ranges": "bytes",
        }
        if not span:
            return self.reply(200, content, headers)
        first, last = int(span[1]), min(int(span[2] or len(content)), len(content) - 1)
        headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
        return self.reply(206, content[first : last + 1], headers)

    def listing(self, query):
        """Return what there is, as Google or as Azure lists it."""
        found = sorted(key for key in self.server.objects if key.startswith(query.get("prefix", "")))
        azure = query.get("comp") == "list"
        kind = ("Blob", "Name", "Content-Length", "Etag") if azure else ("Contents", "Key", "Size", "ETag")
        texts = []
        for key in found:
            known = self.server.objects[key]
            facts = f"<{kind[2]}>{len(known)}</{kind[2]}><{kind[3]}>{escape(tag(known))}</{kind[3]}>"
            facts += "<Content-Type>a/b</Content-Type>"
            if azure:
                facts = f"<Properties><Last-Modified>{MODIFIED}</Last-Modified>{facts}</Properties>"
            else:
                facts += "<LastModified>2024-01-01T00:00:00Z</LastModified>"
            texts.append(f"<{kind[0]}><{kind[1]}>{escape(key)}</{kind[1]}>{facts}</{kind[0]}>")
        inner = "".join(texts)
        if azure:
            return f"<EnumerationResults><Blobs>{inner}</Blobs><NextMarker/></EnumerationResults>".encode()
        return f"<ListBucketResult><IsTruncated>false</IsTruncated>{inner}</ListBucketResult>".encode()

    def do_PUT(self):
        key, query = self.asked
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if "partNumber" in query:
            self.server.parts[int(query["partNumber"])] = content
            return self.reply(200, b"", {"ETag": tag(content)})
        with self.server.lock:
            generation = self.headers.get("x-goog-if-generation-match")
            found = self.server.objects.get(key)
            present = "0" if found is None else str(self.server.generations.get(key, 1))
            if generation not in (None, present):
                return self.reply(412, b"<Error><Code>PreconditionFailed</Code></Error>")
            self.server.objects[key] = content
            self.server.number += 1
            self.server.generations[key] = self.server.number
        return self.reply(200, b"", {"ETag": tag(content), "x-goog-generation": str(self.server.number)})

    def do_POST(self):
        key, query = self.asked
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if "uploads" in query:
            self.server.parts.clear()
            text = "<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>"
            return self.reply(200, text.encode())
        content = b"".join(self.server.parts[number] for number in sorted(self.server.parts))
        self.server.objects[key] = content
        text = f"<ETag>{escape(tag(content))}</ETag>"
        text = f"<CompleteMultipartUploadResult>{text}</CompleteMultipartUploadResult>"
        return self.reply(200, text.encode(), {"x-goog-generation": "1"})

    def do_DELETE(self):
        key, _ = self.asked
        found = self.server.objects.pop(key, None)
        return self.reply(404 if found is None else 204, b"")


def tag(content):
    return f'"{hashlib.sha256(content).hexdigest()[:16]}"'


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_):
        """Clients that hang up are no fault."""


@contextlib.contextmanager
def objects(folder):
    """Run a server of the files of a folder, by their names in it; yields its port."""
    command = [sys.executable, __file__, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield int(process.stdout.readline())
        finally:
            process.terminate()


def serve(folder):
    """Serve until the end of this process."""
    server = Server(("127.0.0.1", 0), Objects)
    files = [file for file in folder.rglob("*") if file.is_file()]
    server.objects = {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}
    server.parts, server.lock = {}, threading.Lock()
    server.generations, server.number = {}, 1
    print(server.server_port, flush=True)
    server.serve_forever()


@contextlib.contextmanager
def azurite():
    """Run Azurite; yields its port, ``None`` where it is not installed."""
    command = shutil.which("azurite-blob")
    if command is None:
        yield None
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--blobHost", "127.0.0.1", "--blobPort", str(port), "--inMemoryPersistence", "--silent"]
    options += ["--disableTelemetry", "--skipApiVersionCheck"]
    with subprocess.Popen(
        [command, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            for _ in range(600):
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                time.sleep(0.1)
            yield port
        finally:
            process.terminate()


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
