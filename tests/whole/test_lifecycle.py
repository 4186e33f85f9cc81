"""The rule for unfinished uploads that the documentation gives is one a store takes, word for word."""

from __future__ import annotations

import json
import re
from pathlib import Path

import boto3
import pytest

pytest.importorskip("moto.server")

import buckets

PAGE = Path(__file__).parents[2] / "docs" / "buckets.md"


def rules():
    return [json.loads(text) for text in re.findall(r"```json\n(.*?)```", PAGE.read_text(), re.DOTALL)]


def test_the_rule_of_s3_is_taken_and_is_for_unfinished_uploads_alone():
    rule = rules()[0]
    with buckets.moto() as port:
        client = boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{port}",
            region_name="us-east-1",
            aws_access_key_id=buckets.KEY,
            aws_secret_access_key=buckets.SECRET,
        )
        client.create_bucket(Bucket="ruled")
        client.put_bucket_lifecycle_configuration(Bucket="ruled", LifecycleConfiguration=rule)
        kept = client.get_bucket_lifecycle_configuration(Bucket="ruled")["Rules"]
    assert [each["AbortIncompleteMultipartUpload"] for each in kept] == [{"DaysAfterInitiation": 2}]
    assert not {"Expiration", "Transitions", "NoncurrentVersionExpiration"} & set(kept[0])


def test_the_rule_of_google_is_for_unfinished_uploads_alone():
    assert [each["action"]["type"] for each in rules()[1]["rule"]] == ["AbortIncompleteMultipartUpload"]
