"""Digests of files of weights."""

from __future__ import annotations

import hashlib

import pytest

from geopatcher.errors import OperatorError
from geopatcher.operators.models.weights import file_sha256, weights_digest


def test_a_file_alone_is_its_sha256(tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(b"weights")
    (tmp_path / "other.data").write_bytes(b"of another")
    assert weights_digest(path) == file_sha256(path) == hashlib.sha256(b"weights").hexdigest()


def test_weights_in_a_file_beside_it_count(tmp_path):
    path, beside = tmp_path / "net.onnx", tmp_path / "net.onnx.data"
    path.write_bytes(b"graph of net.onnx.data")
    beside.write_bytes(b"one")
    before = weights_digest(path)
    beside.write_bytes(b"two")
    assert weights_digest(path) != before != file_sha256(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(OperatorError, match="net.onnx cannot be read: No such file"):
        weights_digest(tmp_path / "net.onnx")
