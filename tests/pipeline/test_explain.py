"""Why rows were chosen, rejected or dropped: numbers held against the definitions, and what is said of them."""

import ast
import importlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spice_select as spice_package
from spice_select.errors import InputError
from spice_select.methods import METHODS, Candidates
from spice_select.methods.budget import Allowance
from spice_select.methods.spice import Spice
from spice_select.numerics.divided import DividedRows
from spice_select.run.explaining import Explainer
from spice_select.run.explanation import ChosenRow, DroppedRow, RejectedRow, share_new
from spice_select.run.finished import Run
from spice_select.run.meetings import Passed, meetings_of
from spice_select.run.reasons import REASONS
from spice_select.run.settings import SelectSettings
from spice_select.selection import Conflict, DistinctVariance, LogDet

Corpus = Callable[..., Path]
SMALL = {"sketch_dim": 64, "batch_tokens": 512}


@pytest.fixture
def options(tiny_proxy: Path) -> dict[str, Any]:
    return {"model": str(tiny_proxy), "budget": "25%", **SMALL}


def with_faulty(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [*rows, {"messages": [{"role": "user", "content": "why?"}, {"role": "assistant", "content": ""}]}]


def share_of(features: np.ndarray, picks: np.ndarray, place: int, alpha: float = 1.0) -> float:
    """From the definition."""
    g, inverse = features[place], np.linalg.inv(np.eye(features.shape[1]) + alpha * features[picks].T @ features[picks])
    return float(1 - g @ inverse @ g / (g @ g))


def rejected_of(run: Run) -> list[int]:
    return sorted(set(run.features.rows.tolist()) - set(run.row_numbers.tolist()))


def test_rejected_rows_are_explained_without_a_copy_of_all_rows(
    corpus: Corpus, sums, options, tmp_path, monkeypatch
) -> None:
    run = spice_package.select(corpus(sums(100)), out=tmp_path / "run", **options)
    features, picks = run.matrix, run.selection.indices
    rejected = rejected_of(run)
    gains = DistinctVariance(1.0).gains(features, [], np.array(rejected))

    def refuse(rows: DividedRows, *how: Any, **asked: Any) -> np.ndarray:
        raise AssertionError(f"all {len(rows)} rows were copied")

    monkeypatch.setattr(DividedRows, "__array__", refuse)
    told = Explainer(Run(run.path)).best_rejected(len(rejected))
    assert len(told) == 100 - len(picks)
    assert {one.row: one.base for one in told} == pytest.approx(dict(zip(rejected, gains, strict=True)))


def test_every_row_has_an_explanation_whose_numbers_are_those_of_the_definitions(
    corpus: Corpus, sums, options, tmp_path
) -> None:
    run = spice_package.select(corpus(with_faulty(sums(40))), out=tmp_path / "run", **options)
    explainer, features, picks = Explainer(run), run.matrix, run.selection.indices
    assert [one.row for one in explainer.chosen()] == run.row_numbers.tolist()
    for rank, one in enumerate(explainer.chosen(), 1):
        assert isinstance(one, ChosenRow)
        assert one.rank == rank
        assert one.gain == pytest.approx(run.selection.gains[rank - 1])
        assert one.new == pytest.approx(run.selection.gains[rank - 1] / run.selection.bases[rank - 1])
        assert f"rank {rank} of 10: gain" in one.sentences[0]
        assert one.where.endswith(f"train.jsonl:{one.row + 1}")
    gains = DistinctVariance(1.0).gains(features, picks, np.arange(40))
    rejected = rejected_of(run)
    order = sorted(rejected, key=lambda row: (-gains[row], row))
    assert [one.row for one in explainer.best_rejected(40)] == order
    for row in rejected:
        one = explainer.of(row)
        assert isinstance(one, RejectedRow)
        assert one.share == pytest.approx(share_of(features, picks, row))
        assert one.gain == pytest.approx(gains[row])
        assert one.base == pytest.approx(DistinctVariance(1.0).gains(features, [], np.array([row]))[0])
        assert one.place == order.index(row) + 1
        assert one.rivals == 30
        assert one.last == (run.row_numbers[-1], pytest.approx(run.selection.scores[-1]))
        nearest = int(picks[np.argmax(features[picks] @ features[row])])
        assert one.nearest is not None
        assert (one.nearest.row, one.nearest.rank) == (nearest, run.row_numbers.tolist().index(nearest) + 1)
        first = "explained by the picks" if one.gain < one.base / 2 else "as the next pick it would have gained"
        assert one.sentences[0].startswith("rejected: ")
        assert first in one.sentences[0]
    dropped = explainer.of(40)
    assert isinstance(dropped, DroppedRow)
    assert (dropped.reason, dropped.meaning) == ("empty-turn", REASONS["empty-turn"].meaning)
    assert "What to do: mend the row" in dropped.sentences[-1]
    assert run.explain(40) == dropped


def test_the_three_picks_that_explain_most_have_their_parts_of_the_share(
    corpus: Corpus, sums, options, tmp_path
) -> None:
    rows = sums(20)
    rows[7] = dict(rows[3], id="again")
    run = spice_package.select(corpus(rows), out=tmp_path / "run", **{**options, "budget": "50%"})
    one = next(found for found in Explainer(run).best_rejected(20) if found.explained_by)
    parts = [other.share for other in one.explained_by]
    assert parts == sorted(parts, reverse=True)
    assert len(parts) <= 3
    G, g = run.matrix[run.selection.indices], run.matrix[one.row]
    whole = np.linalg.solve(G @ G.T + np.eye(len(G)), G @ g) * (G @ g) / (g @ g)
    assert whole.sum() == pytest.approx(one.share)
    assert parts == pytest.approx(np.sort(whole)[::-1][: len(parts)])
    assert f"{one.share:.0%} explained by the picks, most by row" in " ".join(one.sentences)


@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_log_det_less_its_penalty_is_the_score_of_a_rejected_row(corpus: Corpus, sums, options, tmp_path, weight):
    asked = {**options, "method": "spice", "conflict_weight": weight}
    run = spice_package.select(corpus(sums(30)), out=tmp_path / "run", **asked)
    features, picks, everything = run.matrix, run.selection.indices, np.arange(30)
    gains = LogDet(1.0).gains(features, picks, everything)
    scores = gains - weight * Conflict(weight).values(features, picks, everything)
    for one in Explainer(run).best_rejected(5):
        assert one.score == pytest.approx(scores[one.row])
        assert ("less a penalty of" in " ".join(one.sentences)) == (one.penalty > 0)


def test_with_a_target_a_row_is_told_where_it_stands_to_it(corpus: Corpus, sums, options, tmp_path) -> None:
    maths, other = corpus(sums(9, seed=5), "maths.jsonl"), corpus(sums(8, seed=6), "other.jsonl")
    targets = [str(maths), str(other)]
    run = spice_package.select(corpus(sums(40, seed=1)), out=tmp_path / "run", target=targets, **options)
    explainer, candidates = Explainer(run), run.candidates
    kept = np.flatnonzero(~np.isin(candidates.rows, list(explainer._dropped)))
    candidates = candidates.take(kept)
    method = METHODS["information"].of(run.settings.flat())
    assert isinstance(method, Spice)
    outside = set(candidates.rows[method.opposing(candidates, Allowance(rows=len(run.row_numbers)))].tolist())
    assert outside
    for row in candidates.rows.tolist():
        one = explainer.of(row)
        if isinstance(one, RejectedRow):
            assert one.outside == (row in outside) == (one.place is None)
            assert one.outside == ("--agreeing" in one.sentences[0])
            assert one.closest is not None
            assert one.closest.where.rpartition("/")[2].split(":")[0] in ("maths.jsonl", "other.jsonl")
    total = {task.task: task.share for task in run.summary.judged.target}
    taken = [one.taken for one in explainer.chosen()]
    assert {task: sum(each[task] for each in taken) for task in total} == pytest.approx(total)
    assert "the target's task 'maths'" in " ".join(explainer.chosen()[0].sentences)
    assert not any(one.outside for one in explainer.best_rejected(40))


def test_picks_of_a_run_without_a_target_are_told_without_reading_gradients(corpus, sums, options, tmp_path) -> None:
    run = spice_package.select(corpus(sums(20)), out=tmp_path / "run", **options)
    for part in (run.path / "gradients").glob("part-*"):
        part.write_bytes(b"damaged")
    assert len(Explainer(Run(run.path)).chosen()) == 5
    with pytest.raises(InputError, match="cannot be used"):
        Explainer(Run(run.path)).best_rejected(1)


def test_rows_are_called_by_number_place_or_hash(corpus: Corpus, sums, options, tmp_path) -> None:
    rows = sums(20)
    rows[9] = rows[4]
    run = spice_package.select(corpus(rows), out=tmp_path / "run", model=options["model"], method="random")
    explainer = Explainer(run)
    digest = explainer.of(3).sha256
    assert explainer.of("3") == explainer.of("train.jsonl:4") == explainer.of(digest[:8].upper()) == explainer.of(3)
    for wrong, why in [
        (20, "numbered 0 to 19"),
        (-1, "numbered 0 to 19"),
        ("train.jsonl:21", "no row is called so"),
        ("abc", "no row is called so"),
        (explainer.of(9).sha256[:6], "2 rows are called so: 4, 9"),
    ]:
        with pytest.raises(InputError, match=why):
            explainer.of(wrong)


@pytest.mark.parametrize("method", ["random", "longest", "bm25", "loss-low", "less"])
def test_what_is_known_of_a_method_without_an_objective_and_what_is_not(
    corpus: Corpus, sums, options, tmp_path, method
) -> None:
    needs, asked = METHODS[method], {"model": options["model"], "method": method, "budget": "25%"}
    if needs.requires_target:
        asked["target"] = str(corpus(sums(9, seed=5), "target.jsonl"))
    if method == "less":
        asked["sketch_dim"] = 64
    run = spice_package.select(corpus(sums(40, seed=1)), out=tmp_path / "run", **asked)
    explainer = Explainer(run)
    picked = explainer.chosen()[0]
    lost = next(one for one in map(explainer.of, range(40)) if isinstance(one, RejectedRow))
    assert f"rank 1 of {len(run.row_numbers)} by --method {method}" in picked.sentences[0]
    assert explainer.best_rejected(3) == []
    assert lost.gain is lost.place is None
    if method == "less":
        assert "The method did not go by that." in " ".join(lost.sentences)
        assert lost.share == pytest.approx(
            share_of(run.matrix, run.selection.indices, run.features.rows.tolist().index(lost.row))
        )
    else:
        assert lost.share is None
        assert "takes no gradients" in lost.sentences[-1]
    assert ("draws by the seed" in picked.sentences[0]) == needs.draws
    assert (method in picked.columns) == (method == "bm25")


def test_in_pools_a_row_is_compared_with_the_picks_of_its_own_pool(corpus: Corpus, sums, options, tmp_path) -> None:
    asked = {**options, "schedule": "pools", "pool_size": 10, "method": "spice", "conflict_weight": 0.0}
    run = spice_package.select(corpus(sums(40)), out=tmp_path / "run", **asked)
    explainer, pools = Explainer(run), np.random.default_rng(0).permutation(40).reshape(4, 10)
    for row in rejected_of(run):
        one, own = explainer.of(row), next(pool for pool in pools if row in pool)
        picks = [place for place in run.selection.indices if place in own]
        assert one.share == pytest.approx(share_of(run.matrix, picks, row))
        assert one.rivals == 10 - len(picks)
        assert "pool" in one.sentences[-1]
    best = explainer.best_rejected(4)
    assert len({one.company.pool for one in best}) == 4, "the first of each pool"


@pytest.mark.parametrize("carried", [False, True])
def test_a_moving_proxy_is_told_of_in_its_state_when_the_row_was_seen(
    corpus: Corpus, sums, options, tmp_path, carried
) -> None:
    asked = {"schedule": "interleaved", "pool_size": 10, "update_every": 1, "carry_state": carried}
    run = spice_package.select(corpus(sums(30)), out=tmp_path / "run", method="spice", **{**options, **asked})
    explainer, selection = Explainer(run), run.selection
    pools = np.split(np.random.default_rng(0).permutation(30), 3)
    for row in rejected_of(run):
        one, pool = explainer.of(row), next(number for number, pool in enumerate(pools) if row in pool)
        picks = selection.indices[(selection.pools <= pool) if carried else (selection.pools == pool)]
        assert one.company.updates == pool
        assert one.company.carried == (carried and pool > 0)
        assert one.share == pytest.approx(share_of(run.matrix, picks, row))
        assert one.gain == pytest.approx(LogDet(1.0).gains(run.matrix, picks, np.array([row]))[0])
    said = " ".join(explainer.of(int(pools[2][pools[2] != selection.indices[-1]][0])).sentences)
    assert "after the proxy had been updated 2 times" in said


def test_a_target_seen_by_a_moving_proxy_is_that_of_the_pools_state(corpus: Corpus, sums, options, tmp_path) -> None:
    asked = {
        "schedule": "interleaved",
        "pool_size": 15,
        "update_every": 1,
        "target": str(corpus(sums(9, seed=5), "t.jsonl")),
    }
    run = spice_package.select(corpus(sums(30, seed=1)), out=tmp_path / "run", **{**options, **asked})
    explainer = Explainer(run)
    notes = [json.loads(line)["spice"]["target"] for line in (run.path / "selected.jsonl").read_text().splitlines()]
    for one, note in zip(explainer.chosen(), notes, strict=True):
        meeting = explainer._meeting(one.row)
        found = explainer._weighing(meeting).closest(explainer._position(one.row))
        assert found == (note["row"], pytest.approx(note["cosine"], abs=1e-6)), "as recorded when it was picked"
    shares = [task.share for task in run.summary.judged.target]
    mean = sum(sum(one.taken.values()) for one in explainer.chosen()) / 2
    assert mean == pytest.approx(shares[0])


@pytest.mark.parametrize(
    ("gain", "base", "new"),
    [
        (1.0, 2.0, 0.5),
        (1.0 + 1e-13, 1.0, 1.0),
        (3.0, 2.0, 1.5),
        (0.1, 0.0, None),
        (-0.1, 1.0, None),
        (None, None, None),
    ],
)
def test_rounding_is_not_taken_for_telling_more_than_alone(gain, base, new) -> None:
    assert share_new(gain, base) == new


@pytest.mark.parametrize("schedule", ["pools", "interleaved"])
def test_pools_are_cut_from_what_was_left_to_choose_from(corpus: Corpus, sums, options, tmp_path, schedule) -> None:
    rows = sums(40, seed=1)
    rows[11] = rows[2]
    asked = {"schedule": schedule, "pool_size": 9, "without_suspects": ["duplicate"], "epochs": 2}
    if schedule == "pools":
        del asked["epochs"]
        asked["target"] = str(corpus([*sums(8, seed=5), rows[20]], "target.jsonl"))
    run = spice_package.select(corpus(rows), out=tmp_path / "run", **{**options, **asked})
    explainer = Explainer(run)
    assert {11, 20} - set(explainer._dropped) == ({20} if schedule == "interleaved" else set())
    recorded = [int(pool) for pool in explainer._picks["pool"]]
    assert [one.company.pool for one in explainer.chosen() if one.company] == recorded
    met = sorted(row for meeting in explainer._meetings for row in explainer._candidates.rows[meeting.members].tolist())
    assert met == sorted(set(range(40)) - set(explainer._dropped))


def test_a_row_without_a_sound_gradient_was_in_its_pool_and_is_no_candidate() -> None:
    numbers = np.arange(10)
    sound = np.delete(numbers, [3, 7])
    candidates = Candidates(rows=sound, tokens=np.ones(8, int), supervised=np.ones(8, int), sources=[""] * 8)
    settings = SelectSettings.from_flat({"schedule": "interleaved", "pool_size": 5, "budget": 4, "seed": 3})
    none = np.empty(0, np.int64)
    met = meetings_of(candidates, Passed(rows=numbers, costs=np.ones(10, int)), none, none, settings)
    cut = np.random.default_rng(3).permutation(10).reshape(2, 5)
    assert [sound[meeting.members].tolist() for meeting in met] == [sorted(set(pool) - {3, 7}) for pool in cut]
    assert [meeting.updates for meeting in met] == [0, 0]


def test_quotas_budgets_in_tokens_and_early_stops_are_named(corpus: Corpus, sums, options, tmp_path) -> None:
    path = corpus(sums(40))
    full = spice_package.select(path, out=tmp_path / "full", **options, per_source_max=0.5)
    assert any("was full: 5 of at most 5 rows" in one.sentences[0] for one in Explainer(full).best_rejected(9))
    tokens = spice_package.select(path, out=tmp_path / "tokens", **{**options, "budget": "600-tokens"})
    assert "of the budget were left" in Explainer(tokens).best_rejected(1)[0].sentences[0]
    asked = {"budget": "200-supervised-tokens", "per_source_max": 0.6}
    trained = spice_package.select(path, out=tmp_path / "trained", **{**options, **asked})
    told = " ".join(line for one in Explainer(trained).best_rejected(30) for line in one.sentences)
    assert "supervised tokens, and" in told
    assert "of at most 120 supervised tokens (--per-source-max)" in told
    early = spice_package.select(path, out=tmp_path / "early", method="spice", **{**options, "stop_ratio": 0.99})
    assert "selection had ended" in Explainer(early).best_rejected(1)[0].sentences[0]


@pytest.mark.parametrize("budget", [12, "250-supervised-tokens"])
def test_rows_of_pools_smaller_than_the_budget_are_told_apart(corpus: Corpus, sums, options, tmp_path, budget) -> None:
    asked = {"schedule": "pools", "pool_size": 8, "token_price": 0.5, "budget": budget}
    run = spice_package.select(corpus(sums(40)), out=tmp_path / "run", **{**options, **asked})
    assert len(Explainer(run).best_rejected(5)) == 5


def test_what_is_gone_is_said_and_the_rest_still_told(corpus: Corpus, sums, options, tmp_path) -> None:
    path = corpus(sums(20))
    run = spice_package.select(path, out=tmp_path / "run", **options)
    whole = Explainer(run).chosen()[0]
    path.unlink()
    without = Explainer(Run(run.path))
    assert (without.chosen()[0].text, without.chosen()[0].gain) == (whole.text, whole.gain)
    lost = without.best_rejected(1)[0]
    assert (lost.where, lost.text) == ("", "")
    assert lost.share is not None
    with pytest.raises(InputError, match="by its number alone"):
        without.of("train.jsonl:3")
    shutil.rmtree(run.path / "gradients")
    bare = Explainer(Run(run.path))
    assert bare.chosen()[0].gain == whole.gain
    assert "gradients were deleted" in bare.of(lost.row).sentences[-1]


def test_the_command_prints_sentences_or_json_and_nothing_that_steers_a_terminal(
    corpus: Corpus, sums, options, tmp_path, spice
) -> None:
    rows = sums(20)
    for row in rows:
        row["messages"][0]["content"] += " [red] \u001b]0;owned\u0007 \u009b31m \u202e"
    run = spice_package.select(corpus(rows), out=tmp_path / "run", **options)
    picked = int(run.row_numbers[0])
    code, out, err = spice("explain", run.path, picked, "train.jsonl:2", "--rejected", "2")
    assert (code, err) == (0, "")
    assert "rank 1 of 5: gain" in out
    assert "[red]" in out
    assert not {"\u001b", "\u0007", "\u009b", "\u202e"} & set(out)
    assert out.count("rejected:") >= 2
    code, out, _ = spice("explain", run.path, picked, "--rejected", "1", "--json")
    first, second = map(json.loads, out.splitlines())
    assert (first["verdict"], first["rank"], second["verdict"], second["place"]) == ("chosen", 1, "rejected", 1)
    assert first["sentences"]
    code, _, err = spice("explain", run.path, "99")
    assert code == 2
    assert "numbered 0 to 19" in err
    assert spice("explain", run.path)[0] == 2


def reasons_in(path: Path) -> Iterator[str]:
    """The reasons that a file gives to rows: the first of a `RowError`, the second of a `Drop`, also by constants."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("RowError", "Drop"):
            place = 0 if node.func.id == "RowError" else 1
            said = node.args[place] if len(node.args) > place else None
            if isinstance(said, ast.Constant):
                yield said.value
            elif isinstance(said, ast.Name) and said.id.isupper():
                way = path.relative_to(Path(spice_package.__file__).parent).with_suffix("").parts
                yield getattr(importlib.import_module(".".join(("spice_select", *way))), said.id)


def test_every_reason_has_its_meaning_and_remedy() -> None:
    root = Path(spice_package.__file__).parent
    given = {
        reason
        for room in ("data", "features", "run")
        for path in (root / room).rglob("*.py")
        for reason in reasons_in(path)
    }
    assert len(given) > 20
    assert given <= set(REASONS)
    assert all(len(reason.meaning) > 15 and reason.remedy for reason in REASONS.values())
