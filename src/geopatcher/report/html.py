"""The report: one HTML file that holds everything it shows and asks the network for nothing."""

from __future__ import annotations

import datetime as dt
import os
from functools import partial
from html import escape
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pyproj import CRS

from geopatcher import __version__
from geopatcher.core.box import Box
from geopatcher.errors import TargetError
from geopatcher.planning.memory import format_bytes
from geopatcher.report import charts
from geopatcher.report.findings import look_into

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from geopatcher.core.domain import RasterDomain
    from geopatcher.core.json_values import Json
    from geopatcher.fields.open import Source
    from geopatcher.report.findings import Findings, Look
    from geopatcher.report.results import Pixels, Result

#: Failed patches listed one by one; more are counted.
MAX_FAILURES = 50
#: How a report begins.
DOCTYPE = "<!doctype html>"


def write_report(
    result: Result,
    path: str | os.PathLike[str] | None = None,
    *,
    source: Source | None = None,
    size: Pixels | None = None,
    step: Pixels | None = None,
    labels: bool | None = None,
) -> Path:
    """Write a report about a result: one HTML file, which needs nothing beside it.

    It shows the run's summary, pictures and histograms of the bands and layers, what is covered, where the
    time went, what failed, and how visible the borders of patches are.

    Parameters
    ----------
    result
        What `reconstruct` returned, or the path of a result.
    path
        Where to; ``NAME.report.html`` beside the result by default.
    source
        The raster the result was made from, by default the one that its ledger names, if it is there: what
        jumps at the same places of it is no seam.
    size, step
        Where patches lie, when that is not written beside the result.
    labels
        Whether values are names, such as classes; by default as for `measure_seams`.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    ValueError
        The result is in memory and there is no ``path``.
    TargetError
        The file cannot be written, or something else is there.

    Examples
    --------
    >>> import tempfile, numpy as np, geopatcher
    >>> image = np.random.default_rng(0).random((200, 200), dtype="float32")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     result = geopatcher.reconstruct(image, np.sqrt, f"{folder}/roots.tif", size=64)
    ...     geopatcher.write_report(result).name
    'roots.tif.report.html'

    """
    return write_findings(look_into(result, source, size, step, labels), path)


def write_findings(findings: Findings, path: str | os.PathLike[str] | None = None) -> Path:
    """Write a report of what was found out; returns the file.

    Raises
    ------
    ValueError, TargetError
        As of `write_report`.

    """
    if path is None:
        if findings.opened.path is None:
            raise ValueError("the result is in memory: say where the report goes, such as path='report.html'")
        place = findings.opened.path.with_name(f"{findings.opened.path.name}.report.html")
    else:
        place = Path(os.fspath(path))
    _require_report(place)
    try:
        place.write_text(page(findings), encoding="utf-8")
    except OSError as error:
        raise TargetError(f"cannot write the report {place}: {error}") from error
    return place


def _require_report(place: Path) -> None:
    """Refuse to write over a file that is no report, such as the result itself."""
    if not place.is_file():
        return
    with place.open("rb") as file:
        if file.read(len(DOCTYPE)) not in (b"", DOCTYPE.encode()):
            raise TargetError(f"{place} is there and is not a report: choose another place for it")


def page(findings: Findings) -> str:
    """Return the report as HTML."""
    name = findings.opened.name
    style = (resources.files("geopatcher.report") / "static" / "report.css").read_text(encoding="utf-8")
    sections = (
        _figures(findings),
        _pictures("Result", findings.looks, findings.opened.domain.n_bands),
        _seams(findings),
        _pictures("Layers", findings.layers, len(findings.layers)),
        _coverage(findings),
        _time(findings),
        _failures(findings),
        _making(findings),
    )
    now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%d %H:%M UTC")
    return (
        f'{DOCTYPE}\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "img-src data:; style-src 'unsafe-inline'\">"
        f"<title>{escape(name)}: report</title><style>{style}</style></head><body><main>"
        f"<header><p class=eyebrow>geopatcher report</p><h1>{escape(name)}</h1>{_headline(findings)}</header>"
        f"{''.join(sections)}<footer>Written {now} by geopatcher {escape(__version__)}. "
        f"This page is complete in itself.</footer></main></body></html>\n"
    )


def _headline(findings: Findings) -> str:
    worst = findings.worst
    if worst is None:
        text, kind = "Seams were not measured", "not-measured"
        if findings.opened.anchors is None:
            text += ": it is not known where the patches lie"
    else:
        text, kind = worst.strongest.sentence, worst.strongest.verdict.replace(" ", "-")
        text = text[0].upper() + text[1:]
    failed = len(findings.opened.failures)
    extra = f'<span class="chip visible">{failed:,} failed patches</span>' if failed else ""
    return f'<p><span class="chip {kind}">{escape(text)}</span>{extra}</p>'


def _figures(findings: Findings) -> str:
    domain, stats = findings.opened.domain, findings.opened.stats
    height, width = domain.grid_shape
    items = [("pixels", f"{height * width:,}", f"{height:,} x {width:,}, {domain.n_bands} x {domain.dtype}")]
    patches, elapsed = _count(stats, "patches"), _count(stats, "elapsed")
    if patches:
        skipped, failed = _count(stats, "skipped"), _count(stats, "failed")
        items.append(("patches", f"{patches:,.0f}", f"{skipped:,.0f} empty, {failed:,.0f} failed"))
    if elapsed:
        rate = height * width / elapsed / 1e6
        items.append(("elapsed", f"{charts.number(elapsed)} s", f"{charts.number(rate)} Mpx/s"))
    if _count(stats, "peak_bytes"):
        items.append(("peak memory", format_bytes(_count(stats, "peak_bytes")), "of all processes"))
    for name, verb in (("bytes_read", "read"), ("bytes_written", "written")):
        if _count(stats, name):
            times = _count(stats, f"{'read' if verb == 'read' else 'write'}_amplification")
            what = "the raster" if verb == "read" else "the result"
            items.append((verb, format_bytes(_count(stats, name)), f"{times:.2f} times {what}"))
    tiles = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}<small>{escape(note)}</small></dd></div>"
        for name, value, note in items
    )
    note = "" if stats else '<p class="note">No record of the run lies beside this result.</p>'
    return f'<section><dl class="figures">{tiles}</dl>{note}</section>'


def _pictures(title: str, looks: Sequence[Look], of: int) -> str:
    if not looks:
        return ""
    figures = "".join(_figure(look) for look in looks)
    more = f'<p class="note">The first {len(looks)} of {of} bands.</p>' if of > len(looks) else ""
    return f'<section><h2>{title}</h2>{more}<div class="looks {title.lower()}">{figures}</div></section>'


def _figure(look: Look) -> str:
    thin = f"1 pixel in {look.step} a side" if look.step > 1 else "every pixel"
    if look.style.classes:
        colours, below = "", charts.legend(look)
        what = "Shares of"
    else:
        colours = charts.for_screens(partial(charts.scale, look))
        below, what = charts.for_screens(partial(charts.histogram, look)), "Histogram of"
    unit = f" [{escape(look.unit)}]" if look.unit else ""
    return (
        f'<figure><img src="{look.uri}" alt="{escape(look.title, quote=True)}" width="{look.shape[1]}" '
        f'height="{look.shape[0]}">{colours}'
        f"<figcaption><b>{escape(look.title)}</b>{unit}, {thin}</figcaption>{below}"
        f'<p class="note">{what} {look.sampled:,} cells. {_numbers(look)}</p>'
        f"</figure>"
    )


def _numbers(look: Look) -> str:
    """Say which values a band holds, and of which cells that is known."""
    whose = "all cells of the band" if look.exact else "these cells"
    known = look.statistics
    if known is None or look.style.classes:
        return f"{look.valid:.1%} of {whose} hold a value."
    low, high, mean, deviation = map(
        charts.number, (known.minimum, known.maximum, known.mean, known.deviation)
    )
    return (
        f"{look.valid:.1%} of {whose} hold a value: {low} to {high}, mean {mean}, standard deviation "
        f"{deviation}."
    )


def _seams(findings: Findings) -> str:
    worst = findings.worst
    made = findings.opened.made
    lattice = ", ".join(f"{name} {made[name]}" for name in ("size", "step", "window") if name in made)
    intro = (
        "<p>The jump between neighbouring pixels across the borders of patches, over the jump beside them: "
        "at 1, borders cannot be told from their surroundings; the shaded band (±5 %) is what nobody "
        "sees. Ridges are lines along borders that jump on neither side."
        f"{_against(findings)}</p>"
    )
    if worst is None:
        reason = (
            "It is not known where the patches lie: nothing is written beside the result. "
            "Give their size and step, as they were when it was made (--size, --step)."
            if findings.opened.anchors is None
            else "There is no border inside the raster, or nothing to compare it with."
        )
        return f'<section><h2>Seams</h2><p class="note">{reason}</p></section>'
    rows = [
        ("across rows", worst.rows),
        ("across columns", worst.columns),
        ("together", worst.both),
        ("ridges", worst.ridges),
    ]
    if len(findings.seams) > 1:
        rows = [(f"{name}, {worst.band}", seam) for name, seam in rows]
        rows += [(each.band, each.strongest) for each in findings.seams if each is not worst]
    if findings.control is not None:
        rows.append((f"input itself, {findings.control.band}", findings.control.strongest))
    measured = sum(each.both.segments for each in findings.seams)
    borders = f"{worst.both.borders:,} borders, {measured:,} pieces of them measured"
    detail = ""
    if findings.detail is not None:
        box = findings.detail.box
        ranged = "" if findings.looks[0].style.classes else ", in colours of its own range"
        detail = (
            f"<figure>{charts.detail(findings.detail)}<figcaption>Where borders cross, {escape(str(box))}, "
            f"magnified{ranged}; ticks mark borders.</figcaption></figure>"
        )
    profile = charts.for_screens(partial(charts.profile, worst.both)) if worst.both.profile else ""
    if profile:
        profile = f"<h3>By distance from a border, in pixels</h3>{profile}"
    ratios = charts.for_screens(partial(charts.forest, rows))
    return (
        f"<section><h2>Seams</h2>{intro}<div class=split><div>{ratios}{profile}"
        f"<p class=note>{escape(lattice)}{'; ' if lattice else ''}{borders}. "
        f"Ends of the lines: 95 % confidence. "
        f"Mean jump across borders {charts.number(worst.both.at_borders)}, beside them "
        f"{charts.number(worst.both.beside)}.</p>{_disagreement(findings)}</div>{detail}</div></section>"
    )


def _against(findings: Findings) -> str:
    """Say what the borders were compared with, beside what lies next to them."""
    worst = findings.worst
    said = [escape(findings.compared[0].upper() + findings.compared[1:])] if findings.compared else []
    if worst is not None and worst.both.natural is not None:
        said.append(
            f"Ratios are over those of the same places in the input, {charts.number(worst.both.natural)} "
            f"together: what jumps there too is no seam"
        )
    if worst is not None and worst.both.period > 1:
        said.append(
            f"The result repeats every {worst.both.period} pixels, and borders are compared with places that "
            f"lie in it as they do"
        )
    return "".join(f" {each}." for each in said)


def _disagreement(findings: Findings) -> str:
    """Say what the layer ``spread`` says: patches may disagree without a jump."""
    spread = next((layer for layer in findings.layers if layer.title == "spread"), None)
    first = findings.looks[0].statistics
    if spread is None or spread.statistics is None or first is None or not first.deviation > 0:
        hint = (
            "Patches that disagree may be blended without a jump: the layer &quot;spread&quot; shows where."
        )
        return f'<p class="note">{hint}</p>'
    mean, share = spread.statistics.mean, spread.statistics.mean / first.deviation
    return (
        f'<p class="note">Patches over the same pixel disagree by {charts.number(mean)} on average '
        f"(layer &quot;spread&quot;): {share:.1%} of the standard deviation of the first band.</p>"
    )


def _coverage(findings: Findings) -> str:
    opened = findings.opened
    rows = [
        (look.title, f"{look.valid:.2%}", "all" if look.exact else f"{look.sampled:,}")
        for look in findings.looks
    ]
    table = _table(("band", "cells with a value", "of cells"), rows)
    text = ""
    if opened.anchors is not None:
        whole = Box.of_shape(opened.domain.grid_shape)
        left = opened.anchors.uncovered(whole)
        text = f"All {whole.n_pixels:,} pixels lie under a patch."
        if left:
            text = f"{left:,} of {whole.n_pixels:,} pixels lie under no patch: they hold nodata."
        text = f"<p>{text}</p>"
    return f"<section><h2>Coverage</h2>{text}{table}</section>"


def _time(findings: Findings) -> str:
    seconds = findings.opened.stats.get("seconds")
    if not isinstance(seconds, dict):
        return ""
    items = [(str(name), float(value)) for name, value in seconds.items() if isinstance(value, int | float)]
    if not items:
        return ""
    elapsed = _count(findings.opened.stats, "elapsed")
    return (
        f"<section><h2>Seconds by stage</h2>{charts.for_screens(partial(charts.bars, items, 's'))}"
        f'<p class="note">Stages overlap: the run took {charts.number(elapsed)} s.</p></section>'
    )


def _failures(findings: Findings) -> str:
    failures = findings.opened.failures
    if not failures:
        return "<section><h2>Errors</h2><p>None.</p></section>"
    rows = [
        (f"{each.anchor[0]:,}, {each.anchor[1]:,}", each.kind, each.message)
        for each in failures[:MAX_FAILURES]
    ]
    more = len(failures) - len(rows)
    note = f'<p class="note">And {more:,} more.</p>' if more > 0 else ""
    table = _table(("row, column", "stage", "error"), rows)
    return f"<section><h2>Errors</h2><p>{len(failures):,} patches failed.</p>{table}{note}</section>"


def _making(findings: Findings) -> str:
    domain = findings.opened.domain
    left, bottom, right, top = domain.bounds
    rows = [
        *findings.opened.made.items(),
        ("crs", _crs_name(domain)),
        ("bounds", f"left {left:.10g}, bottom {bottom:.10g}, right {right:.10g}, top {top:.10g}"),
        ("nodata", "none" if domain.nodata is None else str(domain.nodata)),
    ]
    return f"<section><h2>How it was made</h2>{_table((), rows)}</section>"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    top = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    body = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>'
        f"{''.join(f'<td>{escape(cell)}</td>' for cell in row[1:])}</tr>"
        for row in rows
    )
    return f"<table>{f'<thead><tr>{top}</tr></thead>' if top else ''}<tbody>{body}</tbody></table>"


def _count(stats: object, name: str) -> float:
    value: Json = stats.get(name) if isinstance(stats, dict) else None
    return float(value) if isinstance(value, int | float) and np.isfinite(value) else 0.0


def _crs_name(domain: RasterDomain) -> str:
    if domain.crs is None:
        return "none"
    crs = CRS.from_user_input(domain.crs)
    authority = crs.to_authority()
    return crs.name if authority is None else f"{':'.join(authority)} ({crs.name})"
