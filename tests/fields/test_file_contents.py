"""What is looked at within files to tell them apart."""

from __future__ import annotations

import pytest

from geopatcher.fields.file_contents import said_by, sample_of


@pytest.mark.parametrize("place", [0, 500, 999])
def test_bytes_at_three_places_count(tmp_path, place):
    found = []
    for value in (0, 1):
        content = bytearray(1000)
        content[place] = value
        (tmp_path / "a").write_bytes(content)
        found.append(sample_of(tmp_path / "a", 1000, 10))
    assert found[0] != found[1]


def test_what_metadata_says_of_pixels_counts_and_statistics_do_not(tmp_path):
    path = tmp_path / "a.tif.aux.xml"
    assert said_by(path) == ""
    found = set()
    for inner in ("<NoDataValue>1</NoDataValue>", "<NoDataValue>2</NoDataValue>", "<Histograms/>"):
        path.write_text(f"<PAMDataset><PAMRasterBand band='1'>{inner}</PAMRasterBand></PAMDataset>")
        found.add(said_by(path))
    assert len(found) == 3
    assert "" in found
