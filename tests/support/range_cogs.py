"""A loopback server of files by ranges that may want a signature, be slow, fail, or wait for company."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np
import rasterio

from loopback import serving


class Ranges(BaseHTTPRequestHandler):
    """Sends ranges of files of a folder."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        """Keep the test's output clean."""

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, *, body):
        server, parts = self.server, urlsplit(self.path)
        with server.guard:
            server.log.append((self.command, unquote(parts.path), self.headers.get("Range")))
            server.now += 1
            server.most = max(server.most, server.now)
        try:
            if server.barrier is not None and body and self.headers.get("Range"):
                server.barrier.wait(20)
            if server.signature and parse_qs(parts.query).get("sig") != [server.signature]:
                return self.reply(403, b"no")
            path = Path(server.folder, unquote(parts.path).lstrip("/"))
            if not path.exists():
                return self.reply(404, b"no")
            if server.hangs.is_set() and body:
                server.released.wait(30)
            return self.send_file(path.read_bytes(), body)
        finally:
            with server.guard:
                server.now -= 1

    def send_file(self, content, body):
        given = self.headers.get("Range")
        if not given:
            return self.reply(200, content, body=body)
        first, last = given.removeprefix("bytes=").split("-")
        start, stop = int(first), min(int(last) + 1 if last else len(content), len(content))
        note = {"Content-Range": f"bytes {start}-{stop - 1}/{len(content)}"}
        return self.reply(206, content[start:stop], body=body, headers=note)

    def reply(self, status, content, *, body=True, headers=None):
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Last-Modified", "Wed, 01 Jan 2025 00:00:00 GMT")
        self.send_header("ETag", f'"{hash(content)}"')
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if body and self.command == "GET":
            self.wfile.write(content)


@contextmanager
def ranges(folder, **behaviour):
    """Serve a folder; see `Ranges` for what the server object can be told."""
    state = {
        "folder": folder,
        "log": [],
        "now": 0,
        "most": 0,
        "guard": threading.Lock(),
        "barrier": None,
        "signature": "",
        "hangs": threading.Event(),
        "released": threading.Event(),
    }
    with serving(Ranges, **{**state, **behaviour}) as server:
        try:
            yield server
        finally:
            server.released.set()


def write_cog(
    path, array, *, nodata=None, mask=None, driver="GTiff", blocksize=64, empty=(), overviews=(), **more
):
    """Write a tiled GeoTIFF of an array ``(bands, h, w)``, but for ``empty`` tiles ``(row, col)``."""
    bands, height, width = array.shape
    profile = {
        "driver": driver,
        "height": height,
        "width": width,
        "count": bands,
        "dtype": array.dtype,
        "crs": "EPSG:32633",
        "transform": rasterio.Affine(10, 0, 500_000, 0, -10, 5_000_000),
        "nodata": nodata,
        "tiled": True,
        "blockxsize": blocksize,
        "blockysize": blocksize,
        "sparse_ok": True,
        "compress": "deflate",
        **more,
    }
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "w", **profile) as dataset:
        for row in range(0, height, blocksize):
            for col in range(0, width, blocksize):
                if (row // blocksize, col // blocksize) not in empty:
                    part = array[:, row : row + blocksize, col : col + blocksize]
                    window = rasterio.windows.Window(col, row, part.shape[2], part.shape[1])
                    dataset.write(part, window=window)
        if mask is not None:
            dataset.write_mask(mask)
        if overviews:
            dataset.build_overviews(list(overviews))
    return path


def noise(bands=2, height=150, width=200, dtype="uint8", seed=0):
    """Return an array without zeros."""
    return np.random.default_rng(seed).integers(1, 250, (bands, height, width)).astype(dtype)
