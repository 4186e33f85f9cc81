"""What is remembered of paths, and for how many."""

from __future__ import annotations

from geopatcher.formats.known_paths import MAX_KNOWN, KnownPaths


def test_a_path_that_is_forgotten_is_known_to_be_of_now():
    known = KnownPaths()
    known.note("a.tif", (".msk",))
    assert not known.is_prepared("a.tif")
    known.note_prepared("a.tif")
    assert known.is_prepared("a.tif")
    before = known.since("a.tif")
    assert known.forget("a.tif") == (".msk",)
    assert "a.tif" in known
    assert known.since("a.tif") != before
    assert known.beside("a.tif") is None
    assert not known.is_prepared("a.tif")
    again = known.since("a.tif")
    known.forget("a.tif")
    assert known.since("a.tif") not in (before, again)


def test_all_is_opened_anew_when_all_is_forgotten():
    known = KnownPaths()
    known.note("a.tif", ())
    seen = {known.since("a.tif"), known.since("b.tif")}
    known.forget("a.tif")
    seen.add(known.since("a.tif"))
    known.clear()
    assert "a.tif" not in known
    assert known.beside("a.tif") is None
    assert known.since("a.tif") not in seen
    assert known.since("b.tif") not in seen
    known.note("a.tif", ())
    assert known.since("a.tif") == known.since("b.tif")


def test_those_that_were_asked_for_last_are_remembered():
    known = KnownPaths()
    known.note("first", ())
    for number in range(MAX_KNOWN):
        known.note(str(number), ())
    assert "first" not in known
    assert str(MAX_KNOWN - 1) in known
    assert known.beside("0") == ()
