"""What may be shown of addresses, and of messages about them: never a password, a signature, a token."""

from __future__ import annotations

import pickle
import string
import traceback
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from rasterio._err import CPLE_AppDefinedError

import geopatcher as gp
from geopatcher.core.containment import told
from geopatcher.errors.redaction import clean, environment_secrets, redacted, scrub, shown


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("https://host/a.tif", "https://host/a.tif"),
        ("https://usr:hunter2@host:8080/a.tif?X-Amz-Signature=s3cr3t&x=1#t=9", "https://host:8080/a.tif"),
        ("https://usr@host/a@2x.tif", "https://host/a@2x.tif"),
        ("http://[::1]:80/a@b.tif?c", "http://[::1]:80/a@b.tif"),
        ("http://usr:p/w?d@host/a.tif", "http://host/a.tif"),
        ("http://usr:p@ss@host/a.tif", "http://host/a.tif"),
        ("s3://key:secret@bucket/a#1.tif", "s3://bucket/a#1.tif"),
        ("https:/usr:hunter2@host/a.tif?sig=1", "https:/host/a.tif"),  # as `Path` leaves it
        ("/vsicurl/http://usr:hunter2@host/a.tif?sig=1", "/vsicurl/http://host/a.tif"),
        (
            "/vsicurl?pc_url_signing=no&header.X=t0ken&url=http%3A%2F%2Fusr%3Ahunter2%40host%2Fa.tif%3Fsig%3D1",
            "/vsicurl/http://host/a.tif",
        ),
        ("/vsicurl?header.Authorization=t0ken", "/vsicurl"),
        ("/vsizip//vsicurl/https://host/a.zip?sig=1/b.tif", "/vsizip//vsicurl/https://host/a.zip"),
        ("zip+https://usr:hunter2@host/a.zip?sig=1!b.tif", "zip+https://host/a.zip"),
        ("vrt://https://usr:hunter2@host/a.tif?sig=1?bands=1", "vrt://https://host/a.tif"),
        ('NETCDF:"https://usr:hunter2@host/a.nc?sig=1 2":band', 'NETCDF:"https://host/a.nc":band'),
        ("PG:host=h user=u password='hunter2 2' dbname=d", "PG:host=h user=u password=*** dbname=d"),
        ("/vsis3/bucket/a.tif", "/vsis3/bucket/a.tif"),
        (
            "<VRTDataset><SourceFilename>http://usr:hunter2@h/a</SourceFilename></VRTDataset>",
            "a source given as XML text",
        ),
        ('{"type": "gdal_streamed_alg"}', "a source given as JSON text"),
        ("/data/what?.tif", "/data/what?.tif"),
        ("C:/what?a=b.tif", "C:/what?a=b.tif"),
        ("a=b:c?d=e.tif", "a=b:c?d=e.tif"),
    ],
)
def test_what_is_shown_of_an_address(address, name):
    assert shown(address) == name
    assert shown(name) == name


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        (
            "HTTP error code: 503 - http://usr:hunter2@h:80/raw.tif?sig=s3cr3t%20x. Retrying in 0.1 s",
            "HTTP error code: 503 - http://h:80/raw.tif. Retrying in 0.1 s",
        ),
        ("'/vsicurl/https://h/a.tif?sig=s3' does not exist", "'/vsicurl/https://h/a.tif' does not exist"),
        ("a.tif?sig=s3 4, band 1: IReadBlock failed", "a.tif, band 1: IReadBlock failed"),
        ("b.tif?s3cr3t, band 12: IReadBlock failed", "b.tif, band 12: IReadBlock failed"),
        ("url=http%3A%2F%2Fu%3Ap%40h%2Fa.tif%3Fsig%3D1&x", "url=http://h/a.tif&x"),
        ("http%253A%252F%252Fu%253Ap%2540h%252Fa.tif", "http://h/a.tif"),
        ("Authorization: Bearer abc.def", "Authorization: ***"),
        ("AWS_SECRET_ACCESS_KEY=wJalr and region=eu", "AWS_SECRET_ACCESS_KEY=*** and region=eu"),
        ("dbname=x password='a b' host=h", "dbname=x password=*** host=h"),
        ("rows 0:256, columns 0:128 of a.tif: 7 > 5?", "rows 0:256, columns 0:128 of a.tif: 7 > 5?"),
        ("see https://gdal.org/a.html: it says why.", "see https://gdal.org/a.html: it says why."),
    ],
)
def test_addresses_within_messages(text, plain):
    assert redacted(text) == plain


SECRET = st.text(
    string.ascii_letters + string.digits + "-._~!$%+,:;=@/?&#[] *'\"|<>äß", min_size=6, max_size=20
)


def spellings(text):
    return {text, quote(text), quote(text, safe=""), quote_plus(text), quote(quote(text, safe=""), safe="")}


@given(user=SECRET, password=SECRET, value=SECRET, data=st.data())
def test_no_piece_of_a_random_address_is_left(user, password, value, data):
    address = (
        f"https://{quote(user, safe='')}:{quote(password, safe='')}@data.example.org:8080/scenes/B04.tif"
        f"?X-Amz-Signature={quote(value, safe='')}&v"
    )
    wrapped = data.draw(
        st.sampled_from(
            [
                address,
                f"/vsicurl/{address}",
                f"/vsicurl?max_retry=2&url={quote(address, safe='')}",
                f"vrt://{address}",
                f'NETCDF:"{address}":x',
            ]
        )
    )
    message = data.draw(
        st.sampled_from(
            [
                "`{0}' not recognized as being in a supported file format",
                "'/vsicurl/{1}' does not exist",
                "HTTP response code on {1}: 403",
                "B04.tif?X-Amz-Signature={2}&v, band 1: IReadBlock failed",
                "CURL error: bad user {3} of {1}",
                "no {4} there",
            ]
        )
    )
    text = message.format(
        wrapped,
        address,
        data.draw(st.sampled_from(sorted(spellings(value)))),
        password,
        quote(address, safe=""),
    )
    for plain in (shown(wrapped), redacted(text, wrapped)):
        for secret in (user, password, value):
            for piece in spellings(secret):
                # What the text says without the address, it may say.
                assume(
                    piece not in "https://data.example.org:8080/scenes/B04.tif /vsicurl/ NETCDF: vrt:// 403"
                )
                assert piece not in plain
    assert "data.example.org:8080/scenes/B04.tif" in shown(wrapped)


@given(text=st.text())
def test_any_text_can_be_cleaned_and_stays_clean(text):
    once = clean(text)
    assert clean(once) == once
    shown(text)
    redacted(text, text)


@given(st.text("abc:/?#@%&=[]'\"<>{} \n.vsicurl", max_size=40))
def test_any_address_can_be_shown(address):
    shown(address)
    redacted(f"no {address}", address)


def test_what_the_environment_holds_is_hidden(monkeypatch):
    for name, value in {
        "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG",
        "GDAL_HTTP_USERPWD": "someone:hunter22",
        "GDAL_HTTP_HEADERS": "Authorization: Bearer abcdef123\nX-Key: qwertz99",
        "GDAL_HTTP_PROXY": "http://proxyuser:proxypass@proxy.example.org:3128",
        "AZURE_STORAGE_CONNECTION_STRING": "Protocol=https;AccountName=abc;AccountKey=Zm9vYmFy",
    }.items():
        monkeypatch.setenv(name, value)
    text = (
        "wJalrXUtnFEMI/K7MDENG hunter22 abcdef123 qwertz99 proxyuser proxypass Zm9vYmFy "
        "wJalrXUtnFEMI%2FK7MDENG proxy.example.org"
    )
    assert clean(text) == "*** *** *** *** *** *** *** *** proxy.example.org"
    assert "hunter22" not in str(gp.GeopatcherError("no hunter22"))


def test_a_secret_that_is_a_word_is_hidden_as_a_word():
    secrets = environment_secrets({"AWS_SECRET_ACCESS_KEY": "testing"})
    assert redacted("pytesting of testing in atesting/x", secrets=secrets) == "pytesting of *** in atesting/x"


@pytest.mark.parametrize("kind", [gp.SourceError, gp.TargetError, gp.OperatorError, gp.SourceAccessError])
def test_no_error_of_ours_says_a_secret(kind):
    error = kind("cannot open https://usr:hunter2@host/a.tif?sig=s3cr3t as a raster", 5)
    assert error.args == ("cannot open https://host/a.tif as a raster", 5)
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert (type(copy), copy.args) == (kind, error.args)


def test_causes_and_notes_are_cleaned_as_they_are_printed():
    address = "https://usr:hunter2@host/a.tif?sig=s3cr3t"

    low = CPLE_AppDefinedError(3, 1, "a.tif?sig=s3cr3t, band 1: IReadBlock failed")
    low.add_note("hunter2")
    middle = FileNotFoundError(2, "no such thing", address)
    middle.__cause__ = low
    top = ExceptionGroup("several", [ValueError(f"{address} is bad"), middle])
    top.__context__ = KeyError(address)
    scrub(top, address)
    printed = "".join(traceback.format_exception(top))
    assert "s3cr3t" not in printed
    assert "hunter2" not in printed
    assert "a.tif, band 1: IReadBlock failed" in printed
    assert middle.filename == "https://host/a.tif"


def test_an_error_without_secrets_is_left_as_it_is():
    error = OSError(2, "No such file or directory", "/data/a?b=c.tif")
    arguments = error.args
    assert told(ValueError("7 is not 5")) == "ValueError: 7 is not 5"
    scrub(error)
    assert error.args == arguments[:2] == (2, "No such file or directory")


NESTED = {
    "/vsicurl?header.A=Bearer%20s3cr3tA&url=https%3A%2F%2Fu%3As3cr3tB%40host%2Fa.tif%3Fsig%3Ds3cr3tC": (
        "/vsicurl/https://host/a.tif"
    ),
    "/vsicurl_streaming?url=https%3A%2F%2Fhost%2Fa.tif%3Fsig%3Ds3cr3tC&header.foo=s3cr3tA": (
        "/vsicurl_streaming/https://host/a.tif"
    ),
    "/vsizip/{/vsicurl?header.Authorization=Bearer s3cr3tA&url=https://host/a.zip?sig=s3cr3tB}/in.tif": (
        "/vsizip/{/vsicurl/https://host/a.zip}/in.tif"
    ),
    "/vsitar/{/vsigzip/{/vsicurl?header.A=s3cr3tA&url=https://host/x.gz}}/a.tif": (
        "/vsitar/{/vsigzip/{/vsicurl/https://host/x.gz}}/a.tif"
    ),
    "/vsisubfile/0_100,/vsicurl?header.A=s3cr3tA&url=https://host/a.tif": (
        "/vsisubfile/0_100,/vsicurl/https://host/a.tif"
    ),
    'HDF5:"/vsicurl?header.A=s3cr3tA&url=https%3A%2F%2Fhost%2Fa.h5"://b': 'HDF5:"/vsicurl/https://host/a.h5"://b',
    "/VSICURL?HEADER.Authorization=s3cr3tA&url=https://host/a.tif": "/VSICURL/https://host/a.tif",
    "/vsicrypt/key=s3cr3tA,file=/tmp/a.tif": "/vsicrypt/key=***,file=/tmp/a.tif",
    "/vsicrypt/alg=AES,key_b64=s3cr3tA==,file=/a.tif": "/vsicrypt/alg=AES,key_b64=***,file=/a.tif",
    "OCI:scott/s3cr3tA@db": "OCI:scott/***@db",
    "georaster:scott/s3cr3tA,db,TABLE,COL": "georaster:scott/***,db,TABLE,COL",
    "PG:host=localhost password=s3cr3tA table=t": "PG:host=localhost password=*** table=t",
    "EEDAI:x,bearer=s3cr3tA": "EEDAI:x,bearer=***",
    "https://host/a.tif;jsessionid=s3cr3tA?x=1": "https://host/a.tif",
    "https://storage.googleapis.com/b/a.tif?X-Goog-Signature=s3cr3tA": "https://storage.googleapis.com/b/a.tif",
    "https://acc.blob.core.windows.net/c/a.tif?sv=2020&sig=s3cr3tA%3D": "https://acc.blob.core.windows.net/c/a.tif",
}


@pytest.mark.parametrize("name", NESTED)
def test_secrets_within_addresses_within_others(name):
    assert shown(name) == NESTED[name]
    for message in (f"cannot open {name}: no", f"'{name}' does not exist", f"{quote(name, safe='')}: no"):
        assert "s3cr3t" not in redacted(message, name)
    for message in (f"cannot open {name}: no", f"'{name}' does not exist"):
        assert "s3cr3t" not in clean(message)


def test_secrets_among_the_options_of_a_vrt():
    text = '<OOI key="AWS_SECRET_ACCESS_KEY">s3cr3tA</OOI><OOI key="NUM_THREADS">2</OOI>'
    assert clean(text) == '<OOI key="AWS_SECRET_ACCESS_KEY">***</OOI><OOI key="NUM_THREADS">2</OOI>'
