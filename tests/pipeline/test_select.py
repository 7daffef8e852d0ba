"""The whole way of the data on a tiny proxy: from a file to a run folder, resumed, replayed, refused."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from tests.conftest import make_sums

import spice_select as spice
from spice_select.checks.run import check_run, examine_run
from spice_select.data.json_texts import DEEPEST
from spice_select.diagnosis import curvature, decompose
from spice_select.errors import InputError
from spice_select.features import stage
from spice_select.methods.budget import Allowance
from spice_select.methods.quotas import quota_faults, quotas_of
from spice_select.models.embedded import NAME as EMBEDDED_NAME
from spice_select.pipeline import run_select
from spice_select.report import write_report
from spice_select.report.material import RunMaterial
from spice_select.run import files as outputs
from spice_select.run.explaining import Explainer
from spice_select.run.identity import altered_settings
from spice_select.run.settings import SelectSettings, read_config
from spice_select.run.target import NO_TARGET
from spice_select.selection import DistinctVariance
from spice_select.selection.multiplicity import multiplicities
from spice_select.store import PartStore

Corpus = Callable[..., Path]
OUTPUTS = ("selected.jsonl", "dropped.jsonl", "selection.parquet")


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "PART_TOKENS", 300)


@pytest.fixture
def options(tiny_proxy: Path) -> dict[str, Any]:
    return {"model": str(tiny_proxy), "sketch_dim": 64, "batch_tokens": 256, "budget": "25%"}


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in OUTPUTS}


def test_the_chosen_rows_come_out_exactly_as_they_went_in(corpus: Corpus, options, tmp_path: Path) -> None:
    path = corpus()
    run = spice.select(path, out=tmp_path / "r", **options)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    chosen = [json.loads(line) for line in (run.path / "selected.jsonl").read_text().splitlines()]
    assert len(chosen) == 10
    for place, row in enumerate(chosen):
        note = row.pop("spice")
        assert row == rows[note["row"]]
        assert note["rank"] == place + 1
        assert set(note) == {"rank", "gain", "epsilon", "conflict", "row", "sha256"}


def test_the_selection_is_naive_greedy_on_the_stored_features(corpus: Corpus, options, tmp_path: Path) -> None:
    run = spice.select(corpus(), out=tmp_path / "r", method="spice", conflict_weight=0.5, **options)
    expected = spice.naive(run.matrix, 10, objective=spice.LogDet(), penalty=spice.Conflict(weight=0.5))
    assert run.selection.indices.tolist() == expected.indices.tolist()
    np.testing.assert_allclose(run.selection.gains, expected.gains, rtol=1e-9)
    assert [row["spice"]["row"] for row in run.dataset] == run.features.rows[expected.indices].tolist()


@pytest.mark.parametrize("schedule", ["global", "pools", "interleaved"])
def test_the_objective_is_the_one_asked_for(corpus: Corpus, options, tmp_path: Path, schedule: str) -> None:
    options |= {"objective": "target-variance", "schedule": schedule}
    options |= {"pool_size": 40} if schedule == "pools" else {}
    run = spice.select(corpus(), out=tmp_path / "r", **options)
    order = np.arange(40) if schedule == "global" else np.random.default_rng(0).permutation(40)
    expected = spice.naive(run.matrix[order], 10, objective=spice.TargetVariance())
    assert run.selection.indices.tolist() == order[expected.indices].tolist()
    assert run.summary.judged.information == pytest.approx(
        spice.LogDet().value(run.matrix, run.selection.indices.tolist())
    )
    with pytest.raises(InputError, match="--objective log-det"):
        check_run(run.path)


def test_by_default_picks_are_what_tells_most_about_all_rows(corpus: Corpus, options, tmp_path: Path) -> None:
    run = spice.select(corpus(), out=tmp_path / "r", **options)
    assert (run.settings.selection.method, run.settings.spice.objective) == ("information", "distinct-variance")
    expected = spice.naive(run.matrix, 10, objective=DistinctVariance())
    assert run.selection.indices.tolist() == expected.indices.tolist()
    squares = np.square(run.matrix).sum(axis=1) / run.candidates.counts
    share = DistinctVariance().value(run.matrix, expected.indices.tolist()) / squares.sum()
    assert any(f"explain {share:.1%} of all rows' gradients" in note for note in run.summary.notes)


@pytest.mark.parametrize(("budget", "told"), [("10%", False), ("25%", True), ("100%", False)])
def test_a_large_share_is_said_to_gain_little(corpus: Corpus, options, tmp_path: Path, budget: str, told: bool) -> None:
    run = spice.select(corpus(), out=tmp_path / "r", **{**options, "budget": budget})
    assert any("level with random rows" in note for note in run.summary.notes) == told


def copies_told(run: spice.Run) -> str:
    return " ".join(note for note in run.summary.notes if "have a copy" in note)


def test_copies_count_once_which_is_told(corpus: Corpus, options, tmp_path: Path, sums) -> None:
    """Every row of the first ten stands twice more; unless every copy is asked for, its direction counts once."""
    path = corpus([*sums(20), *sums(20)[:10], *sums(20)[:10]])
    run, plain = (
        spice.select(path, out=tmp_path / name, **options, **asked)
        for name, asked in {"once": {}, "each": {"objective": "target-variance"}}.items()
    )
    counts = multiplicities(run.matrix)
    assert (counts[:10] >= 3).all()
    assert run.candidates.counts.tolist() == counts.tolist()
    assert (run.path / "copies.parquet").is_file()
    expected = spice.naive(run.matrix, 10, objective=DistinctVariance(counts=counts))
    assert run.selection.indices.tolist() == expected.indices.tolist()
    copied = int((counts > 1).sum())
    assert copies_told(run).startswith(f"{copied} rows ({copied / 40:.0%}) have a copy")
    assert "each direction counted once" in copies_told(run)
    assert plain.candidates.counts is None
    assert not (plain.path / "copies.parquet").exists()
    assert plain.row_numbers.tolist() == spice.naive(run.matrix, 10, objective=spice.TargetVariance()).indices.tolist()
    assert copies_told(plain).startswith("Of 40 rows looked at, ")
    for note in (copies_told(run), copies_told(plain)):
        assert "--without-suspects duplicate near-duplicate" in note

    shares = {name: RunMaterial(one).signs[0] for name, one in {"once": run, "each": plain}.items()}
    assert "each counted once" in shares["once"].sentence
    assert "counted once" not in shares["each"].sentence
    sought = run.matrix / np.sqrt(counts)[:, None]
    value = spice.TargetVariance(target=sought).value(run.matrix, run.selection.indices) / np.square(sought).sum()
    assert shares["once"].value == pytest.approx(value, rel=1e-6)
    assert "copies counted once" in write_report(run).read_text()
    assert "copies counted once" not in write_report(plain).read_text()
    assert examine_run(run.path).signs[0].value == pytest.approx(value, rel=1e-6)


@pytest.mark.parametrize("size", [10, 20])
def test_in_pools_copies_are_those_of_the_whole_pool(corpus: Corpus, options, tmp_path: Path, sums, size: int) -> None:
    path = corpus([*sums(20), *sums(20)[:10], *sums(20)[:10]])
    run = spice.select(path, out=tmp_path / "r", schedule="pools", pool_size=size, **options)
    assert "each direction counted once" in copies_told(run)
    counts, order = multiplicities(run.matrix), np.random.default_rng(0).permutation(40)
    explained = {one.row: one.gain for one in Explainer(run).best_rejected(30)}
    assert run.candidates.counts.tolist() == counts.tolist()
    for number in range(40 // size):
        window = order[number * size : (number + 1) * size]
        picks = run.selection.indices[run.selection.pools == number]
        own = np.sort(window)  # ties go to the lowest row
        expected = spice.naive(run.matrix[own], len(picks), objective=DistinctVariance(counts=counts[own]))
        assert picks.tolist() == own[expected.indices].tolist()
        due = DistinctVariance(counts=counts[own]).gains(run.matrix[own], expected.indices, np.arange(size))
        rejected = np.flatnonzero(~np.isin(own, picks))
        assert explained[int(own[rejected[0]])] == pytest.approx(due[rejected[0]])


def test_where_no_copy_is_counted_none_is_told(corpus: Corpus, options, tmp_path: Path, sums) -> None:
    """With repeats left out every row counts, also for the page, which sees those left out."""
    path = corpus([*sums(20), *sums(20)[:12]])
    once = spice.select(path, out=tmp_path / "once", **options, without_suspects=("duplicate", "near-duplicate"))
    assert not copies_told(once)
    assert once.candidates.repeated is None
    assert "copies counted once" not in write_report(once).read_text()
    aim = str(corpus(sums(8, 5), "t.jsonl"))
    by_target = spice.select(path, target=aim, out=tmp_path / "t", **options)
    assert not copies_told(by_target)


def test_unit_norm_features_have_equal_bases(corpus: Corpus, options, tmp_path: Path) -> None:
    run = spice.select(corpus(), out=tmp_path / "r", method="spice", normalise="unit", **options)
    np.testing.assert_allclose(run.selection.bases, np.log(2.0), rtol=1e-5)


def test_the_summary_tells_of_interaction_curvature_and_the_proof(corpus: Corpus, options, tmp_path: Path) -> None:
    run = spice.select(corpus(), out=tmp_path / "r", method="spice", **options)
    found, parts = run.summary.judged, decompose(run.matrix, run.selection, spice.LogDet())
    later = ~parts.firsts
    assert found.interaction == pytest.approx(np.median(-parts.epsilons[later] / parts.bases[later]), abs=1e-9)
    for ours, fresh in (
        (found.conflict_with_gain, parts.conflict_with_gain),
        (found.conflict_with_epsilon, parts.conflict_with_epsilon),
    ):
        assert ours is None if np.isnan(fresh) else ours == pytest.approx(fresh)
    bent = curvature(run.matrix, spice.LogDet())
    assert (found.curvature, found.promised) == pytest.approx((bent.value, bent.guarantee))
    proof = spice.certificate(run.matrix, run.selection, spice.LogDet())
    assert (found.bound, found.certified) == (proof.best, pytest.approx(proof.ratio))
    assert found.proof_seconds > 0


@pytest.mark.parametrize("odd", [10**40, "\ud800"], ids=["a long number", "half a character"])
def test_rows_that_fit_no_table_are_chosen_written_and_read_back(corpus: Corpus, options, tmp_path: Path, odd) -> None:
    rows = [{"question": f"{i}?", "answer": "a" * (1 + i), "id": odd} for i in range(8)]
    path = tmp_path / "odd.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    run = spice.select(path, out=tmp_path / "r", **options)
    assert [record["id"] for record in outputs.iterate_selected(run.path)] == [odd, odd]
    assert [row["id"] for row in run.rows] == [odd, odd]
    assert [json.loads(text) for text in run.dataset["id"]] == [odd, odd]
    assert "id" in run.dataset.info.description  # which says that the column is JSON text


def test_rows_that_are_nested_as_deeply_as_is_taken_are_chosen_written_and_read_back(options, tmp_path: Path) -> None:
    deep = json.loads('[{"a":' * (DEEPEST // 2 - 1) + "1" + "}]" * (DEEPEST // 2 - 1))
    rows = [{"question": f"{i}?", "answer": "a" * (1 + i), "id": deep} for i in range(8)]
    (path := tmp_path / "deep.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    run = spice.select(path, out=tmp_path / "r", **options)
    assert [record["id"] for record in outputs.iterate_selected(run.path)] == [deep, deep]
    assert [row["id"] for row in run.rows] == [deep, deep]
    assert [read if isinstance(read, list) else json.loads(read) for read in run.dataset["id"]] == [deep, deep]


def test_what_json_cannot_say_is_written_as_text_and_named(corpus: Corpus, options, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [
        {"question": f"{i}?", "answer": "a" * (1 + i), "digest": bytes([i]), "at": datetime(2024, 1, 1 + i)}
        for i in range(8)
    ]
    rows.append({"question": "", "answer": "", "digest": b"dropped", "at": None})
    pq.write_table(pa.Table.from_pylist(rows), path := tmp_path / "odd.parquet")
    run = spice.select(path, out=tmp_path / "r", **options)
    text = (run.path / outputs.SELECTED).read_text()
    assert "b'" not in text
    chosen = [rows[record["spice"]["row"]] for record in outputs.iterate_selected(run.path)]
    assert run.rows == chosen
    assert [row["digest"] for row in run.dataset] == [row["digest"] for row in chosen]
    assert [row["at"] for row in run.dataset] == [row["at"] for row in chosen]
    (note,) = (note for note in run.summary.notes if "digest" in note and "JSON" in note)
    assert "digest (base64, 2 rows)" in note
    assert "at (datetime, 2 rows)" in note
    (dropped,) = [json.loads(line) for line in (run.path / outputs.DROPPED).read_text().splitlines()]
    assert (dropped["record"]["digest"], dropped["encoded"]) == ("ZHJvcHBlZA==", {"/digest": "base64"})


def test_pools_take_their_share_of_every_window(corpus: Corpus, options, tmp_path: Path) -> None:
    run = spice.select(corpus(), out=tmp_path / "r", schedule="pools", pool_size=8, **options)
    assert np.bincount(run.selection.pools).tolist() == [2, 2, 2, 2, 2]


def test_a_budget_in_tokens_is_not_overspent_and_nothing_more_would_fit(corpus: Corpus, options, tmp_path) -> None:
    run = spice.select(corpus(), out=tmp_path / "r", **{**options, "budget": "0.5k-tokens"})
    assert run.summary.chosen_tokens <= 500
    left = np.setdiff1d(np.arange(len(run.features.rows)), run.selection.indices)
    assert run.summary.chosen_tokens + run.features.tokens[left].min() > 500


@pytest.mark.parametrize("method", ["information", "longest", "spice", "random"])
@pytest.mark.parametrize("pools", [{}, {"schedule": "pools", "pool_size": 20}], ids=["global", "pools"])
def test_a_budget_of_supervised_tokens_counts_what_is_trained_on(corpus: Corpus, options, tmp_path, method, pools):
    read = {} if method in ("information", "spice") else {"sketch_dim": None, "batch_tokens": None}
    asked = {name: value for name, value in {**options, **pools, **read}.items() if value is not None}
    run = spice.select(corpus(), out=tmp_path / "r", **{**asked, "budget": "120-supervised-tokens", "method": method})
    found = run.summary
    assert 40 < found.chosen_supervised <= 120
    assert found.chosen_supervised < found.chosen_tokens
    assert f"{found.chosen_supervised} of the budget of 120 supervised tokens are used" in found.stopped
    assert found.judged is None or found.judged.certified_for == "120 supervised tokens"


@pytest.mark.parametrize(
    ("sources", "budget", "low", "high", "due"),
    [(20, 30, 0.05, None, (1, 30)), (2, 3, 0.5, None, (1, 3)), (4, 10, None, 0.25, (0, 3)), (4, 10, 0.06, 0.5, (1, 5))],
)
def test_shares_that_add_up_to_the_whole_are_not_refused_for_rounding(sources, budget, low, high, due) -> None:
    names, lengths = [str(row % sources) for row in range(sources * 40)], [9] * sources * 40
    asked = names, lengths, Allowance(rows=budget), low, high
    assert quota_faults(*asked) == []
    assert {(quota.minimum, quota.maximum) for quota in quotas_of(*asked).values()} == {due}


@pytest.mark.parametrize("change", [{"per_source_max": 0.2}, {"per_source_min": 0.6}, {"budget": "9M-tokens"}])
def test_budgets_in_tokens_that_make_no_sense_are_refused(corpus: Corpus, options, tmp_path: Path, change) -> None:
    with pytest.raises(InputError):
        spice.select(corpus(), out=tmp_path / "r", **{**options, "budget": "500 tokens", **change})


def test_every_source_gets_its_share_and_no_more(corpus: Corpus, options, tmp_path: Path) -> None:
    run = spice.select(corpus(), out=tmp_path / "r", per_source_min=0.4, per_source_max=0.5, **options)
    assert sorted(mix.chosen_rows for mix in run.summary.mix) == [5, 5]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"per_source_min": 0.6}, "per-source-min 0.6: the shares of 2 sources come to 12 rows, and the budget is 10"),
        ({"per_source_max": 0.2}, "per-source-max 0.2: 2 sources may give 4 rows at most"),
        ({"per_source_min": 0.05}, "per-source-min 0.05: of a budget of 10 rows that rounds to none"),
        ({"per_source_min": 0.5, "per_source_max": 0.2}, "per-source-min 0.5 is above --per-source-max 0.2"),
        ({"per_source_min": 0.1, "schedule": "pools"}, "--per-source-min 0.1: not read by"),
        ({"per_source_max": 0.2, "budget": "500-tokens"}, "2 sources may give 200 tokens at most, and the budget is"),
        ({"per_source_min": 0.6, "budget": "500-tokens"}, "come to 600 tokens, and the budget is 500"),
        ({"budget": "2-tokens"}, "none fits"),
        ({"budget": "1-supervised-tokens"}, "the shortest row has . supervised tokens, so none fits"),
        ({"per_source_max": 0.2, "budget": "100-supervised-tokens"}, "may give 40 supervised tokens at most"),
    ],
)
def test_a_choice_that_cannot_be_made_is_refused_before_gradients_are_computed(
    corpus: Corpus, options, tmp_path: Path, change, words
) -> None:
    with pytest.raises(InputError, match=words):
        spice.select(corpus(), out=tmp_path / "r", **{**options, **change})
    assert not (tmp_path / "r").exists()  # so that the mended command may use the same folder


def test_quotas_without_sources_are_refused(corpus: Corpus, sums, options, tmp_path: Path) -> None:
    rows = [{"messages": row["messages"]} for row in sums(20)]
    with pytest.raises(InputError, match="source"):
        spice.select(corpus(rows), out=tmp_path / "r", per_source_max=0.5, **options)


def test_an_early_stop_ends_the_selection_and_says_so(corpus: Corpus, options, tmp_path: Path) -> None:
    run = spice.select(corpus(), out=tmp_path / "r", stop_ratio=0.99, **options)
    assert run.selection.stop.reason == "gain_ratio"
    assert len(run.selection) < 10
    assert run.summary.stopped == run.selection.stop.sentence


@pytest.mark.parametrize("schedule", ["global", "pools"])
def test_a_run_cut_off_after_any_part_ends_as_one_that_was_not(
    corpus: Corpus, options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, schedule: str
) -> None:
    path = corpus()
    options = {**options, "schedule": schedule} | ({"pool_size": 10} if schedule == "pools" else {})
    expected = contents(spice.select(path, out=tmp_path / "undisturbed" / "whole", **options).path)
    write, count = PartStore.write, 0

    def cut(self: PartStore, part: int, block: Any) -> None:
        nonlocal count
        if count == limit:
            raise KeyboardInterrupt
        write(self, part, block)
        count += 1

    for limit in (0, 1, 3):
        count = 0
        with monkeypatch.context() as patch:
            patch.setattr(PartStore, "write", cut)
            with pytest.raises(KeyboardInterrupt):
                spice.select(path, out=tmp_path / f"parent{limit}" / "cut", **options)
        assert contents(spice.select(path, out=tmp_path / f"parent{limit}" / "cut", **options).path) == expected


def test_a_killed_process_loses_nothing_that_was_finished(corpus: Corpus, options, tmp_path: Path) -> None:
    """SIGKILL in the middle of writing a part, twice; then the run is resumed here."""
    path, options = corpus(), {**options, "dtype": "float32"}  # --auto-dtype does not reach another process
    expected = contents(spice.select(path, out=tmp_path / "undisturbed" / "whole", **options).path)
    script = (
        "import json, os, signal, sys\nimport spice_select as spice\n"
        "from spice_select.features import stage\nimport spice_select.store.parts as parts\n"
        "stage.PART_TOKENS = 300\nfrom pathlib import Path\nwrite = parts.pq.write_table\n"
        "def die(table, place, **options):\n"
        "    write(table, place, **options)\n"
        "    if 'part-%05d' % int(sys.argv[3]) in str(place): os.kill(os.getpid(), signal.SIGKILL)\n"
        "parts.pq.write_table = die\n"
        "spice.select(sys.argv[1], out=sys.argv[2], **json.loads(sys.argv[4]))\n"
    )
    for part in (1, 3):
        killed = subprocess.run(
            [sys.executable, "-c", script, str(path), str(tmp_path / "killed" / "r"), str(part), json.dumps(options)],
            capture_output=True,
            env={**os.environ, "HF_HUB_OFFLINE": "1"},
        )
        assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    finished = [PartStore(tmp_path / "killed" / "r" / "gradients").is_finished(part) for part in range(4)]
    assert finished == [True, True, True, False]
    assert contents(spice.select(path, out=tmp_path / "killed" / "r", **options).path) == expected


def test_a_part_altered_on_disk_is_computed_again(corpus: Corpus, options, tmp_path: Path) -> None:
    path = corpus()
    run = spice.select(path, out=tmp_path / "r", **options)
    expected = contents(run.path)
    part = PartStore(run.path / "gradients").path(1)
    original = part.read_bytes()
    part.write_bytes(original[:-7])
    (run.path / "manifest.json").unlink()
    assert contents(spice.select(path, out=tmp_path / "r", **options).path) == expected
    assert part.read_bytes() == original


def test_a_finished_run_is_returned_without_loading_a_model(
    corpus: Corpus, options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = corpus()
    first = spice.select(path, out=tmp_path / "r", **options)
    monkeypatch.setattr("spice_select.features.proxy.load_model", lambda *a, **k: pytest.fail("the model was loaded"))
    assert contents(spice.select(path, out=tmp_path / "r", **options).path) == contents(first.path)


def test_the_config_replays_the_run(corpus: Corpus, options, tmp_path: Path) -> None:
    run = spice.select(corpus(), out=tmp_path / "r", schedule="pools", pool_size=9, seed=3, **options)
    name, settings = read_config(run.path / "config.yaml")
    assert name is not None
    assert contents(run_select(name, settings, out=tmp_path / "again").path) == contents(run.path)


@pytest.mark.parametrize(
    ("old", "new"), [("alpha: 1.0", "alpha: 3.0"), ("normalise: unit", "normalise: none"), ("alpha: 1.0", "")]
)
def test_settings_that_were_altered_after_the_run_are_not_read_as_those_of_the_run(
    corpus: Corpus, options, tmp_path: Path, old: str, new: str
) -> None:
    path = corpus()
    run = spice.select(path, out=tmp_path / "r", **{**options, "alpha": 1.0})
    config = run.path / "config.yaml"
    written = config.read_text()
    config.write_text(written.replace(f"\n  {old}\n", f"\n  {new}\n") if new else "")
    with pytest.raises(InputError, match=r"config.yaml was altered after the run: .* is .* there, and was .*select"):
        _ = spice.load(run.path).settings
    spice.select(path, out=tmp_path / "r", **{**options, "alpha": 1.0})
    assert config.read_text() == written
    assert spice.load(run.path).settings.spice.alpha == 1.0


def test_what_may_lie_elsewhere_may_not_be_gone_from_the_settings_of_a_run(
    corpus: Corpus, options, tmp_path: Path
) -> None:
    """Without the model's name the embedded one would stand in for it, in silence."""
    dev = corpus(make_sums(16, 7), "dev.jsonl")
    run = spice.select(corpus(), target=dev, out=tmp_path / "r", **options)
    config = run.path / "config.yaml"
    written = yaml.safe_load(config.read_text())
    for group, name, value, said in (
        ("proxy", "model", None, "model is None there, and was given"),
        ("target", "target", [], r"target is \[\] there, and was given"),
        ("gradients", "adapter", "x", "adapter is 'x' there, and was not given"),
        ("data", "split", "test", "split is 'test' there, and was not given"),
    ):
        config.write_text(yaml.safe_dump({**written, group: {**written[group], name: value}}))
        with pytest.raises(InputError, match=said):
            _ = spice.load(run.path).settings
    moved = {"proxy": {**written["proxy"], "model": "elsewhere"}, "target": {**written["target"], "target": ["moved"]}}
    config.write_text(yaml.safe_dump({**written, **moved}))
    assert spice.load(run.path).settings.proxy.model == "elsewhere"


def test_what_an_earlier_version_did_not_record_is_not_held_against_a_run() -> None:
    of_today = SelectSettings.from_flat({"model": "m", "adapter": "a", "split": "s", "target": ("t",)})
    assert altered_settings(of_today, {}) == []
    assert altered_settings(of_today, {"model": "old/name"}) == []
    assert altered_settings(SelectSettings(), {"model": EMBEDDED_NAME, **NO_TARGET}) == []


@pytest.mark.parametrize("change", [{"budget": "50%"}, {"seed": 1}, {"loss": "sum"}, {"max_length": 60}])
def test_other_settings_are_refused_in_the_same_folder(corpus: Corpus, options, tmp_path: Path, change) -> None:
    path = corpus()
    run = spice.select(path, out=tmp_path / "r", **options)
    before = contents(run.path)
    with pytest.raises(InputError, match=next(iter(change))):
        spice.select(path, out=tmp_path / "r", **{**options, **change})
    assert contents(run.path) == before


def test_another_corpus_is_refused_in_the_same_folder(corpus: Corpus, options, tmp_path: Path) -> None:
    path = corpus()
    spice.select(path, out=tmp_path / "r", **options)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(reversed(lines)))
    with pytest.raises(InputError, match="corpus_sha256"):
        spice.select(path, out=tmp_path / "r", **options)


def test_the_batch_a_row_stood_in_does_not_change_the_choice(corpus: Corpus, options, tmp_path: Path) -> None:
    path, options = (
        corpus(),
        {**options, "dtype": "float32"},
    )  # what bfloat16 allows is in tests/gradients/test_precision
    one = spice.select(path, out=tmp_path / "a", **{**options, "batch_tokens": 1})
    many = spice.select(path, out=tmp_path / "b", **{**options, "batch_tokens": 4096})
    np.testing.assert_allclose(one.features.features, many.features.features, rtol=1e-3, atol=1e-6)
    assert one.selection.indices.tolist() == many.selection.indices.tolist()


def test_the_same_rows_in_another_format_give_the_same_choice(corpus: Corpus, options, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = corpus()
    pq.write_table(pa.Table.from_pylist([json.loads(line) for line in path.open()]), tmp_path / "train.parquet")
    one = spice.select(path, out=tmp_path / "a", **options)
    other = spice.select(tmp_path / "train.parquet", out=tmp_path / "b", **options)
    assert one.selection.indices.tolist() == other.selection.indices.tolist()


def test_dropped_rows_keep_their_reason_and_content(corpus: Corpus, sums, options, tmp_path: Path) -> None:
    rows = sums(12)
    rows[3]["messages"][1]["content"] = ""
    rows[5]["messages"][0]["role"] = "wizard"
    rows[7]["messages"] = rows[7]["messages"][:1]
    run = spice.select(corpus(rows), out=tmp_path / "r", **{**options, "budget": 3})
    dropped = [json.loads(line) for line in (run.path / "dropped.jsonl").read_text().splitlines()]
    assert [drop["row"] for drop in dropped] == [3, 5, 7]
    assert [drop["record"] for drop in dropped] == [rows[3], rows[5], rows[7]]
    assert all(drop["reason"] and drop["detail"] and "train.jsonl" in drop["where"] for drop in dropped)
    assert sum(run.summary.dropped.values()) == 3
    assert run.summary.usable == 9


def test_a_row_whose_loss_is_not_a_number_is_dropped_with_its_reason(
    corpus: Corpus, options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from spice_select.gradients import HookEngine

    features = HookEngine.features

    def poisoned(self: HookEngine, model: Any, examples: Any) -> Any:
        found = features(self, model, examples)
        for place, example in enumerate(examples):
            if example.row == 4:
                found.losses[place], found.features[place] = np.nan, np.nan
        return found

    monkeypatch.setattr(HookEngine, "features", poisoned)
    run = spice.select(corpus(), out=tmp_path / "r", **options)
    dropped = [json.loads(line) for line in (run.path / "dropped.jsonl").read_text().splitlines()]
    assert [(drop["row"], drop["reason"]) for drop in dropped] == [(4, "non-finite")]
    assert 4 not in run.features.rows
    assert run.summary.usable == 39


def test_if_every_row_drops_that_is_an_error(corpus: Corpus, options, tmp_path: Path) -> None:
    rows = [{"messages": [{"role": "user", "content": "hello"}]}] * 3
    with pytest.raises(InputError, match="none of the 3 rows can be used"):
        spice.select(corpus(rows), out=tmp_path / "r", **options)
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize("budget", ["0", 0, "0%", "200%", 41, "4000", "-3", "many", "nan", "1e9"])
def test_a_budget_that_cannot_be_spent_writes_nothing(corpus: Corpus, options, tmp_path: Path, budget) -> None:
    with pytest.raises(InputError):
        spice.select(corpus(), out=tmp_path / "r", **{**options, "budget": budget})
    assert not (tmp_path / "r").exists()


def test_the_manifest_tells_what_was_used(corpus: Corpus, options, tmp_path: Path) -> None:
    from spice_select.store import sha256

    path = corpus()
    run = spice.select(path, out=tmp_path / "r", **options)
    manifest = run.manifest
    assert manifest["corpus"]["sha256"] == sha256(path)
    assert manifest["identity"]["model_weights_sha256"]
    assert manifest["identity"]["seed"] == 0
    assert manifest["outputs"] == {name: sha256(run.path / name) for name in manifest["outputs"]}
    assert set(OUTPUTS) <= manifest["outputs"].keys()
    assert {"python", "torch", "transformers"} <= manifest["versions"].keys()


def test_choosing_again_from_a_choice_keeps_the_earlier_record(corpus: Corpus, options, tmp_path: Path) -> None:
    first = spice.select(corpus(), out=tmp_path / "a", **options)
    second = spice.select(first.path / "selected.jsonl", out=tmp_path / "b", **{**options, "budget": 4})
    for row in second.dataset:
        assert row["spice"]["earlier"]["rank"] >= 1
