"""Two layers in a real browser, one over the other: swiped, blended, blinked, subtracted, side by side."""

from __future__ import annotations

import pytest

from chromium import (
    NEEDS_CHROMIUM,
    ActionChains,
    By,
    Keys,
    WebDriverWait,
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

__all__ = ["browser", "folder", "image", "page"]  # fixtures

pytestmark = NEEDS_CHROMIUM


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


def both(browser, dx):
    """Colours of a point as the left and as the right show it."""
    seen = []
    for side in (0, 1):
        choose(browser, "compare", "swipe")
        browser.execute_script(
            "const e = new KeyboardEvent('keydown', {key: arguments[0]});"
            "document.getElementById('swipe').dispatchEvent(e)",
            ("End", "Home")[side],
        )
        settled(browser)
        seen.append(at_middle(browser, dx))
    return seen


def test_one_over_the_other_is_their_mean_at_half(page):
    choose(page, "side-left-ramp", "grey")
    left, right = both(page, -41)
    choose(page, "compare", "blend")
    settled(page)
    mean = [(a + b) / 2 for a, b in zip(left, right, strict=True)]
    assert at_middle(page, -41) == pytest.approx(mean, abs=2)
    page.execute_script(
        "const o = document.getElementById('opacity'); o.value = 100; o.dispatchEvent(new Event('input'))"
    )
    settled(page)
    assert at_middle(page, -41) == pytest.approx(right, abs=1)


def test_they_blink(page):
    choose(page, "side-left-ramp", "grey")
    left, right = both(page, -41)
    choose(page, "compare", "blink")
    for wanted in (left, right, left):
        WebDriverWait(page, 10, 0.05).until(lambda driver, colour=wanted: at_middle(driver, -41) == colour)


def test_the_difference_is_of_values_and_not_of_colours(page):
    choose(page, "compare", "difference")  # the result is the input plus one everywhere
    WebDriverWait(page, 10).until(lambda driver: "difference=-1%2C1" in driver.current_url)
    settled(page)
    assert at_middle(page, -41) == [168, 22, 44, 255]  # the ramp's last: one, the highest there is
    assert text(page, "flag-left") == "result, 1: b1 \N{MINUS SIGN} input, 1: b1"
    ticks = page.find_elements(By.CSS_SELECTOR, "#difference .ticks span")
    assert [tick.text for tick in ticks] == ["-1", "-0.5", "0", "0.5", "1"]
    for side in ("left", "right"):
        choose(page, f"side-{side}-bands", "rgb")
    white = [255, 255, 255, 255]  # each color by itself
    WebDriverWait(page, 10).until(lambda driver: at_middle(driver, -41) == white)


def test_a_map_of_classes_has_no_range_to_choose(page):
    fields = [by(page, f"side-left-{end}") for end in ("from", "to")]
    assert all(field.is_displayed() for field in fields)
    choose(page, "side-left-ramp", "labels")
    assert not any(field.is_displayed() for field in fields)


def test_side_by_side_both_show_the_same_place(page, image):
    choose(page, "compare", "side")
    by(page, "zoom-fit").click()
    settled(page)
    wide = by(page, "map").size["width"]
    found = [hover(page, dx, 31) for dx in (-wide // 4 + 20, wide // 4 + 20)]
    assert found[0] == found[1]
    assert float(text(page, "value-left")) == pytest.approx(float(image[0, *found[0]]) + 1)
