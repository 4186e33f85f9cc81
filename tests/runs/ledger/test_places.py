"""A ledger in a file: whole, appended to, and another file for each run."""

from __future__ import annotations

from geopatcher.runs.ledger.places import FileLedger, ledger_at


def test_of_a_path_it_is_the_file(tmp_path):
    place = ledger_at(tmp_path / "x.jsonl")
    assert place == FileLedger(tmp_path / "x.jsonl")
    assert ledger_at(place) is place
    assert str(place) == str(tmp_path / "x.jsonl")


def test_lines_are_appended_and_another_run_has_another_file(tmp_path):
    place = FileLedger(tmp_path / "x.jsonl")
    log = place.begin([b"a\n", b"b\n"])
    log.append(b"c\n")
    log.append(b"torn", sync=False)
    assert log.is_current
    assert b"".join(place.start(6)) == b"a\nb\nc\n"
    further = place.go_on(place, 6, b"d\n")
    log.append(b"late\n")
    assert (log.is_current, further.is_current) == (False, True)
    for each in (log, further, further):
        each.close()
    with place.open() as file:
        assert file.read() == b"a\nb\nc\nd\n"


def test_what_follows_the_good_lines_goes_when_it_is_opened_again(tmp_path):
    place = FileLedger(tmp_path / "x.jsonl")
    place.begin([b"a\n", b"torn"]).close()
    log = place.reopen(2)
    log.append(b"b\n")
    log.close()
    assert place.path.read_bytes() == b"a\nb\n"
    assert place.boot == FileLedger(tmp_path / "other").boot != ""
