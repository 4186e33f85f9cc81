"""The page and the report in a real browser: clicked, swiped, read out, and watched for what they ask for."""

from __future__ import annotations

from urllib.parse import urlsplit

import numpy as np
import pytest
import rasterio

import geopatcher as gp
from chromium import (
    HEIGHT,
    NEEDS_CHROMIUM,
    WIDTH,
    ActionChains,
    By,
    Keys,
    WebDriverWait,
    asked_for,
    at_middle,
    browser,
    by,
    choose,
    folder,
    hover,
    image,
    page,
    pixels,
    settled,
    text,
)
from geopatcher.report.live import watched

__all__ = ["browser", "folder", "image", "page"]  # fixtures

pytestmark = NEEDS_CHROMIUM


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
    choose(page, "side-left-bands", "rgb")
    settled(page)
    for name, band in (("red", "3"), ("green", "2"), ("blue", "1")):
        choose(page, f"side-left-{name}", band)
    settled(page)
    hover(page, -60, 10)
    WebDriverWait(page, 10).until(lambda driver: text(driver, "value-left").count(",") == 2)
    assert not by(page, "side-left-ramp").is_displayed()
    names = [option.text for option in by(page, "side-right-layer").find_elements(By.TAG_NAME, "option")]
    assert names == ["result", "weight", "input"]


def test_a_click_pins_what_all_layers_hold(page, image):
    where = by(page, "map")
    ActionChains(page).move_to_element_with_offset(where, -50, -30).click().perform()
    row, col = (int(part) for part in text(page, "at-pixel").split(","))
    wanted = [image[:, row, col] + 1, None, image[:, row, col]]
    rows = WebDriverWait(page, 10).until(
        lambda driver: (
            [
                told.get_attribute("textContent")
                for told in by(driver, "pins").find_elements(By.TAG_NAME, "dd")
                if told.get_attribute("textContent") != "\N{HORIZONTAL ELLIPSIS}"
            ][2:]
            and by(driver, "pins").find_elements(By.TAG_NAME, "dd")
        )
    )
    for told, cells in zip(rows, wanted, strict=True):
        if cells is not None:
            values = [float(part) for part in told.get_attribute("textContent").split(",")]
            assert values == pytest.approx(cells.tolist())
    where.send_keys(Keys.ENTER)  # the same place once more lets it go
    assert not by(page, "pins").is_displayed()


def test_a_range_is_dragged_typed_and_stretched(page, image):
    WebDriverWait(page, 10).until(
        lambda driver: by(driver, "side-left").find_elements(By.CLASS_NAME, "handle")[0].is_displayed()
    )
    by(page, "side-left-all").click()
    WebDriverWait(page, 10).until(
        lambda driver: (
            float(by(driver, "side-left-to").get_property("value")) == pytest.approx(image[0].max() + 1, 1e-4)
        )
    )
    low, high = by(page, "side-left").find_elements(By.CLASS_NAME, "handle")
    before = float(high.get_attribute("aria-valuenow"))
    ActionChains(page).drag_and_drop_by_offset(high, -60, 0).perform()
    dragged = float(high.get_attribute("aria-valuenow"))
    width = by(page, "side-left").find_element(By.CLASS_NAME, "histogram").size["width"]
    assert dragged == pytest.approx(before - 60 / width * (image[0].max() - image[0].min()), abs=0.02)
    assert float(by(page, "side-left-to").get_property("value")) == dragged
    low.send_keys(Keys.ARROW_RIGHT)
    assert float(low.get_attribute("aria-valuenow")) == pytest.approx(image[0].min() + 1 + 0.01, abs=0.002)
    by(page, "side-left-middle").click()
    expected = np.quantile(image[0] + 1, (0.02, 0.98))
    WebDriverWait(page, 10).until(
        lambda driver: (
            float(by(driver, "side-left-from").get_property("value")) == pytest.approx(expected[0], 1e-3)
        )
    )


def test_the_address_holds_what_is_seen(page):
    choose(page, "side-left-layer", "1")
    choose(page, "side-right-bands", "2")
    choose(page, "side-right-ramp", "magma")
    choose(page, "compare", "blend")
    page.find_element(By.TAG_NAME, "body").send_keys("+")
    WebDriverWait(page, 10).until(
        lambda driver: all(
            part in driver.current_url
            for part in ("right.ramp=magma", "left.layer=weight", "compare=blend", "right.bands=2")
        )
    )
    settled(page)
    address, seen = page.current_url, at_middle(page, -41)
    page.get("about:blank")
    page.get(address)
    settled(page)
    assert by(page, "side-left-layer").get_property("value") == "1"
    assert by(page, "side-right-bands").get_property("value") == "2"
    assert by(page, "compare").get_property("value") == "blend"
    assert at_middle(page, -41) == seen
    WebDriverWait(page, 10).until(lambda driver: driver.current_url == address)
    page.get(f"{address}&patches=1&pins=3,4")
    WebDriverWait(page, 10).until(lambda driver: by(driver, "patches-on").is_selected())
    assert "row 3, column 4" in text(page, "pins")


def test_an_address_that_makes_no_sense_shows_the_usual(page):
    said = "at=a,b&left.layer=nope&left.bands=9,9,9&compare=x&pins=-1,7,a"
    page.get(f"{page.current_url.split('#', maxsplit=1)[0]}#{said}")
    page.refresh()
    settled(page)
    assert by(page, "compare").get_property("value") == "swipe"
    assert by(page, "side-left-layer").get_property("value") == "0"
    assert not by(page, "pins").is_displayed()


def test_the_picture_is_saved_as_it_is_seen(page, tmp_path):
    page.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    page.execute_script("document.getElementById('save').click()")
    WebDriverWait(page, 10).until(lambda _: [path for path in tmp_path.iterdir() if path.suffix == ".png"])
    (path,) = tmp_path.iterdir()
    size = by(page, "map").size
    with rasterio.open(path) as dataset:
        assert dataset.shape == (size["height"], size["width"])
        row, col = size["height"] // 2 + 7, size["width"] // 2 - 41
        saved = dataset.read(window=((row, row + 1), (col, col + 1))).ravel().tolist()
    assert saved[:3] == at_middle(page, -41)[:3]


def test_the_scale_bar_is_in_metres_of_the_ground(page):
    scale = by(page, "map").size["height"] * 0.96 / HEIGHT  # of a pixel of 10 m
    assert (
        by(page, "map").get_attribute("data-scale")
        == f"{max(m for m in (100, 200, 500) if m * scale / 10 <= 120)} m"
    )


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
    asked_for(browser)
    with watched(None) as (viewer, log, picture):
        browser.get(viewer.url)
        assert browser.find_element(By.ID, "state").text == "WAITING FOR THE RUN"
        image = np.zeros((HEIGHT, WIDTH), "float32")
        image[:, WIDTH // 2 :] = 0.5
        keywords = {"size": 64, "step": 64, "chunks": 64, "log_json": log, "hooks": picture}
        gp.reconstruct(image, np.copy, tmp_path / "<b>.zarr", **keywords)
        WebDriverWait(browser, 20).until(lambda _: browser.find_element(By.ID, "state").text == "COMPLETE")
        assert browser.find_element(By.ID, "patches").text == "20 of 20"
        assert browser.find_element(By.ID, "target").text.endswith("<b>.zarr")
        assert browser.find_element(By.ID, "left").text == "none"
        WebDriverWait(browser, 20).until(
            lambda _: browser.find_element(By.ID, "map").get_attribute("data-blocks") == str(picture.n_blocks)
        )
        middle = {key: value // 2 for key, value in browser.find_element(By.ID, "map").size.items()}
        assert pixels(browser, middle["width"] - 40, middle["height"])[:3] == [68, 1, 84]  # viridis
        assert pixels(browser, middle["width"] + 40, middle["height"])[:3] == [253, 231, 37]
        drawn = browser.execute_script(
            "const map = document.getElementById('map'), pen = map.getContext('2d');"
            "const cells = pen.getImageData(0, 0, map.width, map.height).data;"
            "let n = 0; for (let at = 3; at < cells.length; at += 4) n += cells[at] > 0; return n;"
        )
        assert drawn > 10_000
    assert {urlsplit(address).netloc for address in asked_for(browser)} == {f"127.0.0.1:{viewer.server_port}"}
