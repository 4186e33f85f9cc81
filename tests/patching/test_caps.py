import numpy as np
import pytest
from affine import Affine
from pyproj import CRS, Geod, Transformer

from geopatcher import GridDomain, PointDomain, RasterDomain, SpatialSphericalCap
from geopatcher.core.sphere import EARTH_KM

SPHERE = Geod(a=EARTH_KM * 1000, b=EARTH_KM * 1000)


def lonlat_of(domain):
    """Longitude and latitude of every cell's centre, the long way."""
    height, width = domain.shape[-2:]
    col, row = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    a, b, c, d, e, f = domain.transform[:6]
    x, y = a * col + b * row + c, d * col + e * row + f
    if domain.crs == "EPSG:4326":
        return x, y
    there = Transformer.from_crs(domain.crs, CRS(domain.crs).geodetic_crs, always_xy=True)
    lon, lat = there.transform(x, y)
    back = there.transform(lon, lat, direction="INVERSE")
    real = (np.abs(back[0] - x) < 100) & (
        np.abs(back[1] - y) < 100
    )  # the corners of a map of the world are not
    return np.where(real, lon, np.inf), np.where(real, lat, np.inf)


def cells_within(domain, anchor, km):
    lon, lat = lonlat_of(domain)
    known = np.isfinite(lon)
    far = np.full(lon.shape, np.inf)
    n = int(known.sum())
    far[known] = (
        SPHERE.inv(np.full(n, lon[anchor]), np.full(n, lat[anchor]), lon[known], lat[known])[2] / 1000
    )
    return far, {(int(r), int(c)) for r, c in zip(*np.nonzero(far <= km), strict=True)}


def cells_found(domain, window):
    rows = np.arange(int(window.row_off), int(window.row_off + window.height))
    row, col = np.nonzero(window.inside)
    return [(int(rows[r]), int(window.columns()[c])) for r, c in zip(row, col, strict=True)]


GLOBE = RasterDomain((60, 120), Affine(3, 0, -180, 0, -3, 90), "EPSG:4326")
RASTERS = {
    "globe": GLOBE,
    "globe from 0 to 360": RasterDomain((60, 120), Affine(3, 0, 0, 0, -3, 90), "EPSG:4326"),
    "south up": RasterDomain((60, 120), Affine(3, 0, -180, 0, 3, -90), "EPSG:4326"),
    "east first": RasterDomain((60, 120), Affine(-3, 0, 180, 0, -3, 90), "EPSG:4326"),
    "almost around": RasterDomain((40, 118), Affine(3, 0, -177, 0, -3, 60), "EPSG:4326"),
    "over the antimeridian": RasterDomain((60, 40), Affine(1, 0, 160, 0, -1, 30), "EPSG:4326"),
    "UTM": RasterDomain((60, 80), Affine(30_000, 0, -700_000, 0, -30_000, 6_000_000), "EPSG:32633"),
    "UTM rotated": RasterDomain((60, 60), Affine(25_000, 9_000, 0, 9_000, -25_000, 5_000_000), "EPSG:32633"),
    "Mercator": RasterDomain((80, 80), Affine(5e5, 0, -2e7, 0, -5e5, 2e7), "EPSG:3857"),
    "polar": RasterDomain((80, 80), Affine(1e5, 0, -4e6, 0, -1e5, 4e6), "EPSG:3995"),
    "sinusoidal": RasterDomain(
        (60, 120), Affine(333_585, 0, -20_015_109, 0, -333_585, 10_007_554), "+proj=sinu +R=6371007.181"
    ),
}


@pytest.mark.parametrize("name", RASTERS)
@pytest.mark.parametrize("km", [150.0, 900.0, 4000.0])
def test_the_cells_are_those_within_the_radius(name, km):
    domain = RASTERS[name]
    cap, rng = SpatialSphericalCap(km), np.random.default_rng(1)
    height, width = domain.shape
    corners = [
        (0, 0),
        (height - 1, width - 1),
        (height // 2, width - 1),
        (height // 2, 0),
        (height // 2, width // 2),
    ]
    drawn = [(int(rng.integers(height)), int(rng.integers(width))) for _ in range(3)]
    lon, _ = lonlat_of(domain)
    for anchor in corners + drawn:
        if not np.isfinite(lon[anchor]):
            continue
        far, expected = cells_within(domain, anchor, km)
        found = cells_found(domain, cap.neighborhood(domain, anchor))
        assert len(found) == len(set(found))
        doubtful = {cell for cell in expected ^ set(found) if abs(far[cell] - km) < 1e-4 * km}
        assert set(found) ^ expected <= doubtful
        assert anchor in found


def test_the_window_is_no_larger_than_it_must_be():
    window = SpatialSphericalCap(900).neighborhood(GLOBE, (30, 60))
    assert window.inside.any(axis=1).all()
    assert window.inside.any(axis=0).all()


def test_distances_are_shares_of_the_radius():
    found = SpatialSphericalCap(900).find(GLOBE, (30, 60))
    assert found.distance.min() == 0
    assert found.distance.max() <= 1
    far, _ = cells_within(GLOBE, (30, 60), 900)
    rows, cols = slice(int(found.indices.row_off), None), slice(int(found.indices.col_off), None)
    there = far[rows, cols][: found.shape[0], : found.shape[1]]
    assert np.allclose(found.distance[found.inside], there[found.inside] / 900, atol=1e-6)


def test_named_grids_give_an_index_for_each_dimension():
    lat, lon = np.array([60.0, 55, 52, 40]), np.array([0.0, 3, 8, 350, 357])
    domain = GridDomain({"time": [0, 1], "lat": lat, "lon": lon})
    found = SpatialSphericalCap(700).find(domain, {"lat": 1, "lon": 0})
    rows, cols = np.arange(4)[found.indices["lat"]], np.arange(5)[found.indices["lon"]]
    inside = {(int(rows[r]), int(cols[c])) for r, c in zip(*np.nonzero(found.inside), strict=True)}
    far = [[SPHERE.inv(0, 55, x, y)[2] / 1000 for x in lon] for y in lat]
    assert inside == {(r, c) for r in range(4) for c in range(5) if far[r][c] <= 700}
    assert "time" not in found.indices
    assert SpatialSphericalCap(700).neighborhood(domain, {"time": 1, "lat": 1, "lon": 0})["time"] == 1


def test_a_named_grid_that_goes_round_is_selected_across_its_seam():
    domain = GridDomain({"lat": np.arange(-88.0, 90, 4), "lon": np.arange(0.0, 360, 4)})
    found = SpatialSphericalCap(500).neighborhood(domain, {"lat": 22, "lon": 89})
    assert found["lon"].tolist() == [88, 89, 0]


def test_points_within_the_radius():
    rng = np.random.default_rng(3)
    lon, lat = rng.uniform(-180, 180, 2000), np.degrees(np.arcsin(rng.uniform(-1, 1, 2000)))
    domain = PointDomain(np.stack([lon, lat], axis=1), crs="EPSG:4326")
    for number in (0, int(np.argmax(lat)), int(np.argmax(lon))):
        found = SpatialSphericalCap(1500).neighborhood(domain, number)
        far = SPHERE.inv(np.full(2000, lon[number]), np.full(2000, lat[number]), lon, lat)[2] / 1000
        assert found[0] == number
        assert sorted(found.tolist()) == np.flatnonzero(far <= 1500).tolist()
        assert (np.diff(far[found]) >= -1e-6).all()
    assert SpatialSphericalCap(1e-6).extent(domain) == (1,)


@pytest.mark.parametrize("name", ["globe", "over the antimeridian", "almost around"])
def test_the_extent_is_that_of_the_largest(name):
    domain, cap = RASTERS[name], SpatialSphericalCap(900)
    windows = [
        cap.neighborhood(domain, (r, c))
        for r in range(domain.shape[0])
        for c in range(0, domain.shape[1], 29)
    ]
    height, width = cap.extent(domain)
    assert max(int(w.height) for w in windows) == height
    assert max(int(w.width) for w in windows) <= width


def test_the_extent_on_a_projected_grid():
    height, width = SpatialSphericalCap(300).extent(RASTERS["UTM"])
    assert 19 <= height <= 23
    assert 19 <= width <= 23


@pytest.mark.parametrize("radius", [0, -1, np.nan, np.inf])
def test_a_radius_is_positive(radius):
    with pytest.raises(ValueError, match="radius_km is a number of kilometres"):
        SpatialSphericalCap(radius)


def test_what_has_no_place_on_earth_is_refused():
    with pytest.raises(ValueError, match="has no CRS"):
        SpatialSphericalCap(5).neighborhood(RasterDomain((4, 4)), (0, 0))
    with pytest.raises(ValueError, match="lies nowhere on Earth"):
        SpatialSphericalCap(5).neighborhood(RASTERS["sinusoidal"], (0, 0))
    with pytest.raises(IndexError, match="outside the grid of 60x120"):
        SpatialSphericalCap(5).neighborhood(GLOBE, (60, 0))
    with pytest.raises(TypeError, match=r"an anchor on this domain is \(row, col\), not 3"):
        SpatialSphericalCap(5).neighborhood(GLOBE, 3)


def test_its_configuration_is_plain():
    assert SpatialSphericalCap(5).get_config() == {"radius_km": 5.0}
    assert SpatialSphericalCap(5) == SpatialSphericalCap(radius_km=5.0)
