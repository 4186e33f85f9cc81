"""Keys in the files of the tools of AWS."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import rasterio

import buckets
import geopatcher as gp
from geopatcher.fields.rasterio_source import RasterioSource
from geopatcher.formats.aws_profiles import with_profile

CREDENTIALS = f"""
[default]
aws_access_key_id = AKIDDEFAULT
aws_secret_access_key = default%secret

[mine]
aws_access_key_id = {buckets.KEY}
aws_secret_access_key = {buckets.SECRET}
aws_session_token = hunter2-token
"""
CONFIG = """
[profile mine]
region = us-east-1

[profile role]
role_arn = arn:aws:iam::1:role/r
source_profile = mine

[profile sso]
sso_session = s

[profile program]
credential_process = /bin/false
"""


@pytest.fixture
def files(tmp_path):
    (tmp_path / "credentials").write_text(CREDENTIALS)
    (tmp_path / "config").write_text(CONFIG)
    return {
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
    }


def test_the_profile_that_is_named_or_the_default_one(files):
    found = with_profile({**files, "AWS_PROFILE": "mine"})
    assert found["AWS_ACCESS_KEY_ID"] == buckets.KEY
    assert (found["AWS_SESSION_TOKEN"], found["AWS_REGION"]) == ("hunter2-token", "us-east-1")
    assert with_profile({**files, "AWS_PROFILE": "mine", "AWS_REGION": "eu"})["AWS_REGION"] == "eu"
    found = with_profile(files)
    assert [found[f"AWS_{name}"] for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY")] == [
        "AKIDDEFAULT",
        "default%secret",
    ]


@pytest.mark.parametrize("name", ["role", "sso", "program", "nobody"])
def test_a_profile_without_keys_says_nothing(files, name):
    given = {**files, "AWS_PROFILE": name}
    assert with_profile(given) == given


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_NO_SIGN_REQUEST", "AWS_WEB_IDENTITY_TOKEN_FILE"])
def test_the_environment_stands_above_it(files, name):
    given = {**files, "AWS_PROFILE": "mine", name: "YES"}
    assert with_profile(given) == given


def test_files_that_are_not_there_or_damaged_say_nothing(tmp_path, files):
    (tmp_path / "credentials").write_bytes(b"[mine\n\xff = nothing")
    given = {**files, "AWS_PROFILE": "mine"}
    assert with_profile(given) == given
    given["AWS_SHARED_CREDENTIALS_FILE"] = str(tmp_path / "none")
    assert with_profile(given) == given


def test_a_key_that_is_changed_is_the_new_one(tmp_path, files):
    given = {**files, "AWS_PROFILE": "mine"}
    assert with_profile(given)["AWS_SECRET_ACCESS_KEY"] == buckets.SECRET
    (tmp_path / "credentials").write_text(CREDENTIALS.replace(buckets.SECRET, "another"))
    assert "another" in with_profile(given).values()


def test_a_raster_in_a_bucket_by_a_profile_is_known_and_taken_up_again(tmp_path, files, gdal_variables):
    pixels = np.arange(90 * 90, dtype="uint16").reshape(1, 90, 90)
    (tmp_path / "up").mkdir()
    kind = {"driver": "GTiff", "count": 1, "height": 90, "width": 90, "dtype": "uint16"}
    with rasterio.open(
        tmp_path / "up" / "a.tif", "w", **kind, transform=rasterio.Affine(10, 0, 0, 0, -10, 0)
    ) as file:
        file.write(pixels)
    with buckets.moto() as port:
        buckets.upload(tmp_path / "up", port, "files", "deep")
        known = {name: value for name, value in buckets.variables(port).items() if "KEY" not in name}
        gdal_variables(**{name: value for name, value in known.items() if name != "AWS_REGION"})
        gdal_variables(**files, AWS_PROFILE="mine")
        source = RasterioSource("s3://files/deep/a.tif")
        assert "unknown" not in source.identity()
        target, how = tmp_path / "out.zarr", {"size": 32, "chunks": 32}
        made = gp.reconstruct("s3://files/deep/a.tif", np.copy, target, **how)
        np.testing.assert_array_equal(np.asarray(made.array).reshape(pixels.shape), pixels)
        again = gp.reconstruct("s3://files/deep/a.tif", np.copy, target, **how)
        assert again.stats.notes[0].startswith("complete since")
        assert buckets.SECRET.encode() not in pickle.dumps(source)
    written_down = [file.read_bytes() for file in target.parent.glob("out.zarr*/**/*") if file.is_file()]
    assert not any(buckets.SECRET.encode() in content for content in written_down)
