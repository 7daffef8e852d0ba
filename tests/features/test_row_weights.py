"""What a row's tokens make of its direction: by hand, by the definition, and alike wherever a row is met."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spice_select as spice
from spice_select.checks.run import check_run
from spice_select.features.row_weights import ROW_WEIGHTS
from spice_select.run.finished import load

LENGTHS = np.array([2, 4, 6, 8, 10])
BY_HAND: dict[str, list[float] | None] = {
    "row": None,
    # T95 of 2 4 6 8 10 lies at .95·4 = 3.8 of the way: 8 + .8·2 = 9.6; the clipped mean is 29.6/5 = 5.92
    "tokens": [2 / 5.92, 4 / 5.92, 6 / 5.92, 8 / 5.92, 9.6 / 5.92],
}


@pytest.mark.parametrize("name", ROW_WEIGHTS.names)
def test_weights_are_those_worked_out_by_hand(name: str) -> None:
    scales, expected = ROW_WEIGHTS[name].scales(LENGTHS, LENGTHS), BY_HAND[name]
    if expected is None:
        assert scales is None
    else:
        assert scales**2 == pytest.approx(expected)
        assert (scales**2).mean() == pytest.approx(1.0)


def test_weights_depend_neither_on_the_unit_nor_on_the_order_nor_on_the_company() -> None:
    lengths, tokens = np.random.default_rng(0).integers(1, 900, 501), ROW_WEIGHTS["tokens"]
    scales = tokens.scales(lengths, lengths)
    assert tokens.scales(8 * lengths, 8 * lengths) == pytest.approx(scales, rel=1e-14)
    order = np.random.default_rng(1).permutation(501)
    assert tokens.scales(lengths[order], lengths[order]).tolist() == scales[order].tolist()
    assert tokens.scales(lengths[order[:9]], lengths).tolist() == scales[order[:9]].tolist()
    assert tokens.scales(np.full(7, 31), np.full(7, 31)).tolist() == [1.0] * 7, "rows of one length count one"


def _asked(proxy: Path, **more: Any) -> dict[str, Any]:
    asked = {"method": "spice", "model": str(proxy), "sketch_dim": 32, "budget": 12, "row_weight": "tokens"}
    return {**asked, **more}


MOVING = {"schedule": "interleaved", "update_every": 2, "learning_rate": 0.02}


@pytest.mark.parametrize(
    "more",
    [{}, {"normalise": "none"}, {"schedule": "pools", "pool_size": 9}, {**MOVING, "pool_size": 9}],
    ids=["global", "none", "pools", "interleaved"],
)
def test_the_matrix_is_that_of_the_definition_for_choosing_judging_and_checking(
    corpus: Callable[..., Path], tiny_proxy: Path, tmp_path: Path, more: dict[str, Any]
) -> None:
    run = spice.select(corpus(), out=tmp_path / "r", **_asked(tiny_proxy, **more))
    lengths, G = run.features.supervised, run.features.features.astype(np.float64)
    if more.get("normalise") != "none":
        G = G / np.linalg.norm(G, axis=1, keepdims=True)
    most = np.percentile(lengths, 95)
    weights = np.minimum(lengths, most) / np.minimum(lengths, most).mean()
    np.testing.assert_allclose(run.matrix, np.sqrt(weights)[:, None] * G, rtol=1e-12, atol=1e-15)
    picks = run.selection
    assert picks.bases == pytest.approx(np.log1p(weights * (G**2).sum(axis=1))[picks.indices])
    total = 0.0
    for pool in range(int(picks.pools.max()) + 1):
        rows = picks.indices[picks.pools == pool]
        fisher = sum((weights[row] * np.outer(G[row], G[row]) for row in rows), np.eye(32))
        total += np.linalg.slogdet(fisher)[1]
    assert picks.gains.sum() == pytest.approx(total)
    if more.get("schedule") != "pools":  # judged over all at once there
        assert run.summary.judged.information == pytest.approx(total)
    checks = {check.name: check.passed for check in check_run(run.path)}
    assert checks["gains add up"]
    assert checks["recorded numbers"]


def test_weights_choose_otherwise(corpus: Callable[..., Path], tiny_proxy: Path, tmp_path: Path) -> None:
    path, options = corpus(), _asked(tiny_proxy, dtype="float32")
    plain = spice.select(path, out=tmp_path / "p", **{**options, "row_weight": "row"})
    weighted = spice.select(path, out=tmp_path / "w", **options)
    assert set(plain.row_numbers) != set(weighted.row_numbers)
    assert weighted.summary.chosen_median_response > plain.summary.chosen_median_response


def test_rows_that_are_unusable_are_in_the_corpus_still(
    corpus: Callable[..., Path], tiny_proxy: Path, tmp_path: Path, monkeypatch
) -> None:
    """A finished run reads the lengths of all rows that were encoded, those without a finite gradient too."""
    from spice_select.features import stage

    real = stage.compute_part

    def sick(*arguments: Any) -> Any:
        block = real(*arguments)
        block.finite[block.supervised == block.supervised.max()] = False
        return block

    monkeypatch.setattr(stage, "compute_part", sick)
    run = spice.select(corpus(), out=tmp_path / "r", **_asked(tiny_proxy))
    assert json.loads((run.path / "summary.json").read_text())["dropped"]["non-finite"] > 0
    again = load(run.path)
    assert again.selection.bases == pytest.approx(np.log1p(again.candidates.matrix.squares)[again.selection.indices])
