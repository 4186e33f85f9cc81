"""Pictures of the viewer for docs/images, from the demo scene: ``python -m tools.screenshots``.

They need selenium, chromium and chromedriver, as the tests of the pages do.
"""

from __future__ import annotations

import io
import shutil
import tempfile
from pathlib import Path

import rasterio
from selenium import webdriver
from selenium.webdriver.support.ui import WebDriverWait

import geopatcher
from geopatcher.demo.scene import Scene

OUT = Path(__file__).parents[1] / "docs" / "images"
PIXELS = 1024
READY = (
    "return document.body.dataset.ready === 'true' && document.getElementById('map').dataset.idle === 'true'"
)
#: Name, width, height, scheme of colors, and what the address of the page says.
SHOTS = (
    ("viewer-light", 1180, 760, "light", "at=500,512,1.05&compare=swipe&pins=420,300,660,720&patches=1"),
    ("viewer-dark", 1180, 760, "dark", "at=500,512,1.05&compare=blend&pins=420,300"),
    ("viewer-phone", 400, 800, "dark", "at=512,512,0.18&compare=side&pins=420,300"),
)


def main() -> None:
    """Make them."""
    with tempfile.TemporaryDirectory() as folder:
        scene, result = Path(folder) / "scene.tif", Path(folder) / "ndvi.tif"
        Scene(PIXELS).write(scene)
        ndvi = geopatcher.Expression("(b4 - b3) / (b4 + b3)", called="ndvi")
        style = geopatcher.Style(range=(-0.5, 0.9), ramp="index")
        geopatcher.reconstruct(scene, ndvi, result, size=256, step=128, style=style)
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium") or ""
        for flag in ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"):
            options.add_argument(flag)
        browser = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
        try:
            with geopatcher.view(result, scene) as viewer:
                for name, width, height, scheme, said in SHOTS:
                    shoot(browser, f"{viewer.url}#{said}", OUT / f"{name}.webp", (width, height), scheme)
                browser.get("about:blank")
        finally:
            browser.quit()


def shoot(browser: webdriver.Chrome, address: str, path: Path, size: tuple[int, int], scheme: str) -> None:
    """Write a picture of a page of ``size`` (width, height)."""
    width, height = size
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.get("about:blank")
    browser.get(address)
    WebDriverWait(browser, 60).until(lambda _: browser.execute_script(READY))
    browser.execute_async_script("setTimeout(arguments[0], 800)")  # what is asked for beside the tiles
    with rasterio.MemoryFile(io.BytesIO(browser.get_screenshot_as_png())) as file, file.open() as picture:
        cells = picture.read([1, 2, 3])
    profile = {
        "driver": "WEBP",
        "count": 3,
        "dtype": "uint8",
        "height": cells.shape[1],
        "width": cells.shape[2],
    }
    with rasterio.open(path, "w", quality=82, **profile) as made:
        made.write(cells)
    path.with_name(f"{path.name}.aux.xml").unlink(missing_ok=True)


if __name__ == "__main__":
    main()
