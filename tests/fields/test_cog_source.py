import asyncio
import pickle

import numpy as np
import pytest

from geopatcher import ObstoreCogField
from geopatcher.core.box import Box
from geopatcher.core.protocols import Concurrent, FromFiles, PixelSource, Versioned
from geopatcher.errors import SourceChangedError, SourceError
from geopatcher.fields import cog_source
from geopatcher.fields.cog_access import CogAccess
from geopatcher.fields.cog_source import CogSource, run
from range_cogs import noise, write_cog


def source(path, timeout=60.0):
    return CogSource(CogAccess.of(str(path), None, None, None, timeout), timeout=timeout)


def test_it_is_a_source_with_all_it_can(tmp_path):
    made = source(write_cog(tmp_path / "a.tif", noise()))
    for protocol in (PixelSource, Concurrent, FromFiles, Versioned):
        assert isinstance(made, protocol)
    assert made.files() == (tmp_path / "a.tif",)
    assert made.reads_concurrently


def test_the_version_changes_with_the_file(tmp_path):
    made = source(write_cog(tmp_path / "a.tif", noise()))
    before = made.version()
    assert made.version() == before
    write_cog(tmp_path / "a.tif", noise(bands=1))
    with pytest.raises(SourceChangedError, match=r"a\.tif has changed since it was opened: open it again"):
        made.version()
    assert source(tmp_path / "a.tif").version() != before


def test_masks_are_kept_for_a_while_and_read_again(tmp_path, monkeypatch):
    mask = np.full((150, 200), 255, "uint8")
    mask[:60] = 0
    made = source(write_cog(tmp_path / "a.tif", noise(), mask=mask, photometric="minisblack"))
    monkeypatch.setattr(cog_source, "MASKS", 1)
    boxes = [Box(0, 60, 0, 9), Box(50, 70, 0, 9)]
    pixels = [made.read(box) for box in boxes]
    for box, part in zip(boxes, pixels, strict=True):
        assert np.array_equal(made.valid(box, part)[0], mask[box.slices()] != 0)


def test_it_pickles_with_its_header_and_opens_when_it_is_read(tmp_path):
    path = write_cog(tmp_path / "a.tif", noise())
    sent = pickle.dumps(source(path))
    other = pickle.loads(sent)  # noqa: S301
    path.rename(tmp_path / "b.tif")
    assert other.domain.shape == (2, 150, 200)
    with pytest.raises(SourceError, match="cannot read rows 0:2"):
        other.read(Box(0, 2, 0, 2))


def test_a_call_that_takes_too_long_is_given_up(tmp_path, monkeypatch):
    made = source(write_cog(tmp_path / "a.tif", noise()))
    made.timeout = 0.05

    async def never(_):
        await asyncio.sleep(60)

    monkeypatch.setattr(made, "_read", never)
    with pytest.raises(SourceError, match=r"no answer within 0.05 s; pass a longer timeout="):
        made.read(Box(0, 2, 0, 2))


def test_coroutines_run_with_and_without_a_loop():
    async def seven():
        return 7

    async def within():
        return run(seven())

    assert run(seven()) == asyncio.run(within()) == 7


def test_a_mask_or_a_nodata_value_beside_it_is_not_lost(tmp_path):
    path = write_cog(tmp_path / "a.tif", noise())
    beside = tmp_path / "a.tif.aux.xml"
    beside.write_text("<PAMDataset><Metadata/></PAMDataset>")
    ObstoreCogField.from_url(path)
    beside.write_text("<PAMDataset><PAMRasterBand><NoDataValue>7</NoDataValue></PAMRasterBand></PAMDataset>")
    with pytest.raises(SourceError, match=r"a\.tif\.aux\.xml beside it says NoDataValue.*take RasterField"):
        ObstoreCogField.from_url(path)
    beside.unlink()
    (tmp_path / "a.tif.msk").write_bytes(b"II*")
    with pytest.raises(SourceError, match=r"a\.tif\.msk beside it says which pixels are missing"):
        ObstoreCogField.from_url(path)
