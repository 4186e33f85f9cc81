"""Servers for tests, on loopback: a STAC API, a signing service, and files by ranges of bytes."""

import functools
import json
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

from RangeHTTPServer import RangeRequestHandler


class Request(NamedTuple):
    """One question as a server got it."""

    method: str
    path: str
    parameters: dict


@contextmanager
def serving(handler, **state):
    """Serve on a free port of loopback; the server object carries what its handler needs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    for name, value in state.items():
        setattr(server, name, value)
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def holds(properties, condition):
    """Evaluate a condition of the extension "query" or of CQL2; unknown properties hold nothing."""
    if "op" not in condition:
        compare = {"eq": lambda a, b: a == b, "lte": lambda a, b: a <= b}
        return all(
            properties.get(name) is not None and compare[op](properties[name], value)
            for name, test in condition.items()
            for op, value in test.items()
        )
    if condition["op"] == "and":
        return all(holds(properties, part) for part in condition["args"])
    (name, value) = condition["args"][0]["property"], condition["args"][1]
    return holds(properties, {name: {{"=": "eq", "<=": "lte"}[condition["op"]]: value}})


class Catalogue(BaseHTTPRequestHandler):
    """A STAC API: landing page, collections, and item search by POST and GET, in pages of two.

    The server object tells how it behaves: `items`, conformance `classes`, filter `languages` it
    claims, `obeys` them or not, `methods`, `refuses` (properties it answers with 400), `failures`
    (statuses it gives first), and `leads_back` (the first item from which on each page leads to itself).
    """

    def log_message(self, *_):
        """Keep the test's output clean."""

    def do_GET(self):
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        for name in ("query", "filter"):
            if name in query:
                query[name] = json.loads(query[name])
        for name, split in (
            ("bbox", lambda text: [float(x) for x in text.split(",")]),
            ("collections", str.split),
        ):
            if name in query:
                query[name] = split(query[name])
        self.answer("GET", parts.path, query)

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.answer("POST", urlsplit(self.path).path, body)

    def answer(self, method, path, parameters):
        self.server.log.append(Request(method, path, parameters))
        if self.server.failures:
            return self.reply(
                {"description": "over the quota of https://x/y?a=hunter2, sig=hunter2"},
                self.server.failures.pop(0),
            )
        if path == "/search":
            if any(name in json.dumps(parameters) for name in self.server.refuses):
                return self.reply({"description": "unknown property"}, 400)
            return self.reply(self.search(method, dict(parameters)))
        if path == "/collections/sentinel-2-l2a":
            extent = {"spatial": {"bbox": [[-180, -90, 180, 90]]}, "temporal": {"interval": [[None, None]]}}
            common = {"type": "Collection", "stac_version": "1.0.0", "description": "", "license": "other"}
            return self.reply({**common, "id": "sentinel-2-l2a", "extent": extent, "links": []})
        if path == "/page":
            return self.send(b"<html>Welcome</html>", 200)
        return self.reply(self.landing()) if path == "/" else self.reply({"code": "NotFound"}, 404)

    def landing(self):
        classes = [*self.server.classes, *(f"item-search#{name}" for name in self.server.languages)]
        links = [{"rel": "data", "href": f"{self.server.url}/collections"}]
        links += [
            {
                "rel": "search",
                "type": "application/geo+json",
                "href": f"{self.server.url}/search",
                "method": method,
            }
            for method in self.server.methods
        ]
        conforms = [f"https://api.stacspec.org/v1.0.0/{name}" for name in classes]
        common = {"type": "Catalog", "id": "test", "stac_version": "1.0.0", "description": ""}
        return {**common, "conformsTo": conforms, "links": links}

    def search(self, method, asked):
        start, end = asked["datetime"].split("/")
        west, south, east, north = asked["bbox"]
        condition = {} if not self.server.obeys else asked.get("query") or asked.get("filter") or {}
        found = [
            item
            for item in self.server.items
            if item["collection"] in asked["collections"]
            and start <= item["properties"]["datetime"] <= end
            and item["bbox"][0] <= east
            and item["bbox"][2] >= west
            and item["bbox"][1] <= north
            and item["bbox"][3] >= south
            and holds(item["properties"], condition)
        ]
        first = int(asked.get("token", 0))
        links = []
        back = getattr(self.server, "leads_back", None)
        if first + 2 < len(found) or back is not None:
            more = {"rel": "next", "href": f"{self.server.url}/search", "method": method}
            then = first if back is not None and first >= back else first + 2
            if method == "POST":
                links = [{**more, "body": {"token": then}, "merge": True}]
            else:
                token = f"token={then}"
                query = [
                    part for part in urlsplit(self.path).query.split("&") if not part.startswith("token=")
                ]
                links = [{**more, "href": f"{self.server.url}/search?{'&'.join([*query, token])}"}]
        return {"type": "FeatureCollection", "features": found[first : first + 2], "links": links}

    def reply(self, content, status=200):
        self.send(json.dumps(content).encode(), status)

    def send(self, body, status):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def scene(name, *, tile="10SGJ", cloud=1.0, day="2024-06-11", naming="s2:mgrs_tile", href="./B04.tif"):
    """Return an item as an API sends it."""
    codes = {"s2:mgrs_tile": tile, "grid:code": f"MGRS-{tile}"}
    properties = {"datetime": f"{day}T18:49:21Z", "eo:cloud_cover": cloud, naming: codes[naming]}
    ring = [[-121, 38], [-119, 38], [-119, 40], [-121, 40], [-121, 38]]
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": name,
        "collection": "sentinel-2-l2a",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "bbox": [-121, 38, -119, 40],
        "properties": properties,
        "links": [{"rel": "self", "href": f"http://127.0.0.1/items/{name}.json"}],
        "assets": {"B04": {"href": href, "type": "image/tiff; application=geotiff; profile=cloud-optimized"}},
    }


def scenes(**common):
    """Return items on several tiles and days; the lake's, clearest first: d, a, f, then b."""
    return [
        scene("a", cloud=3.5, **common),
        scene("b", cloud=40, **common),
        scene("c", tile="11SKD", cloud=0, **common),
        scene("d", cloud=0.25, day="2024-07-15", **common),
        scene("e", day="2024-07-16", **common),
        scene("f", cloud=5, **common),
        scene("g", cloud=None, **common),
    ]


class Tokens(BaseHTTPRequestHandler):
    """The service that hands out signatures for a container."""

    def log_message(self, *_):
        """Keep the test's output clean."""

    def do_GET(self):
        self.server.log.append(self.path)
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(b'{"msft:expiry": "2999-01-01T00:00:00Z", "token": "st=now&sig=abc"}')


class Files(RangeRequestHandler):
    """A file server that notes each GET: path, range, and how many bytes it is about to send."""

    def log_message(self, *_):
        """Keep the test's output clean."""

    def send_header(self, keyword, value):
        if keyword == "Content-Length" and self.command == "GET":
            note = {"path": self.path, "range": self.headers["Range"], "n_bytes": int(value)}
            with self.server.log.open("a") as log:
                log.write(json.dumps(note) + "\n")
        super().send_header(keyword, value)


@contextmanager
def serving_files(folder, log):
    """Serve a folder from a process of its own; yields the address.

    GDAL asks for side files while it holds Python's lock: a thread of the same process could never
    answer it.
    """
    command = [sys.executable, __file__, str(folder), str(log)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        try:
            yield child.stdout.readline().strip()
        finally:
            child.terminate()


def main(folder, log):
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Files, directory=folder))
    server.log = Path(log)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
