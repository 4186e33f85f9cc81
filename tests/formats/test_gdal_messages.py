from __future__ import annotations

import logging
import threading

import pytest
from rasterio.errors import RasterioError

from geopatcher.errors import SourceError
from geopatcher.formats.gdal_environment import (
    foreign,
    opening,
)
from geopatcher.formats.gdal_messages import (
    OPENING,
    READING,
    Heard,
    Said,
    config_secrets,
    hearing,
    hears_already,
)


def test_what_gdal_says_of_damage_is_an_error(caplog):
    loud = logging.getLogger("rasterio._err")
    with foreign("thing", "here"):
        pass
    with pytest.raises(SourceError, match="cannot read thing, here: tile 7 is bad"), foreign("thing", "here"):
        loud.info("GDAL signalled an error: err_no=%r, msg=%r", 1, "tile 7 is bad")
    with pytest.raises(SourceError, match="Corrupt JPEG data: premature end"), foreign("thing", "here"):
        loud.warning("CPLE_AppDefined:JPEGLib:Corrupt JPEG data: premature end")
    with foreign("thing", "here"):
        loud.info("GDAL signalled an error: err_no=%r, msg=%r", 1, "PROJ: utm: Invalid latitude")
        loud.warning("CPLE_AppDefined:HTTP error code: 503 - http://h/a. Retrying again in 0.1 secs")
    assert "tile 7" not in caplog.text  # it is below the level that is logged


def test_the_log_has_no_secrets_and_no_more_than_without_us(caplog):
    error, other = logging.getLogger("rasterio._err"), logging.getLogger("rasterio._base")
    with caplog.at_level(logging.WARNING):
        with opening():
            error.warning("HTTP error code: 503 - %s. Retrying", "http://usr:hunter2@h/a.tif?sig=s3cr3t")
            error.info("of no interest")
        error.warning("mine is http://usr:hunter2@h/a.tif")
    with caplog.at_level(logging.DEBUG, "rasterio"), opening():
        other.debug("Dataset %r is started.", "http://usr:hunter2@h/a.tif")
        error.debug("debugging")
    assert caplog.messages[:2] == [
        "HTTP error code: 503 - http://h/a.tif. Retrying",
        "mine is http://usr:hunter2@h/a.tif",
    ]
    assert "Dataset 'http://h/a.tif' is started." in caplog.messages
    assert "debugging" in caplog.messages
    assert caplog.text.count("hunter2") == 1


def signalled(text, logger=READING):
    return Said(logger, f"GDAL signalled an error: err_no=1, msg={text!r}")


@pytest.mark.parametrize(
    ("said", "damage"),
    [
        (signalled("tile 7 is bad"), "tile 7 is bad"),
        (signalled("it's bad"), "it's bad"),
        (signalled("tile 7 is bad", OPENING), None),
        (signalled("PROJ: utm: Invalid latitude"), None),
        (signalled("Reprojection failed, err = -1"), None),
        (Said(OPENING, "CPLE_AppDefined:Premature end of JPEG file"), "Premature end of JPEG file"),
        (Said(READING, "all is well"), None),
    ],
)
def test_damage_is_what_was_signalled_while_reading(said, damage):
    assert Heard([Said(READING, "nothing"), said]).damage == damage


@pytest.mark.parametrize(
    ("code", "name", "told"),
    [
        (503, "a.tif.msk", True),
        (0, "a.tif.aux.xml", True),
        (429, "a.TFW", True),
        (404, "a.tif.msk", False),
        (403, "a.tif.msk", False),
        (503, "a.tif", False),
    ],
)
def test_a_file_beside_that_could_not_be_asked_for(code, name, told):
    heard = Heard([Said(OPENING, f"CPLE: HTTP response code on http://h/{name}?sig=x: {code}")])
    how = f"HTTP {code}" if code else "the connection failed"
    wanted = f"whether there is a file beside it could not be asked, http://h/{name}: {how}"
    assert heard.unanswered == (wanted if told else None)
    if told:
        with pytest.raises(RasterioError, match="could not be asked"):
            heard.require_sound()
    else:
        heard.require_sound()


def test_the_last_answer_to_a_range_of_bytes():
    texts = [
        "Request for 0-16383 failed with response_code=503",
        "Request for 0-9 failed with response_code=416",
    ]
    assert Heard([Said(READING, text) for text in texts]).answer == "HTTP response code: 416"
    assert Heard().answer == ""


def test_a_thread_hears_what_is_said_to_it_alone_and_one_within_another_hears_for_both():
    log = logging.getLogger(READING)
    assert not hears_already()
    with hearing() as outer:
        log.warning("one")
        with hearing() as inner:
            log.info("two %s", "more")
            other = threading.Thread(target=log.warning, args=["of another thread"])
            other.start()
            other.join()
        log.debug("too quiet")
        logging.getLogger("rasterio.vrt").warning("of another logger")
        assert hears_already()
    assert not hears_already()
    log.warning("after")
    assert inner.messages == [Said(READING, "two more")]
    assert outer.messages == [Said(READING, "one"), Said(READING, "two more")]


def test_secrets_are_those_of_the_environment_and_of_rasterio(monkeypatch):
    rasterio = pytest.importorskip("rasterio")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-the-environment")
    with rasterio.Env(GDAL_HTTP_USERPWD="user:of-rasterio"):
        found = config_secrets()
    assert "of-the-environment" in found
    assert any("of-rasterio" in secret for secret in found)
