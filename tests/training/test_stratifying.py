from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import geopatcher as gp
from geopatcher.training import strips
from geopatcher.training.stratifying import class_counts_of_blocks, stratified


@given(
    shape=st.tuples(st.integers(1, 25), st.integers(1, 25)),
    block=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    piece_pixels=st.integers(1, 90),
    seed=st.integers(0, 99),
)
def test_classes_of_blocks_are_counted(shape, block, piece_pixels, seed):
    labels = np.random.default_rng(seed).choice([2, 5, 9, np.nan], size=shape)
    labels[0, 0] = 5
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strips, "PIECE_PIXELS", piece_pixels)
        found = class_counts_of_blocks(labels, gp.RasterDomain(shape), block, ignore=[9])
    classes = [label for label in (2, 5) if (labels == label).any()]
    wanted = [
        [int((labels[row : row + block[0], col : col + block[1]] == label).sum()) for label in classes]
        for row in range(0, shape[0], block[0])
        for col in range(0, shape[1], block[1])
    ]
    assert found.tolist() == wanted


def test_labels_without_classes_are_refused():
    with pytest.raises(ValueError, match="no pixel of .* has a class to stratify by"):
        class_counts_of_blocks(np.ones((4, 4), int), gp.RasterDomain((4, 4)), (2, 2), ignore=[1])


@given(n_blocks=st.integers(3, 60), n_classes=st.integers(1, 5), seed=st.integers(0, 99), rare=st.booleans())
def test_every_block_has_a_part_and_every_part_a_block(n_blocks, n_classes, seed, rare):
    random = np.random.default_rng(seed)
    counts = random.integers(0, 50, size=(n_blocks, n_classes))
    if rare:
        counts[:, 0] = 0
        counts[0, 0] = 5
    fractions = np.array([0.7, 0.2, 0.1])
    parts = stratified(counts, fractions, np.random.default_rng(seed))
    assert set(parts.tolist()) == {0, 1, 2}
    assert (stratified(counts, fractions, np.random.default_rng(seed)) == parts).all()


def test_shares_are_nearer_than_by_chance():
    random = np.random.default_rng(0)
    counts = random.geometric(0.02, size=(120, 3)) * (random.random((120, 3)) < [1.0, 0.2, 0.08])
    fractions = np.array([0.7, 0.15, 0.15])

    def off(parts):
        shares = np.stack([counts[parts == part].sum(axis=0) for part in range(3)]) / counts.sum(axis=0)
        return np.abs(shares - fractions[:, None]).max()

    by_chance = [off(random.permutation(np.repeat([0, 1, 2], [84, 18, 18]))) for _ in range(200)]
    ours = [off(stratified(counts, fractions, np.random.default_rng(seed))) for seed in range(10)]
    assert max(ours) < np.quantile(by_chance, 0.05)
