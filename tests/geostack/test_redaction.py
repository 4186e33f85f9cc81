"""What is cut out of the texts of others."""

import pytest

from geostack.redaction import reason, without_secrets


@pytest.mark.parametrize(
    "text",
    [
        "https://ann:hunter2@host/a.tif",
        "GET https://host/a.tif?st=1&sig=hunter2 failed",
        "Authorization: Bearer hunter2",
        '{"api_key": "hunter2"}',
        "access_token=hunter2, try again",
    ],
)
def test_secrets_are_cut_out(text):
    assert "hunter2" not in without_secrets(text)


def test_plain_texts_stay():
    assert without_secrets("https://host/a.tif is not there") == "https://host/a.tif is not there"


def test_a_reason_is_one_line_and_not_endless():
    assert reason(ValueError("one\n two")) == "one two"
    assert len(reason(ValueError("x" * 1000))) == 301
