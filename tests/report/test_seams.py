"""The seam measure, on pictures whose seams are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geopatcher.core.axis import Axis
from geopatcher.report.borders import LatticeBorders
from geopatcher.report.seams import estimate, measure
from geopatcher.report.segments import LAG, MARGIN, REACH, Control, Samples, sample

SIDE = 512


def noise(seed: int = 0, side: int = SIDE) -> np.ndarray:
    """A picture that is rougher in some places than in others, and smooth between them."""
    rng = np.random.default_rng(seed)
    rows, cols = (np.sin(np.arange(side) / rng.uniform(20, 60) + rng.uniform(0, 6)) for _ in range(2))
    return rng.standard_normal((side, side)) * 10.0 ** np.add.outer(rows, cols)


def borders(size: int = 64, step: int = 64, side: int = SIDE) -> LatticeBorders:
    axis = Axis(side, size, step)
    return LatticeBorders.of(axis, axis)


def measured(picture: np.ndarray, lines: LatticeBorders | None = None, **keywords):
    return measure(
        lambda box: picture[box.slices()], lines or borders(side=len(picture)), picture.shape, **keywords
    )


def test_the_ratio_is_that_of_a_loop_over_pixels():
    picture = np.random.default_rng(1).random((60, 90))
    lines = LatticeBorders.of(Axis(60, 20, 20), Axis(90, 30, 30))
    seam = measured(picture, lines).rows
    numerator = denominator = 0.0
    across = []
    for position in (20, 40):
        jumps = {
            d: np.mean([abs(picture[position + d, c] - picture[position + d - 1, c]) for c in range(90)])
            for d in range(-REACH, REACH + 1)
        }
        level = sum(jumps.values()) / len(jumps)
        numerator += jumps[0] / level
        denominator += sum(jumps[d] for d in jumps if d) / (2 * REACH) / level
        across.append(jumps[0])
    assert seam.ratio == pytest.approx(numerator / denominator)
    assert seam.at_borders == pytest.approx(np.mean(across))
    assert (seam.borders, seam.segments) == (2, 2)
    assert seam.profile[REACH] == pytest.approx(seam.ratio)


def test_a_picture_without_seams_has_none():
    assert measured(noise(side=1024), borders(side=1024)).both.verdict == "not visible"
    seams = measured(np.random.default_rng(0).random((1024, 1024)), borders(side=1024))
    assert seams.both.verdict == "not visible"
    assert seams.both.low < 1.0 < seams.both.high
    assert not seams.visible


@pytest.mark.parametrize("seed", range(4))
def test_a_step_is_seen_on_its_axis_only(seed):
    picture = noise(seed)
    level = np.abs(np.diff(picture)).mean(axis=1)
    picture += (np.arange(SIDE) // 64 % 2) * level[:, None]
    seams = measured(picture)
    assert seams.columns.verdict == "visible"
    assert seams.rows.verdict in ("not visible", "unsure")
    assert seams.visible
    assert "seams are visible (ratio " in str(seams.both)


def test_a_seam_in_calm_places_is_seen_though_the_rest_is_a_thousand_times_rougher():
    picture = np.random.default_rng(5).standard_normal((SIDE, SIDE))
    picture[:, : SIDE // 2] *= 1000
    calm = np.zeros_like(picture)
    calm[:, SIDE // 2 :] = (np.arange(SIDE)[:, None] // 64 % 2) * 3.0
    assert measured(picture + calm).rows.verdict == "visible"


def test_false_alarms_are_rare():
    alarms = sum(measured(noise(seed, 192), borders(32, 24, 192)).both.low > 1.0 for seed in range(30))
    assert alarms <= 4  # 2.5 % of 30 is one


def test_the_confidence_holds_the_ratio_and_is_the_same_each_time():
    first, again = measured(noise(7)), measured(noise(7))
    assert first == again
    assert first.both.low <= first.both.ratio <= first.both.high


@settings(max_examples=20, deadline=None)
@given(scale=st.floats(1e-6, 1e6), shift=st.floats(-1e6, 1e6), seed=st.integers(0, 5))
def test_units_do_not_matter(scale, shift, seed):
    picture = np.random.default_rng(seed).random((128, 128))
    one = measured(picture, borders(32, 32, 128)).both
    # Rounding of a large shift is noise of its own.
    other = measured(picture * scale + shift * scale / 100, borders(32, 32, 128)).both
    assert other.ratio == pytest.approx(one.ratio, rel=1e-4)


def test_missing_cells_do_not_count():
    picture = noise(2)
    holed = picture.copy()
    holed[100:180, 40:300] = np.nan
    seams = measured(holed)
    assert np.isfinite(seams.both.ratio)
    step = np.where(np.arange(SIDE) < 256, 0.0, 1e6)[:, None]
    hidden = picture + step
    hidden[256] = np.nan  # the only jump is beside a missing row
    assert measured(hidden).rows.verdict != "visible"


def test_nothing_but_missing_cells_is_not_measured():
    seams = measured(np.full((SIDE, SIDE), np.nan))
    assert seams.both.verdict == "not measured"
    assert "nothing to compare" in seams.both.sentence


def test_a_flat_picture_is_not_measured_and_one_that_only_jumps_at_borders_is_infinitely_visible():
    assert measured(np.zeros((SIDE, SIDE))).both.verdict == "not measured"
    stairs = np.broadcast_to((np.arange(SIDE) // 64)[:, None], (SIDE, SIDE))
    seams = measured(stairs.astype(float))
    assert seams.rows.ratio == np.inf
    assert seams.rows.verdict == "visible"


def test_one_patch_has_no_seams():
    seams = measured(noise(), borders(SIDE, SIDE))
    assert seams.both.sentence == "seams were not measured: no border lies inside the raster"


def test_where_every_line_is_a_border_there_is_nothing_to_compare():
    assert measured(noise(side=256)[:64, :64], borders(4, 1, 64)).both.verdict == "not measured"


def test_other_borders_nearby_are_left_out_of_the_comparison():
    picture = np.random.default_rng(0).random((SIDE, SIDE)) * 0.01
    lines = borders(64, 60)  # borders 4 pixels apart, in pairs
    for position in lines.lines(0):
        picture[position:] += 1.0
    seam = measured(picture, lines).rows
    assert seam.beside < 0.01
    assert seam.at_borders > 0.9
    assert np.isfinite(seam.profile[REACH + 1])


def test_labels_count_changes_and_not_their_size():
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 3, (SIDE, SIDE)).astype(float)
    huge = np.where(classes == 2, 1000.0, classes)
    assert measured(classes, labels=True).both.ratio == measured(huge, labels=True).both.ratio
    assert measured(classes, labels=True).both.at_borders == pytest.approx(2 / 3, abs=0.02)


def test_only_strips_around_the_borders_are_read_and_few_of_them():
    seen = []
    shape = (100_000, 80_000)

    def read(box):
        seen.append(box)
        return np.random.default_rng(box.row0).random(box.shape)

    lines = LatticeBorders.of(Axis(shape[0], 256, 128), Axis(shape[1], 256, 128))
    seams = measure(read, lines, shape, limit=40)
    assert len(seen) == 80
    assert max(box.n_pixels for box in seen) <= 2 * MARGIN * 128
    assert seams.rows.borders == len(lines.lines(0))


def test_a_control_takes_away_what_both_show():
    picture = noise(3)
    picture[:, 64::64] += 300  # the scene itself has lines there
    stepped = picture + (np.arange(SIDE) // 64 % 2)[:, None] * 50

    def against(cells):
        part = sample(
            lambda box: cells[box.slices()],
            borders(),
            1,
            picture.shape,
            control=Control(lambda box: picture[box.slices()]),
        )
        return estimate(part.compared())

    same = against(picture)
    assert (same.ratio, same.low, same.high) == (1.0, 1.0, 1.0)
    assert against(stepped).verdict == "not visible"  # steps between rows are not steps between columns
    assert measured(picture).columns.verdict == "visible"


def test_a_control_with_holes_hides_the_same_cells_of_both():
    picture = noise(4)
    control = picture.copy()
    control[:, :70] = np.nan
    part = sample(
        lambda box: picture[box.slices()],
        borders(),
        0,
        picture.shape,
        control=Control(lambda box: control[box.slices()]),
    )
    assert estimate(part.compared()).ratio == 1.0


def test_samples_of_one_segment_have_an_estimate():
    jumps = np.ones((1, 2 * REACH + 1))
    jumps[0, REACH] = 3.0
    seam = estimate(Samples("rows", 1, jumps, jumps))
    assert (seam.ratio, seam.low, seam.high) == (3.0, 3.0, 3.0)


# ---------------------------------------------------------------- ridges


def test_the_ridge_is_that_of_a_loop_over_pixels():
    picture = np.random.default_rng(1).random((80, 30))
    lines = LatticeBorders.of(Axis(80, 40, 40), Axis(30, 30, 30))

    def bend(q):
        return np.mean(
            [
                abs(picture[q - 1, c] + picture[q, c] - picture[q - 1 - LAG, c] - picture[q + LAG, c]) / 2
                for c in range(30)
            ]
        )

    others = [bend(40 + d) for d in range(-16, 17) if abs(d) > 2 * LAG]
    seam = measured(picture, lines).ridges
    assert seam.kind == "ridge"
    assert seam.at_borders == pytest.approx(bend(40))
    assert seam.ratio == pytest.approx(bend(40) / np.mean(others))


def test_a_line_along_borders_is_a_ridge_though_it_does_not_jump():
    picture = np.random.default_rng(2).standard_normal((SIDE, SIDE))
    for position in range(64, SIDE, 64):
        for distance, depth in ((0, 4.0), (1, 3.0), (2, 2.0), (3, 1.0)):
            picture[position + distance] -= depth
            picture[position - 1 - distance] -= depth
    seams = measured(picture)
    assert seams.rows.verdict in ("not visible", "unsure")
    assert seams.ridges.verdict == "visible"
    assert seams.strongest is seams.ridges
    assert seams.visible
    assert "ridges   seams are visible" in str(seams)


def test_without_seams_there_are_no_ridges():
    seams = measured(noise(side=1024), borders(side=1024))
    assert seams.ridges.verdict == "not visible"
    alarms = sum(measured(noise(seed, 192), borders(48, 48, 192)).ridges.low > 1.0 for seed in range(30))
    assert alarms <= 4


def test_where_borders_are_too_near_each_other_and_of_labels_ridges_are_not_measured():
    assert measured(noise(side=256), borders(32, 8, 256)).ridges.verdict == "not measured"
    classes = np.random.default_rng(0).integers(0, 3, (SIDE, SIDE)).astype(float)
    seams = measured(classes, labels=True)
    assert seams.ridges.verdict == "not measured"
    assert seams.strongest is seams.both
