"""The viewer's page in a real browser, and what tests do with its controls and see of its map."""

from __future__ import annotations

import json
import shutil
from urllib.parse import urlsplit

import numpy as np
import pytest
import rasterio

import geopatcher as gp

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
pytest.importorskip("rio_tiler", reason="the extra `view` is not installed")
from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402, F401 - for the tests
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
NEEDS_CHROMIUM = pytest.mark.skipif(
    CHROMIUM is None or DRIVER is None, reason="chromium and chromedriver are not installed"
)

#: Schemes of what the browser finds in itself, such as the page it starts with.
INTERNAL = {"data", "chrome", "chrome-untrusted", "about"}
HEIGHT, WIDTH = 200, 260
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--window-size=1280,860", "--hide-scrollbars", "--force-device-scale-factor=1"),
)


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).random((3, HEIGHT, WIDTH), dtype="float32")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, image):
    folder = tmp_path_factory.mktemp("browser")
    profile = {"driver": "GTiff", "height": HEIGHT, "width": WIDTH, "count": 3, "dtype": "float32"}
    transform = rasterio.Affine(10, 0, 500_000, 0, -10, 4_000_000)
    scene = folder / "<b>scene.tif"
    with rasterio.open(scene, "w", crs="EPSG:32610", transform=transform, **profile) as dataset:
        dataset.write(image)
    gp.reconstruct(scene, lambda x: x + 1, folder / "<i>x.zarr", size=64, layers=("weight",))
    return folder


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


def asked_for(browser):
    """Addresses of the requests since the last call, but for those to the browser's own pages."""
    messages = (json.loads(entry["message"])["message"] for entry in browser.get_log("performance"))
    addresses = [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    ]
    return [address for address in addresses if urlsplit(address).scheme not in INTERNAL]


def settled(browser):
    ready = (
        "return document.body.dataset.ready === 'true'"
        " && document.getElementById('map').dataset.idle === 'true'"
    )
    WebDriverWait(browser, 20).until(lambda driver: driver.execute_script(ready))


@pytest.fixture
def page(browser, folder):
    """The viewer, open; afterwards: no error on the console, no request that left this machine."""
    browser.get_log("browser")
    asked_for(browser)
    with gp.view(folder / "<i>x.zarr", folder / "<b>scene.tif") as viewer:
        browser.get(viewer.url)
        settled(browser)
        yield browser
        browser.get("about:blank")  # which ends its questions, before the server ends
        assert browser.get_log("browser") == []
        hosts = {urlsplit(url).netloc for url in asked_for(browser)}
        assert hosts - {""} == {f"127.0.0.1:{viewer.server_port}"}


def by(browser, name):
    return browser.find_element(By.ID, name)


def text(browser, name):
    return by(browser, name).get_attribute("textContent")


def hover(browser, dx, dy):
    """Move the pointer to a place off the middle of the map; wait for the cells under it."""
    ActionChains(browser).move_to_element_with_offset(by(browser, "map"), dx, dy).perform()
    WebDriverWait(browser, 10).until(lambda driver: text(driver, "value-left") != "-")
    row, col = (int(part) for part in text(browser, "at-pixel").split(","))
    arrived = (
        "return performance.getEntriesByType('resource')"
        ".some(entry => entry.name.endsWith(arguments[0]) && entry.responseEnd)"
    )
    wanted = f"/value/0?row={row}&col={col}"
    WebDriverWait(browser, 10).until(lambda driver: driver.execute_script(arrived, wanted))
    return row, col


def choose(browser, name, value):
    script = (
        "const s = document.getElementById(arguments[0]); s.value = arguments[1];"
        "s.dispatchEvent(new Event('change'))"
    )
    browser.execute_script(script, name, value)


def pixels(browser, x, y):
    """Colour of a point of the map."""
    script = (  # on a copy: the browser warns of pages that often read their own canvas
        "const c = document.createElement('canvas'); c.width = c.height = 1;"
        "const d = c.getContext('2d', {willReadFrequently: true});"
        "d.drawImage(document.getElementById('map'), -arguments[0], -arguments[1]);"
        "return Array.from(d.getImageData(0, 0, 1, 1).data)"
    )
    return browser.execute_script(script, x, y)


def at_middle(browser, dx):
    """Colour of a point of the middle row of the map, so far from its middle."""
    size = by(browser, "map").size
    return pixels(browser, size["width"] // 2 + dx, size["height"] // 2 + 7)
