"""Methods that choose while the proxy trains: what they see of the moment, and runs that are cut off."""

import json
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


def test_lead_knows_all_rows_beforehand_and_says_how_its_bandit_fared(
    corpus: Corpus, sums, options, tmp_path: Path
) -> None:
    run = spice.select(corpus(sums(80)), out=tmp_path / "r", method="lead", **{**options, "update_every": 1})
    assert np.bincount(run.selection.pools).tolist() == [2] * 10
    assert len(set(run.row_numbers.tolist())) == 20
    assert any("LEAD's bandit was paid" in note and "Of 20 picks" in note for note in run.summary.notes)
    assert {"losses", "unprompted-losses", "gradients"} <= {path.name for path in run.path.iterdir()}


@pytest.mark.parametrize("extra", [{}, {"epochs": 2, "loss": "sum"}], ids=str)
def test_lead_goes_on_where_it_was_cut_off(corpus: Corpus, sums, options, tmp_path: Path, monkeypatch, extra) -> None:
    path, asked = corpus(sums(80)), {"method": "lead", **options, "update_every": 1, **extra}
    whole, place = contents(spice.select(path, out=tmp_path / "whole", **asked).path), tmp_path / "cut"
    assert cut_anywhere(monkeypatch, lambda: spice.select(path, out=place, **asked)) >= 4
    assert contents(spice.select(path, out=place, **asked).path) == whole


def test_the_union_is_a_static_set_for_an_export_and_for_a_training(corpus: Corpus, sums, options, tmp_path) -> None:
    from spice_select.export import export_run

    run = spice.select(corpus(sums(80)), out=tmp_path / "r", method="lead", **options)
    ids = [json.loads(line)["id"] for line in (run.path / "selected.jsonl").read_text().splitlines()]
    assert len(ids) == len(set(ids)) == 20
    done = export_run(run, "trl", out=tmp_path / "e")
    assert done.rows == 20
    assert "`--method lead` in each pool" in (done.path / "README.md").read_text()
    trained = spice.train(run, out=tmp_path / "t", batch_size=4, accumulation=1, epochs=1, device="cpu")
    assert trained.steps == 5


def test_what_learns_from_the_training_is_refused_without_one(corpus: Corpus, options, tmp_path: Path) -> None:
    path = corpus()
    run = spice.select(path, out=tmp_path / "r", method="lead", **options)
    with pytest.raises(spice.InputError, match="which lives on the training of its proxy"):
        spice.transfer(run, model=options["model"])
    with pytest.raises(spice.InputError, match="--schedule pools with --method lead"):
        spice.select(path, out=tmp_path / "s", model=options["model"], method="lead", schedule="pools")
