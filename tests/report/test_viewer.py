"""The viewer: what it answers, and above all what it does not, asked over raw sockets."""

from __future__ import annotations

import json
import socket
import threading

import numpy as np
import pytest
import rasterio

import geopatcher as gp
from encoded import decoded
from geopatcher.report.server import PortError, Viewer
from geopatcher.report.viewer import view

pytest.importorskip("rio_tiler", reason="the extra `view` is not installed")

HEIGHT, WIDTH = 300, 420


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).random((3, HEIGHT, WIDTH), dtype="float32")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, image):
    folder = tmp_path_factory.mktemp("viewer")
    (folder / "secret.txt").write_text("nobody sees this")
    profile = {"driver": "GTiff", "height": HEIGHT, "width": WIDTH, "count": 3, "dtype": "float32"}
    transform = rasterio.Affine(10, 0, 500_000, 0, -10, 8_000_000)
    with rasterio.open(
        folder / "scene.tif", "w", crs="EPSG:32619", transform=transform, **profile
    ) as dataset:
        dataset.write(image)
    gp.reconstruct(
        folder / "scene.tif", lambda x: x * 2, folder / "x.zarr", size=64, layers=("weight", "spread")
    )
    return folder


@pytest.fixture(scope="module")
def viewer(folder):
    with view(folder / "x.zarr", folder / "scene.tif") as running:
        yield running


def talk(viewer, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send bytes, return status, headers and body."""
    with socket.create_connection(("127.0.0.1", viewer.server_port), timeout=10) as line:
        line.sendall(request)
        answer = b""
        while part := line.recv(65536):
            answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *rest = head.decode().split("\r\n")
    return int(first.split()[1]), {k.lower(): v for k, _, v in (line.partition(": ") for line in rest)}, body


def get(viewer, target, *headers, method="GET", host=None):
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host or f'127.0.0.1:{viewer.server_port}'}", *headers]
    return talk(viewer, ("\r\n".join([*lines, "Connection: close"]) + "\r\n\r\n").encode())


def told(viewer, target):
    status, _, body = get(viewer, target)
    assert status == 200, body
    return json.loads(body)


# ---------------------------------------------------------------- what it refuses


@pytest.mark.parametrize(
    "target",
    [
        "/secret.txt",
        "/../secret.txt",
        "/viewer.js/../secret.txt",
        "/..%2fsecret.txt",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/../../../../../../etc/passwd",
        "//etc/passwd",
        "/static/viewer.js",
        "/report.css",
        "/x.zarr/zarr.json",
        "/tile/0/0/0/0/../../../../secret.txt",
        "/tile/../secret.txt",
        "/tile/9/0/0/0",
        "/tile/0/99/0/0",
        "/tile/0/0/7/7",
        "/tile/0/0/99999999/0",
        "/tile/0/0/-1/0",
        "/tile/0/0/0/0.png",
        "/value/9?row=0&col=0",
        "/value/0?row=300&col=0",
        "/value/0?row=0&col=420",
        "/\\..\\secret.txt",
        "/%00",
        "http://127.0.0.1/viewer.js",
        "http://example.org/",
        "*",
        "/viewer.js%0d%0aX-Evil:1",
        "/" + "a" * 60_000,
    ],
)
def test_nothing_but_its_own_pages_and_data_is_served(viewer, target):
    status, headers, body = get(viewer, target)
    assert status == 404
    assert body == b"not found\n"
    assert "x-evil" not in headers


@pytest.mark.parametrize(
    "host",
    ["example.org", "evil.test:{port}", "127.0.0.1", "127.0.0.1:1", "localhost", "127.0.0.1:{port}.evil.test",
     "[::1]:{port}", "0.0.0.0:{port}", "127.0.0.1:{port}, evil.test", " "],
)  # fmt: skip
def test_other_hosts_are_refused(viewer, host):
    status, _, body = get(viewer, "/session", host=host.format(port=viewer.server_port))
    assert status == 403
    assert b"for its own machine" in body


def test_a_request_without_a_host_or_with_two_is_refused(viewer):
    assert talk(viewer, b"GET /session HTTP/1.1\r\nConnection: close\r\n\r\n")[0] == 403
    assert talk(viewer, b"GET /session HTTP/1.0\r\n\r\n")[0] == 403
    assert get(viewer, "/session", "Host: example.org")[0] == 403


def test_its_own_names_are_known(viewer):
    assert get(viewer, "/session", host=f"localhost:{viewer.server_port}")[0] == 200
    assert get(viewer, "/session", host=f"LOCALHOST:{viewer.server_port}")[0] == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "BREW"])
def test_other_methods_are_refused(viewer, method):
    status, headers, body = get(viewer, "/session", method=method)
    assert status == 501
    assert headers["content-type"].startswith("text/plain")
    assert b"crs" not in body


def test_other_origins_are_refused_and_no_origin_is_allowed_by_name(viewer):
    status, headers, _ = get(viewer, "/session", "Origin: http://evil.test")
    assert status == 403
    assert not [name for name in headers if name.startswith("access-control")]
    assert get(viewer, "/session", "Origin: null")[0] == 403
    own = f"Origin: http://127.0.0.1:{viewer.server_port}"
    status, headers, _ = get(viewer, "/session", own)
    assert status == 200
    assert not [name for name in headers if name.startswith("access-control")]


def test_other_sites_may_open_the_page_but_use_nothing_of_it(viewer):
    assert get(viewer, "/tile/0/0/0/0", "Sec-Fetch-Site: cross-site")[0] == 403
    assert get(viewer, "/session", "Sec-Fetch-Site: same-site")[0] == 403
    assert get(viewer, "/", "Sec-Fetch-Site: cross-site")[0] == 200
    assert get(viewer, "/session", "Sec-Fetch-Site: same-origin")[0] == 200


def test_a_body_is_not_taken_for_the_next_request(viewer):
    hidden = b"GET /session HTTP/1.1\r\nHost: evil.test\r\n\r\n"
    host = f"127.0.0.1:{viewer.server_port}".encode()
    request = b"GET / HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n%s" % (host, len(hidden), hidden)
    status, _, body = talk(viewer, request)
    assert status == 200
    assert b"HTTP/1.1" not in body


@pytest.mark.parametrize("request_", [b"\x00\xff\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"])
def test_broken_requests_are_answered_in_plain_text(viewer, request_):
    with socket.create_connection(("127.0.0.1", viewer.server_port), timeout=10) as line:
        line.sendall(request_)
        answer = line.recv(65536)
    assert b"<" not in answer
    assert get(viewer, "/session")[0] == 200  # and the server goes on


def test_every_answer_carries_the_headers_that_close_it_off(viewer):
    for target in ("/", "/viewer.js", "/session", "/tile/0/0/0/0", "/nothing"):
        _, headers, _ = get(viewer, target)
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'")
        assert "unsafe" not in policy
        assert "*" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"


def test_only_this_machine_can_connect(viewer):
    assert viewer.server_address[0] == "127.0.0.1"
    other = next(
        (info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)
         if not info[4][0].startswith("127.")), None
    )  # fmt: skip
    if other is None:
        pytest.skip("this machine has no address but its loopback")
    with pytest.raises(OSError, match=r"refused|unreachable|timed out"):
        socket.create_connection((other, viewer.server_port), timeout=2)


def test_a_port_that_is_taken_says_so(viewer, folder):
    with pytest.raises(PortError, match=r"cannot listen on 127\.0\.0\.1:[0-9]+.*--port 0"):
        view(folder / "x.zarr", port=viewer.server_port)


# ---------------------------------------------------------------- what it answers


def test_head_answers_without_the_content(viewer):
    status, headers, body = get(viewer, "/viewer.js", method="HEAD")
    assert (status, body) == (200, b"")
    assert int(headers["content-length"]) > 1000


def test_pages_name_nothing_outside(viewer):
    for target in ("/", "/viewer.js", "/scene.js", "/panel.js", "/viewer.css"):
        status, _, body = get(viewer, target)
        assert status == 200
        assert b"http" not in body
        assert b"@import" not in body
        assert b"innerHTML" not in body  # names of files and bands come from outside
        assert b"eval(" not in body


def test_the_session_describes_layers_patches_and_georeference(viewer):
    session = told(viewer, "/session")
    assert [layer["name"] for layer in session["layers"]] == ["result", "spread", "weight", "input"]
    assert (session["height"], session["width"]) == (HEIGHT, WIDTH)
    assert session["transform"][:3] == [10, 0, 500_000]
    assert session["patches"]["rows"] == {"size": 64, "step": 32, "count": 9, "first": 0, "last": 236}
    assert session["patches"]["count"] == 9 * 13
    low, high = session["layers"][0]["spans"][0]
    assert 0 < low < high < 2


def test_values_are_those_of_the_array(viewer, image):
    for row, col in ((0, 0), (299, 419), (123, 45)):
        found = told(viewer, f"/value/3?row={row}&col={col}")
        assert [np.float32(value) for value in found["values"]] == image[:, row, col].tolist()
        doubled = told(viewer, f"/value/0?row={row}&col={col}")["values"]
        assert [float(value) for value in doubled] == pytest.approx((2 * image[:, row, col]).tolist())
    lon, lat = told(viewer, "/value/0?row=0&col=0")["lonlat"]
    assert (lon, lat) == (pytest.approx(-69.0, abs=0.01), pytest.approx(72.1, abs=0.01))


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("/value/0?row=a&col=1", "row is a whole number"),
        ("/value/0", "row is a whole number"),
        ("/value/0?row=-1&col=0", "row is a whole number"),
        ("/tile/0/0/0/0?bands=4", "bands are one or three numbers from 1 to 3"),
        ("/tile/0/0/0/0?bands=1,2", "bands are one or three"),
        ("/tile/0/0/0/0?bands=x", "invalid literal"),
        ("/tile/0/0/0/0?span=1", "span is a lowest"),
        ("/tile/0/0/0/0?span=2,1", "span is a lowest"),
        ("/tile/0/0/0/0?span=nan,1", "span is a lowest"),
        ("/tile/0/0/0/0?ramp=nope", "no colour ramp"),
        ("/tile/0/0/0/0?" + "a=1&" * 50, "fields"),
    ],
)
def test_wrong_questions_are_told_what_is_wrong(viewer, target, message):
    status, headers, body = get(viewer, target)
    assert status == 400
    assert message in body.decode()
    assert headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize("layer", [0, 3])
def test_tiles_of_the_last_level_show_every_pixel(viewer, image, layer):
    top = told(viewer, "/session")["maxZoom"]
    factor = 2 if layer == 0 else 1
    for y in (0, 1):
        for x in (0, 1):
            _, headers, body = get(viewer, f"/tile/{layer}/{top}/{x}/{y}?bands=2&span=0,{factor}&ramp=grey")
            assert headers["content-type"] == "image/png"
            cells = image[1, y * 256 : y * 256 + 256, x * 256 : x * 256 + 256]
            picture = decoded(body)
            assert picture.shape == (4, *cells.shape)
            assert np.abs(picture[0] - cells * 255.0).max() <= 1
            assert (picture[3] == 255).all()


def test_a_coarser_tile_shows_the_whole_raster_thinned(viewer, image):
    _, _, body = get(viewer, "/tile/0/0/0/0?span=0,2&ramp=grey")
    picture = decoded(body)
    assert picture.shape[1:] == (HEIGHT // 2, min(256, WIDTH // 2))
    # Each cell is one of the four it stands for.
    four = np.stack([image[0, row::2, col::2] for row in (0, 1) for col in (0, 1)]) * 255
    assert (np.abs(four - picture[0]).min(axis=0) <= 1).all()


def test_three_bands_make_a_colour_picture(viewer, image):
    _, _, body = get(viewer, "/tile/3/1/0/0?bands=3,2,1&span=0,1,0,1,0,1")
    picture = decoded(body)
    assert np.abs(picture[:3] - image[::-1, :256, :256] * 255.0).max() <= 1


def test_many_may_ask_at_once(viewer):
    answers = []
    targets = [f"/tile/{layer}/1/{x}/{y}" for layer in range(4) for x in (0, 1) for y in (0, 1)] * 2
    threads = [threading.Thread(target=lambda t=t: answers.append(get(viewer, t)[0])) for t in targets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert answers == [200] * len(targets)


def test_a_raster_that_vanishes_is_an_error_and_not_the_end(folder, tmp_path):
    copy = tmp_path / "gone.tif"
    copy.write_bytes((folder / "scene.tif").read_bytes())
    with view(copy) as viewer:
        copy.write_bytes(b"")
        status, _, body = get(viewer, "/value/0?row=0&col=0")
        assert status == 500
        assert b"cannot open" in body
        assert get(viewer, "/session")[0] == 200


def test_closing_lets_go_of_the_port(folder):
    viewer = view(folder / "x.zarr")
    url = viewer.url
    assert url == f"http://127.0.0.1:{viewer.server_port}/"
    assert get(viewer, "/")[0] == 200
    viewer.close()
    with pytest.raises(ConnectionRefusedError):
        get(viewer, "/")
    with Viewer(viewer.session, viewer.server_port) as again:
        assert get(again, "/")[0] == 200
