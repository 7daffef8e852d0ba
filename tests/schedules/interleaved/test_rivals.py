"""Methods that choose while the proxy trains: what they see of the moment, and runs that are cut off."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import spice_select as spice
from spice_select.methods.greats import Greats
from tests.schedules.interleaved.cutting import contents, cut_anywhere

Corpus = Callable[..., Path]


def test_greats_chooses_by_the_rate_of_the_step_and_the_target_as_the_proxy_sees_it(
    corpus: Corpus, sums, options, tmp_path: Path, monkeypatch
) -> None:
    """Five pools, an update after each two: three steps, the rate falling from the first to a third of it."""
    seen, real = [], Greats.choose

    def watched(self, candidates, *arguments, **options):
        seen.append((candidates.moment, candidates.target.features["gradients"].features))
        return real(self, candidates, *arguments, **options)

    monkeypatch.setattr(Greats, "choose", watched)
    target = corpus(sums(6, seed=9), name="target.jsonl")
    run = spice.select(corpus(), out=tmp_path / "r", method="greats", target=str(target), **options)
    assert [moment.updates for moment, _ in seen] == [0, 0, 1, 1, 2]
    np.testing.assert_allclose([moment.rate for moment, _ in seen], 0.02 * np.array([3, 3, 3, 3, 1.5]) / 3)
    assert np.bincount(run.selection.pools).tolist() == [2, 2, 2, 2, 2]
    assert (seen[0][1] == seen[1][1]).all()
    assert (seen[0][1] != seen[2][1]).any()


def test_greats_goes_on_where_it_was_cut_off(corpus: Corpus, sums, options, tmp_path: Path, monkeypatch) -> None:
    path, target = corpus(), str(corpus(sums(6, seed=9), name="target.jsonl"))
    asked = {"method": "greats", "target": target, **options}
    whole, place = contents(spice.select(path, out=tmp_path / "whole", **asked).path), tmp_path / "cut"
    assert cut_anywhere(monkeypatch, lambda: spice.select(path, out=place, **asked)) >= 4
    assert contents(spice.select(path, out=place, **asked).path) == whole


@pytest.mark.parametrize("schedule", [{}, {"schedule": "pools", "pool_size": 8}], ids=str)
def test_greats_where_the_proxy_stands_still(corpus: Corpus, sums, options, tmp_path: Path, schedule) -> None:
    kept = {name: options[name] for name in ("model", "sketch_dim", "batch_tokens", "budget", "lora_rank")}
    target = str(corpus(sums(6, seed=9), name="target.jsonl"))
    asked = {"method": "greats", "target": target, "learning_rate": 0.01, **kept, **schedule}
    run = spice.select(corpus(), out=tmp_path / "r", **asked)
    assert run.summary.chosen == 10
