"""A local page to look at a result."""

from __future__ import annotations

import webbrowser
from typing import TYPE_CHECKING

from geopatcher.report.server import Viewer
from geopatcher.report.session import Session

if TYPE_CHECKING:
    from geopatcher.fields.open import Source
    from geopatcher.report.results import Pixels, Result


def view(
    result: Result,
    source: Source | None = None,
    *,
    port: int = 0,
    size: Pixels | None = None,
    step: Pixels | None = None,
    labels: bool | None = None,
    browser: bool = False,
) -> Viewer:
    """Serve a page that shows a result; needs the extra ``view``.

    Returns at once: the page is served in a thread until the returned object is closed (``.close()``, or
    a ``with`` block) or the process ends. Its address is ``.url``.

    Parameters
    ----------
    result
        What `reconstruct` returned, or the path of a result or of any raster.
    source
        The raster the result was made from, to be swiped against it; by default the one that its ledger
        names, if it is there.
    port
        Where to listen on 127.0.0.1; 0 takes any free port.
    size, step
        Where patches lie, when that is not written beside the result.
    labels
        Whether values are names, such as classes; by default as for `measure_seams`.
    browser
        Whether to open the page in the default browser.

    Returns
    -------
    Viewer
        With ``url`` and ``close()``.

    """
    viewer = Viewer(Session.of(result, source, size, step, labels), port).start()
    if browser:
        webbrowser.open(viewer.url)
    return viewer
