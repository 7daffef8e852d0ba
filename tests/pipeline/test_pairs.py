"""From a file of preference pairs to chosen pairs: what is read, what is refused by name, what the summary says."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from tests.data.cases import chat
from tests.data.pair_cases import DROPPED, FAMILIES

import spice_select as spice
from spice_select.checks.model import check_model
from spice_select.errors import InputError
from spice_select.features import stage
from spice_select.methods import METHODS
from spice_select.run.explaining import Explainer
from spice_select.run.origin import feature_store
from spice_select.run.pair_summary import SHORTER

Corpus = Callable[..., Path]


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "PART_TOKENS", 300)


@pytest.fixture
def options(tiny_proxy: Path) -> dict[str, Any]:
    return {"model": str(tiny_proxy), "sketch_dim": 64, "batch_tokens": 256, "budget": "25%"}


def made_pairs(
    count: int = 24, *, ratio: int = 2, prompts: int | None = None, swap: bool = False
) -> list[dict[str, Any]]:
    """Sums told in few words and in many; the longer one is preferred in every third pair."""
    rows = []
    for number in range(count):
        asked = number if prompts is None else number % prompts
        brief, long = f"{asked} and {number} is {asked + number}", f"Adding them gives {asked + number}. " * ratio
        sides = (long, brief) if number % 3 == 0 else (brief, long)
        chosen, rejected = sides[::-1] if swap else sides
        prompt = chat(("user", f"What is {asked} plus some?"))
        row = {"prompt": prompt, "chosen": chat(("assistant", chosen)), "rejected": chat(("assistant", rejected))}
        rows.append({**row, "source": "math" if number % 2 else "talk", "id": f"p{number}"})
    return rows


def without_gradients(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name not in ("sketch_dim", "batch_tokens")}


def test_pairs_come_out_as_they_went_in_and_the_summary_tells_of_lengths_and_labels(
    corpus: Corpus, options, tmp_path: Path
) -> None:
    rows = made_pairs(ratio=8)
    run = spice.select(corpus(rows), out=tmp_path / "r", **options)
    assert run.manifest["identity"]["format"] == "preference"
    assert run.rows == [rows[number] for number in run.row_numbers]
    asked = run.settings.spice
    assert (asked.objective, asked.conflict_weight) == ("log-det", 0.1)
    pairs = run.summary.pairs
    assert pairs is not None
    assert (pairs.pairs, pairs.prompts) == (24, 24)
    assert pairs.longer == pytest.approx(1 / 3)
    assert {group.name for group in pairs.by_source} == {"math", "talk"}
    shorter = next(group for group in pairs.by_length if group.name == SHORTER)
    assert (shorter.pairs, shorter.opposing is not None) == (16, True)
    assert sum(group.chosen for group in pairs.by_length) == run.summary.chosen == 6
    assert max(pairs.medians) > 5 * min(pairs.medians)
    assert any("only the penalty λ = 0.1 sees that" in note for note in run.summary.notes)
    assert "has not been shown here" in run.summary.headroom
    table = pq.read_table(run.path / "selection.parquet")
    assert {"logp_chosen", "logp_rejected", "chosen_tokens", "rejected_tokens", "margin_mean"} <= {*table.column_names}
    expected = spice.naive(run.matrix, 6, objective=spice.LogDet(), penalty=spice.Conflict(weight=0.1))
    assert run.selection.indices.tolist() == expected.indices.tolist()


@pytest.mark.parametrize("schedule", ["global", "pools"])
def test_chosen_answers_alone_are_no_differences_whose_sign_a_label_turns(
    corpus: Corpus, options, tmp_path: Path, schedule: str
) -> None:
    one_sided = {**options, "pair_gradient": "chosen", "schedule": schedule}
    run = spice.select(corpus(made_pairs()), out=tmp_path / "r", **one_sided)
    assert not any("changes the sign of a gradient" in note for note in run.summary.notes)


def test_labels_swapped_everywhere_change_nothing_at_all_and_half_of_them_change_the_conflicts(
    corpus: Corpus, options, tmp_path: Path
) -> None:
    plain, turned = made_pairs(), made_pairs(swap=True)
    half = [one if number % 2 else other for number, (one, other) in enumerate(zip(plain, turned, strict=True))]
    runs = [
        spice.select(corpus(rows, name=f"{name}.jsonl"), out=tmp_path / name, conflict_weight=0, **options)
        for name, rows in (("plain", plain), ("turned", turned), ("half", half))
    ]
    there = runs[0]
    for run in runs[1:]:
        assert run.row_numbers.tolist() == there.row_numbers.tolist()
    np.testing.assert_allclose(runs[1].features.features, -there.features.features, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(runs[1].selection.conflicts, there.selection.conflicts, atol=1e-5)
    assert np.abs(runs[2].selection.conflicts - there.selection.conflicts).max() > 0.01


def test_a_resumed_run_and_a_helper_have_the_very_same_parts(corpus: Corpus, options, tmp_path: Path) -> None:
    rows = [*made_pairs(), {**made_pairs(1, swap=True)[0]}]
    path = corpus(rows)
    run = spice.select(path, out=tmp_path / "r", **options)
    assert run.summary.dropped == {"contradicting-pairs": 1}
    assert run.manifest["parts"] > 3
    assert not feature_store(run.path, run.manifest["identity"]).faults(run.manifest["parts"])
    kept = spice.select(path, out=tmp_path / "kept", keep_contradictions=True, **options)
    assert kept.summary.usable == 25


@pytest.mark.parametrize("how", ["mean", "tail", "chosen"])
def test_the_weights_of_a_pair_are_part_of_a_run(corpus: Corpus, options, tmp_path: Path, how: str) -> None:
    path = corpus(made_pairs())
    sums = spice.select(path, out=tmp_path / "sum", **options)
    other = spice.select(path, out=tmp_path / how, pair_gradient=how, **options)
    assert not np.allclose(sums.features.features, other.features.features)
    assert other.manifest["identity"]["pair_gradient"] == how


def test_a_warmed_proxy_gives_every_pair_the_weight_that_dpo_does(corpus: Corpus, options, tmp_path: Path) -> None:
    path, warm = corpus(made_pairs()), {**options, "warmup_rows": 16, "lora_rank": 4}
    run = spice.select(path, out=tmp_path / "r", **warm)
    block = run.features
    assert np.abs(block["delta"]).max() > 1e-4
    np.testing.assert_allclose(block["pair_weight"], 2 / (1 + np.exp(0.1 * block["delta"])))
    weights = spice.load(run.path).summary.pairs.weights
    assert weights == (block["pair_weight"].min(), np.median(block["pair_weight"]), block["pair_weight"].max())
    units = block.features / np.linalg.norm(block.features, axis=1, keepdims=True)
    np.testing.assert_allclose(run.matrix, block["pair_weight"][:, None] * units, rtol=1e-5, atol=1e-7)
    expected = spice.naive(run.matrix, 6, objective=spice.LogDet(), penalty=spice.Conflict(weight=0.1))
    assert run.selection.indices.tolist() == expected.indices.tolist()
    other = spice.select(path, out=tmp_path / "s", pair_beta=5.0, **warm)
    assert other.manifest["identity"]["pair_beta"] == 5.0
    assert np.abs(other.features["pair_weight"] - 1).max() > np.abs(block["pair_weight"] - 1).max()
    assert not any(name in spice.select(path, out=tmp_path / "cold", **options).features.columns for name in ("delta",))


@pytest.mark.parametrize("method", [method.name for method in METHODS if not method.no_pairs])
@pytest.mark.parametrize("schedule", ["global", "pools"])
def test_every_method_that_takes_pairs_chooses_some(
    corpus: Corpus, options, tmp_path: Path, method: str, schedule: str
) -> None:
    asked = {**options, "method": method, "schedule": schedule, "budget": "100%" if method == "full" else "25%"}
    asked |= {"pool_size": 8} if schedule == "pools" else {}
    if not METHODS[method]().needs():
        asked = without_gradients(asked)
    if method.startswith("implicit"):
        with pytest.raises(InputError, match=f"--method {method} without --warm"):
            spice.select(corpus(made_pairs()), out=tmp_path / "cold", **asked)
        asked |= {"warmup_rows": 8, "lora_rank": 4}
    run = spice.select(corpus(made_pairs()), out=tmp_path / "r", **asked)
    assert run.summary.chosen == (24 if method == "full" else 6)
    assert run.summary.pairs is not None


@pytest.mark.parametrize("method", [method.name for method in METHODS if method.no_pairs])
def test_the_others_are_refused_by_name_with_the_reason(corpus: Corpus, tiny_proxy: Path, method: str) -> None:
    target = {"target": str(corpus(name="t.jsonl"))} if METHODS[method].requires_target else {}
    schedule = {"schedule": "interleaved"} if METHODS[method].in_loop else {}
    with pytest.raises(InputError) as refused:
        spice.select(corpus(made_pairs(), name="p.jsonl"), model=str(tiny_proxy), method=method, **target, **schedule)
    assert f"--method {method} on preference pairs: {METHODS[method].no_pairs}" in str(refused.value)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"warm": True, "warm_checkpoints": 2}, "--warm-checkpoints 2 on preference pairs"),
        ({"warm": True, "precondition": "adam"}, "--precondition adam on preference pairs.* Give --precondition diag"),
        ({"pair_beta": 0.2}, "--pair-beta 0.2: where the proxy is its own reference"),
        ({"loss": "sum"}, "--loss sum on preference pairs"),
        ({"without_suspects": ()}, "--without-suspects on preference pairs: none goes by itself"),
        ({"without_suspects": ("mismatched", "cut")}, "--without-suspects mismatched: it goes by one answer"),
        ({"max_per_prompt": 1, "per_source_max": 0.5}, "--max-per-prompt 1 with shares of sources"),
        ({"max_per_prompt": 1, "budget": "500-tokens"}, "--max-per-prompt 1 with a budget in tokens"),
        ({"max_per_prompt": 1, "schedule": "pools"}, "--max-per-prompt 1: not read by"),
        ({"pair_tail": 0.2}, "only --pair-gradient tail reads it"),
        ({"format": "kto"}, r"none of the 24 rows can be used \(no-mark 24\)"),
    ],
)
def test_what_pairs_cannot_honour_is_refused_by_name(corpus: Corpus, tiny_proxy: Path, asked, words: str) -> None:
    with pytest.raises(InputError, match=words):
        spice.select(corpus(made_pairs()), model=str(tiny_proxy), **asked)


FAULTY: dict[str, tuple[str, dict[str, Any]]] = {
    "identical-answers": ("same answer", {"prompt": "q", "chosen": "a", "rejected": "a"}),
    "empty-rejected": ("'rejected' is empty", {"prompt": "q", "chosen": "a", "rejected": ""}),
    "prompt-ends-with-answer": ("nothing asks for another", DROPPED["an answer before"][1]),
    "answer-has-user-turn": ("holds a user turn", DROPPED["an explicit answer with a question"][1]),
    "too-long": ("past the 60 tokens", {"prompt": "words " * 80, "chosen": "a", "rejected": "b"}),
    "tie": ("neither answer is the better one", DROPPED["equal scores"][1]),
}


@pytest.mark.parametrize("reason", FAULTY)
def test_a_file_of_nothing_but_faulty_pairs_is_refused_with_its_line_and_one_of_them_is_left_out_by_name(
    corpus: Corpus, options, tmp_path: Path, spice: Callable[..., tuple[int, str, str]], reason: str
) -> None:
    words, raw = FAULTY[reason]
    asked = ("--model", options["model"], "--max-length", 60)
    code, _, said = spice("select", corpus([raw, raw], name="bad.jsonl"), *asked)
    said = " ".join(said.split())
    assert code == 2, said
    assert f"none of the 2 rows can be used ({reason} 2)" in said
    assert "bad.jsonl:1: " in said
    assert words in said
    good = [{"prompt": f"What is {n}?", "chosen": f"{n} it is", "rejected": "no"} for n in range(4)]
    path = corpus([*good, {**raw, "prompt": raw["prompt"]}], name="one.jsonl")
    if isinstance(raw["prompt"], str):
        code, _, _ = spice("select", path, *asked, "--method", "random", "--budget", 2, "--out", tmp_path / "r")
        (left,) = map(json.loads, (tmp_path / "r" / "dropped.jsonl").read_text().splitlines())
        assert (code, left["row"], left["reason"]) == (0, 4, reason)


def test_pairs_of_two_kinds_and_marks_of_one_kind_end_with_2(
    corpus: Corpus, options, spice: Callable[..., tuple[int, str, str]]
) -> None:
    mixed = corpus([FAMILIES["explicit, strings"], FAMILIES["implicit"]], name="mixed.jsonl")
    marked = corpus([{"prompt": "q", "completion": str(n), "label": True} for n in range(3)], name="kto.jsonl")
    pairs = corpus(made_pairs(), name="pairs.jsonl")
    for path, more, words in (
        (mixed, (), ("mixed.jsonl:1", "mixed.jsonl:2")),
        (marked, (), ("kto.jsonl:1 to", "kto.jsonl:3: all 3 marks")),
        (pairs, ("--objective", "matched-step"), ("--objective matched-step without --target",)),
        (pairs, ("--method", "ifd"), ("--method ifd on preference pairs: it goes by the loss of single answers",)),
    ):
        code, _, said = spice("select", path, "--model", options["model"], *more)
        assert code == 2, said
        assert all(word in " ".join(said.split()) for word in words), said


@pytest.mark.parametrize(
    "asked",
    [
        {"pair_gradient": "mean"},
        {"max_per_prompt": 2},
        {"keep_contradictions": True},
        {"method": "margin-low"},
        {"without_suspects": ["alike-answers"]},
    ],
)
def test_what_only_pairs_read_is_refused_for_answers(corpus: Corpus, tiny_proxy: Path, asked) -> None:
    with pytest.raises(InputError, match=r"only preference pairs .*read it.* these rows are messages"):
        spice.select(corpus(), model=str(tiny_proxy), **asked)


@pytest.mark.parametrize("method", ["information", "random", "top-norm"])
def test_no_prompt_gives_more_pairs_than_it_may(corpus: Corpus, options, tmp_path: Path, method: str) -> None:
    path = corpus(made_pairs(prompts=8))
    asked = {**(options if METHODS[method]().needs() else without_gradients(options)), "method": method}
    run = spice.select(path, out=tmp_path / "r", max_per_prompt=1, **asked)
    assert run.summary.pairs is not None
    assert run.summary.chosen == run.summary.pairs.chosen_prompts == 6
    if method == "information":
        left = next(
            number for number in range(24) if number not in run.row_numbers and number % 8 in run.row_numbers % 8
        )
        assert any("Its prompt was full: 1 of at most 1 pairs" in one for one in Explainer(run).of(left).closed)
    with pytest.raises(InputError, match=r"--max-per-prompt 1: 8 prompts give 8 pairs at most, and the budget is 12"):
        spice.select(path, out=tmp_path / "s", max_per_prompt=1, **{**asked, "budget": "50%"})


def test_chosen_answers_alone_may_still_be_asked_for(corpus: Corpus, options, tmp_path: Path) -> None:
    run = spice.select(corpus(made_pairs()), out=tmp_path / "r", format="chosen", **options)
    assert run.summary.pairs is None
    assert run.settings.spice.objective == "distinct-variance"


def test_suspects_of_pairs_are_listed_and_left_out_where_they_are_named(
    corpus: Corpus, options, tmp_path: Path, spice: Callable[..., tuple[int, str, str]]
) -> None:
    import spice_select

    rows = made_pairs()
    asked = {"model": options["model"], "method": "random", "budget": "100%"}
    turned = {**rows[2], "chosen": rows[2]["rejected"], "rejected": rows[2]["chosen"]}
    alike = {**rows[4], "chosen": chat(("assistant", "Eight.")), "rejected": chat(("assistant", "eight."))}
    path = corpus([*rows, rows[5], turned, alike])
    run = spice_select.select(path, out=tmp_path / "r", **asked)
    found = run.suspects
    assert [suspect.row for suspect in found.of("duplicate")] == [24]
    assert [suspect.row for suspect in found.of("alike-answers")] == [26]
    assert not found.of("contradiction"), "the choice dropped it, so it could not be chosen"
    assert not found.unavailable
    kept = spice_select.select(path, out=tmp_path / "kept", keep_contradictions=True, **asked)
    assert [(suspect.row, suspect.partners) for suspect in kept.suspects.of("contradiction")] == [
        (2, (25,)),
        (25, (2,)),
    ]
    code, said, _ = spice("suspects", run.path)
    assert code == 0
    assert "alike-answers row 26: its answers differ in case" in " ".join(said.split())
    code, _, said = spice("suspects", run.path, "--unprompted")
    assert code == 2
    assert "--unprompted: it goes by the loss of one answer" in " ".join(said.split())
    left = spice_select.select(path, out=tmp_path / "left", without_suspects=["duplicate", "alike-answers"], **asked)
    assert left.summary.dropped == {"contradicting-pairs": 1, "suspect-duplicate": 1, "suspect-alike-answers": 1}


def test_a_run_of_pairs_is_shown_and_checked(
    corpus: Corpus, options, tmp_path: Path, spice: Callable[..., tuple[int, str, str]]
) -> None:
    import spice_select

    run = spice_select.select(corpus(made_pairs()), out=tmp_path / "r", **options)
    code, said, _ = spice("show", run.path)
    assert code == 0
    assert "pairs that oppose all others" in said
    code, said, error = spice("check", "run", run.path)
    assert code == 0, error


def test_pairs_are_compared_between_models(corpus: Corpus, options, tmp_path: Path) -> None:
    run = spice.select(corpus(made_pairs(40)), out=tmp_path / "r", **options)
    itself = spice.transfer(run.path, model=options["model"])
    assert (itself.overlap, itself.picks) == (itself.picks, run.summary.chosen)
    assert itself.losses == itself.norms == 1
    assert any("their margins are compared" in note for note in itself.notes)


def test_the_check_of_a_model_takes_pairs(corpus: Corpus, options) -> None:
    settings = spice.SelectSettings.from_flat(options)
    report = check_model(settings, corpus=str(corpus(made_pairs())))
    assert [check.name for check in report.checks if check.passed is False] == []


def test_preview_shows_both_sides(corpus: Corpus, options, spice: Callable[..., tuple[int, str, str]]) -> None:
    code, said, _ = spice("preview", corpus(made_pairs()), "--model", options["model"], "--rows", 2)
    assert code == 0
    assert "⟦Adding them gives 0." in said
    assert "⟪0 and 0 is 0<|im_end|>⟫" in said
    first = json.loads(corpus(made_pairs()).read_text().splitlines()[1])
    assert f"⟦{first['chosen'][0]['content']}<|im_end|>⟧" in said


def test_a_run_of_pairs_is_explained_and_reported(
    corpus: Corpus, options, tmp_path: Path, spice: Callable[..., tuple[int, str, str]]
) -> None:
    import spice_select

    run = spice_select.select(corpus(made_pairs()), out=tmp_path / "r", **options)
    code, said, error = spice("explain", run.path, int(run.row_numbers[0]))
    assert code == 0, error
    assert "What is" in said
    code, _, error = spice("report", run.path)
    assert code == 0, error
    page = next(run.path.glob("*.html")).read_text(encoding="utf-8")
    assert "chosen assistant: " in page
    assert "rejected assistant: " in page
