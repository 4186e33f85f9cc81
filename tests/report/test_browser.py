"""The page and the report in a real browser: clicked, swiped, read out, and watched for what they ask for."""

from __future__ import annotations

import json
import shutil
from urllib.parse import urlsplit

import numpy as np
import pytest
import rasterio

import geopatcher as gp
from geopatcher.report.live import watched

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
pytest.importorskip("rio_tiler", reason="the extra `view` is not installed")
from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None or DRIVER is None, reason="chromium and chromedriver are not installed"
)

#: Schemes of what the browser finds in itself, such as the page it starts with.
INTERNAL = {"data", "chrome", "about"}
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


def test_the_value_under_the_cursor_is_the_arrays(page, image):
    for dx, dy in ((-120, -60), (40, 90), (150, 20)):
        row, col = hover(page, dx, dy)
        WebDriverWait(page, 10).until(
            lambda driver, at=(row, col): (
                float(text(driver, "value-right")) == pytest.approx(float(image[0, *at]))
            )
        )
        assert float(text(page, "value-left")) == pytest.approx(float(image[0, row, col]) + 1)
        assert text(page, "at-place") == f"{500_000 + 10 * col + 5}, {4_000_000 - 10 * row - 5}"


def test_names_from_outside_are_text_and_not_markup(page):
    assert text(page, "title") == "<i>x.zarr"
    assert page.find_elements(By.TAG_NAME, "i") == []
    assert page.title == "<i>x.zarr: geopatcher"


def test_the_swipe_moves_by_pointer_and_by_key(page):
    swipe, frame = by(page, "swipe"), by(page, "map")
    middle = frame.size["width"] // 2
    left_colour = pixels(page, middle - 40, frame.size["height"] // 2)
    choose(page, "side-left-ramp", "grey")
    settled(page)
    grey = pixels(page, middle - 40, frame.size["height"] // 2)
    assert grey != left_colour
    assert len(set(grey[:3])) == 1
    ActionChains(page).drag_and_drop_by_offset(swipe, -120, 0).perform()
    settled(page)
    assert int(swipe.get_attribute("aria-valuenow")) < 45
    assert len(set(pixels(page, middle - 40, frame.size["height"] // 2)[:3])) > 1  # the right is there now
    before = int(swipe.get_attribute("aria-valuenow"))
    swipe.send_keys(Keys.ARROW_RIGHT)
    assert int(swipe.get_attribute("aria-valuenow")) == before + 2


def test_keys_move_and_zoom_and_read_out(page, image):
    canvas = by(page, "map")
    canvas.send_keys("+")
    canvas.send_keys(Keys.ARROW_RIGHT)
    WebDriverWait(page, 10).until(lambda driver: text(driver, "value-right") != "-")
    row, col = (int(part) for part in text(page, "at-pixel").split(","))
    assert col > WIDTH // 2
    WebDriverWait(page, 10).until(
        lambda driver: float(text(driver, "value-right")) == pytest.approx(float(image[0, row, col]))
    )
    canvas.send_keys("0")
    settled(page)


def test_patches_are_drawn_and_counted(page):
    frame = by(page, "map")
    before = page.get_screenshot_as_png()
    by(page, "patches-on").click()
    hover(page, 20, 20)
    settled(page)
    assert page.get_screenshot_as_png() != before
    assert text(page, "at-patches") == "4"
    assert "of 64 x 64, step 32 x 32" in text(page, "patches-note")
    frame.send_keys("p")
    assert not by(page, "patches-on").is_selected()


def test_layers_and_three_bands_can_be_chosen(page):
    choose(page, "side-left-bands", "3,2,1")
    settled(page)
    hover(page, -60, 10)
    WebDriverWait(page, 10).until(lambda driver: text(driver, "value-left").count(",") == 2)
    assert by(page, "side-left-ramp").get_attribute("disabled")
    names = [option.text for option in by(page, "side-right-layer").find_elements(By.TAG_NAME, "option")]
    assert names == ["result", "weight", "input"]


def test_every_control_has_a_name(page):
    unnamed = page.execute_script(
        "return [...document.querySelectorAll('select, input, button, canvas, [role=slider]')]"
        ".filter(e => !(e.labels?.length || e.getAttribute('aria-label') || e.textContent.trim()"
        " || e.getAttribute('aria-hidden'))).map(e => e.outerHTML)"
    )
    assert unnamed == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_report_is_drawn_without_a_request(browser, folder, tmp_path, scheme):
    path = gp.write_report(folder / "<i>x.zarr", tmp_path / "r.html", source=folder / "<b>scene.tif")
    browser.get_log("browser")
    asked_for(browser)
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    browser.get(path.as_uri())
    loaded = browser.execute_script(
        "return [...document.images].every(i => i.complete && i.naturalWidth > 0)"
    )
    assert loaded
    assert browser.find_element(By.TAG_NAME, "h1").text == "<i>x.zarr"
    background = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    level = int(background.removeprefix("rgb(").split(",")[0])
    assert (level > 200) is (scheme == "light")
    wide = browser.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
    assert wide
    assert browser.get_log("browser") == []
    assert {urlsplit(url).scheme for url in asked_for(browser)} <= {"file"}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_a_page_follows_a_run_to_its_end(browser, tmp_path):
    with watched(None) as (viewer, log):
        browser.get(viewer.url)
        assert browser.find_element(By.ID, "state").text == "WAITING FOR THE RUN"
        image = np.zeros((HEIGHT, WIDTH), "float32")
        gp.reconstruct(image, np.copy, tmp_path / "<b>.zarr", size=64, step=64, log_json=log)
        WebDriverWait(browser, 20).until(lambda _: browser.find_element(By.ID, "state").text == "COMPLETE")
        assert browser.find_element(By.ID, "patches").text == "20 of 20"
        assert browser.find_element(By.ID, "target").text.endswith("<b>.zarr")
        assert browser.find_element(By.ID, "left").text == "none"
        drawn = browser.execute_script(
            "const map = document.getElementById('map'), pen = map.getContext('2d');"
            "const cells = pen.getImageData(0, 0, map.width, map.height).data;"
            "let n = 0; for (let at = 3; at < cells.length; at += 4) n += cells[at] > 0; return n;"
        )
        assert drawn > 10_000
    assert {urlsplit(address).netloc for address in asked_for(browser)} == {f"127.0.0.1:{viewer.server_port}"}
