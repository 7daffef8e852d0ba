"""A budget in tokens holds with every method on every schedule, and what rows cost may count in other ways too."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spice_select as spice
from spice_select.checks.run import check_run, examine_run
from spice_select.diagnosis.certificates import certificate
from spice_select.features import stage
from spice_select.methods import METHODS
from spice_select.methods.base import GRADIENTS
from spice_select.run.settings import SelectSettings
from spice_select.schedules import SCHEDULES
from spice_select.schedules.interleaved.moving import Checkpoints

Corpus = Callable[..., Path]
BUDGET = 1500
BUDGETED = [  # `full` has no part of anything
    method.name for method in METHODS if method.name != "full" and not method.only_pairs
]
MOVING = {"update_every": 2, "learning_rate": 0.02, "lora_rank": 4}


class Killed(BaseException):
    """Stands for a process that ends here."""


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "PART_TOKENS", 300)


def asked(proxy: Path, method: str, schedule: str, **more: Any) -> dict[str, Any]:
    """The options of a small run."""
    options = {"model": str(proxy), "method": method, "schedule": schedule, "budget": f"{BUDGET}-tokens"}
    if schedule != "global":
        options["pool_size"] = 8
    if schedule == "interleaved":
        options |= MOVING
    if METHODS[method].requires_target:
        options["target"] = str(_target(proxy.parent))
    if schedule == "interleaved" or GRADIENTS in METHODS[method].of(SelectSettings.from_flat(options).flat()).needs():
        options["sketch_dim"] = 32
    return {**options, **more}


def _target(folder: Path) -> Path:
    """Ten rows that are in no corpus here."""
    rows = [{"question": f"What is {n} times {n + 1}?", "answer": f"It is {n * (n + 1)}."} for n in range(3, 13)]
    path = folder / "products.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def _skip_what_is_refused(method: str, schedule: str) -> None:
    if METHODS[method].in_loop:
        if schedule != "interleaved":
            pytest.skip(f"{method} lives on the proxy's training")
        return
    needs = METHODS[method].of(SelectSettings.from_flat({"target": "t", "method": method}).flat()).needs()
    if schedule == "interleaved" and set(needs) - {GRADIENTS}:
        pytest.skip(f"{method} needs {', '.join(needs)}, which no moving proxy knows")


def spent(run: spice.Run) -> int:
    return run.summary.chosen_tokens


@pytest.mark.parametrize("method", BUDGETED)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_method_keeps_a_budget_in_tokens_on_every_schedule(
    corpus: Corpus, tiny_proxy: Path, tmp_path: Path, method: str, schedule: str
) -> None:
    _skip_what_is_refused(method, schedule)
    run = spice.select(corpus(), out=tmp_path / "r", **asked(tiny_proxy, method, schedule))
    longest = run.summary.tokens // 13  # three times the mean: no row is longer
    assert 0 < spent(run) <= BUDGET < spent(run) + longest
    assert len(set(run.row_numbers.tolist())) == run.summary.chosen
    if schedule != "global":
        left = BUDGET - spent(run)
        assert run.summary.stopped == (
            f"{spent(run):,} of the budget of {BUDGET:,} tokens are used in 5 pools; {left:,} are left."
        )
    judged = run.summary.judged
    assert (judged is None) == (GRADIENTS not in _needs(run) and schedule != "interleaved")
    if judged is not None:
        assert "tokens" in judged.certified_for
        assert 0 < judged.certified <= 1


def _needs(run: spice.Run) -> tuple[str, ...]:
    settings = run.settings
    return METHODS[settings.selection.method].of(settings.flat()).needs()


def test_what_a_pool_leaves_is_the_next_ones(corpus: Corpus, tiny_proxy: Path, tmp_path: Path) -> None:
    """Written out: pool j may spend ⌊B·(tokens up to j)/T⌋ − ⌊B·(tokens before j)/T⌋ and what was left before it."""
    run = spice.select(corpus(), out=tmp_path / "r", **asked(tiny_proxy, "spice", "pools", token_price=1.0))
    tokens, order = run.features.tokens, np.random.default_rng(0).permutation(40)
    left = met = 0
    for pool in range(5):
        window = order[8 * pool : 8 * pool + 8]
        share = BUDGET * (met + tokens[window].sum()) // tokens.sum() - BUDGET * met // tokens.sum()
        met, left = met + tokens[window].sum(), left + share
        picks = spice.naive(
            run.matrix[window], costs=tokens[window], max_cost=int(left), per_cost=1.0, penalty=spice.Conflict(0.1)
        )
        assert run.selection.indices[run.selection.pools == pool].tolist() == window[picks.indices].tolist()
        left -= tokens[window[picks.indices]].sum()
    assert left == BUDGET - spent(run)


def test_what_a_stopping_rule_leaves_is_not_passed_on(corpus: Corpus, tiny_proxy: Path, tmp_path: Path) -> None:
    options = asked(tiny_proxy, "spice", "pools", stop_ratio=0.95, normalise="none")
    run = spice.select(corpus(), out=tmp_path / "r", **options)
    assert "of them ended early, in the first: After" in run.summary.stopped
    assert spent(run) < BUDGET / 2


@pytest.mark.parametrize(
    "extra", [{}, {"carry_state": True, "epochs": 2, "step_rows": 2}, {"token_price": 0.5}], ids=str
)
def test_an_interleaved_run_that_is_killed_ends_bit_identical(
    corpus: Corpus, tiny_proxy: Path, tmp_path: Path, monkeypatch, extra: dict[str, Any]
) -> None:
    path, options = corpus(), asked(tiny_proxy, "spice", "interleaved", **extra)
    whole = spice.select(path, out=tmp_path / "whole", **options)
    real, saved = Checkpoints.save, [0]
    for death in (1, 2):

        def dying(self, *arguments, death=death) -> None:
            real(self, *arguments)
            saved[0] += 1
            if saved[0] == death:
                raise Killed

        saved[0] = 0
        monkeypatch.setattr(Checkpoints, "save", dying)
        with pytest.raises(Killed):
            spice.select(path, out=tmp_path / "cut", **options)
    monkeypatch.setattr(Checkpoints, "save", real)
    cut = spice.select(path, out=tmp_path / "cut", **options)
    for name in ("selected.jsonl", "selection.parquet", "proxy/steps.jsonl", "proxy/adapter/adapter_model.safetensors"):
        assert (cut.path / name).read_bytes() == (whole.path / name).read_bytes(), name
    assert {check.name: check.passed for check in check_run(cut.path)}["gains add up"]


def test_an_interleaved_certificate_compares_pool_by_pool_with_as_many_tokens(
    corpus: Corpus, tiny_proxy: Path, tmp_path: Path
) -> None:
    run = spice.select(corpus(), out=tmp_path / "r", **asked(tiny_proxy, "random", "interleaved", seed=3))
    tokens, order, bound = run.features.tokens, np.random.default_rng(3).permutation(40), 0.0
    for pool in range(5):
        window = np.sort(order[8 * pool : 8 * pool + 8])
        picks = run.selection.indices[run.selection.pools == pool]
        if len(picks):
            held = spice.naive(run.matrix[window], len(picks), initial=np.searchsorted(window, picks))
            limit = float(tokens[picks].sum())
            bound += certificate(run.matrix[window], held, spice.LogDet(), costs=tokens[window], max_cost=limit).bound
    judged = run.summary.judged
    assert judged.certified_for == f"{spent(run):,} tokens, as many of every pool"
    assert judged.certified == pytest.approx(judged.information / bound, rel=1e-6)


@pytest.mark.parametrize("method", BUDGETED)
def test_sources_get_their_shares_of_the_tokens(corpus: Corpus, tiny_proxy: Path, tmp_path: Path, method: str) -> None:
    _skip_what_is_refused(method, "global")
    options = asked(tiny_proxy, method, "global", per_source_min=0.4, per_source_max=0.5)
    run = spice.select(corpus(), out=tmp_path / "r", **options)
    rows = {row["id"]: row["source"] for row in run.rows}
    assert set(rows.values()) == {"math", "talk"}
    by_source = _tokens_by_source(run)
    longest = run.summary.tokens // 20
    for tokens in by_source.values():
        assert 0.4 * BUDGET - longest < tokens <= math.ceil(0.5 * BUDGET)
    assert sum(by_source.values()) == spent(run) <= BUDGET


def _tokens_by_source(run: spice.Run) -> dict[str, int]:
    """Counted anew, with the encoder alone."""
    from spice_select.data.encoding import Encoder, encode_rows
    from spice_select.data.formats import detect_format
    from spice_select.data.sources import read_rows
    from spice_select.models.load import load_tokenizer

    rows = list(read_rows(str(run.path.parent / "train.jsonl")))
    encoder = Encoder(load_tokenizer(run.settings.proxy.model), max_length=1024)
    examples = {e.row: e for e in encode_rows(rows, detect_format(rows, None), encoder).examples}
    totals: dict[str, int] = {}
    for row in run.row_numbers.tolist():
        totals[examples[row].source] = totals.get(examples[row].source, 0) + examples[row].num_tokens
    return totals


def test_shares_of_tokens_that_no_row_fits_into_are_refused_with_what_would_do(
    corpus: Corpus, tiny_proxy: Path, tmp_path: Path
) -> None:
    options = {"model": str(tiny_proxy), "method": "random", "per_source_max": 0.5}
    with pytest.raises(spice.InputError, match=r"50 tokens: every row is longer .* Raise --budget or --per-source-max"):
        spice.select(corpus(), out=tmp_path / "r", budget="50-tokens", **options)


@pytest.mark.parametrize("schedule", ["global", "pools"])
@pytest.mark.parametrize("price", [0.0, 0.5, 1.0])
def test_a_priced_run_of_so_many_rows_holds_up_to_the_checks(
    corpus: Corpus, tiny_proxy: Path, tmp_path: Path, schedule: str, price: float
) -> None:
    path, options = corpus(), asked(tiny_proxy, "spice", schedule, token_price=price, budget=10, dtype="float32")
    run = spice.select(path, out=tmp_path / "r", **options)
    assert run.summary.chosen == 10
    found = examine_run(run.path)
    assert {check.name: check.passed for check in found.checks}["gains add up"]
    assert found.sensitivity is not None
    plain = spice.select(path, out=tmp_path / "p", **{**options, "token_price": None})
    if price == 0:
        assert run.row_numbers.tolist() == plain.row_numbers.tolist()
    else:
        assert run.summary.chosen_tokens < plain.summary.chosen_tokens
