"""What cannot be met is said together, before the first file; no setting is ignored in silence."""

from collections.abc import Callable
from pathlib import Path

import pytest

import spice_select as spice
from spice_select.errors import InputError
from spice_select.methods import METHODS
from spice_select.run.feasible import refuse_settings
from spice_select.run.settings import SelectSettings
from spice_select.schedules import SCHEDULES


def fault(**settings: object) -> str:
    """What is said against settings."""
    with pytest.raises(InputError) as caught:
        refuse_settings(SelectSettings.from_flat(settings))
    return str(caught.value)


@pytest.mark.parametrize("method", METHODS.names)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_defaults_of_every_method_and_schedule_pass(method: str, schedule: str) -> None:
    asked: dict[str, object] = {"method": method, "schedule": schedule}
    if method == "full":
        assert "--method full with --budget 10%: it takes all rows" in fault(**asked)
        asked["budget"] = "100%"
    if METHODS[method].requires_target:
        assert f"--method {method} without --target" in fault(**asked)
        asked["target"] = "target.jsonl"
    if method.startswith("implicit") and schedule != "interleaved":
        assert f"--method {method} without --warm" in fault(**asked)
        asked["warm"] = True
    chooser = METHODS[method].of(SelectSettings().flat())
    more = schedule == "interleaved" and set(chooser.needs()) - {"gradients"}
    if (schedule != "interleaved") if chooser.in_loop else more:
        assert f"--schedule {schedule} with --method" in fault(**asked)
    else:
        refuse_settings(SelectSettings.from_flat(asked))


@pytest.mark.parametrize(
    "settings",
    [
        {"agreeing": 1.0},
        {"agreeing": 0.3, "target": "t.jsonl"},
        {"agreeing": 1.0, "target": "t.jsonl", "objective": "matched-step"},
        {"agreeing": 0.3, "target": "t.jsonl", "method": "source-shares", "per_source_max": 0.5},
    ],
)
def test_a_share_that_agrees_with_the_target_passes_where_it_is_kept(settings: dict[str, object]) -> None:
    refuse_settings(SelectSettings.from_flat(settings))


def test_the_schedules_are_those_that_can_be_asked_for() -> None:
    from typing import get_args

    from spice_select.run.settings import SelectionSettings

    assert set(get_args(SelectionSettings.model_fields["schedule"].annotation)) == set(SCHEDULES)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"method": "random", "conflict_weight": 0.5}, ["--conflict-weight 0.5", "--method random", "spice"]),
        (
            {"method": "random", "alpha": 2.0},
            ["--alpha 2.0", "spice, top-norm", "craig, less, less-rr, less-paper and greats read it"],
        ),
        ({"method": "random", "sketch_dim": 64}, ["--sketch-dim 64", "gradients"]),
        ({"method": "loss-low", "sketch_dim": 64}, ["--sketch-dim 64", "not read by --method loss-low"]),
        ({"method": "ifd", "lora_rank": 4}, ["--lora-rank 4", "not read by --method ifd"]),
        ({"method": "loss-high", "schedule": "interleaved"}, ["loss-high", "losses", "--schedule global or pools"]),
        ({"method": "longest", "objective": "target-variance"}, ["--objective target-variance"]),
        ({"method": "top-norm", "stop_ratio": 0.5}, ["--stop-ratio 0.5", "spice"]),
        ({"agreeing": 0.3}, ["--agreeing 0.3 without --target"]),
        ({"method": "spice", "agreeing": 0.3}, ["--agreeing 0.3 without --target"]),
        ({"method": "source-shares", "agreeing": 0.3}, ["--agreeing 0.3 without --target"]),
        ({"agreeing": 0.3, "target": "t.jsonl", "objective": "matched-step"}, ["--agreeing 0.3 with --objective"]),
        ({"agreeing": 0.3, "target": "t.jsonl", "objective": "log-det"}, ["--agreeing 0.3 with --objective log-det"]),
        ({"agreeing": 0.3, "target": "t.jsonl", "per_source_max": 0.5}, ["--agreeing 0.3 with --per-source-max"]),
        ({"pool_size": 60}, ["--pool-size 60", "--schedule pools and interleaved"]),
        ({"update_every": 3}, ["--update-every 3", "--schedule interleaved reads it"]),
        ({"carry_state": True, "schedule": "pools"}, ["--carry-state", "--schedule interleaved"]),
        ({"carry_state": True, "schedule": "interleaved", "method": "random"}, ["--carry-state", "spice"]),
        ({"per_source_max": 0.5, "schedule": "pools"}, ["--per-source-max 0.5", "whole choice"]),
        ({"per_source_min": 0.1, "schedule": "pools", "budget": "2k-tokens"}, ["--per-source-min 0.1", "whole choice"]),
        ({"method": "random", "token_price": 0.5}, ["--token-price 0.5", "--method information and spice read it"]),
        ({"method": "random", "row_weight": "tokens"}, ["--row-weight tokens", "compare gradients"]),
        ({"row_weight": "tokens", "normalise": "none", "loss": "sum"}, ["--loss sum", "count twice"]),
        ({"schedule": "interleaved", "warmup_rows": 8}, ["--warmup-rows", "trains the LoRA itself"]),
    ],
)
def test_what_is_not_read_or_cannot_be_honoured_is_refused(settings, words) -> None:
    said = fault(**settings)
    assert all(word in said for word in words), said


def test_features_of_forward_passes_read_what_warms_the_proxy_up() -> None:
    for settings in ({"adapter": "x"}, {"batch_tokens": 64}, {"warmup_rows": 8, "lora_rank": 4}):
        refuse_settings(SelectSettings.from_flat({"method": "ifd", **settings}))


def test_all_faults_are_said_at_once() -> None:
    said = fault(method="random", conflict_weight=0.5, sketch_dim=64, update_every=3, budget="2k-tokens", pool_size=9)
    for flag in ("--conflict-weight", "--sketch-dim", "--update-every", "--pool-size"):
        assert flag in said


def test_a_refusal_leaves_no_folder(corpus: Callable[..., Path], tiny_proxy: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="some pools would yield no row"):
        spice.select(corpus(), model=str(tiny_proxy), out=tmp_path / "r", schedule="interleaved", budget=2, pool_size=8)
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize("method", ["random", "longest"])
@pytest.mark.parametrize("schedule", ["global", "pools"])
def test_a_method_that_needs_nothing_loads_no_model(
    corpus: Callable[..., Path], tiny_proxy: Path, tmp_path: Path, monkeypatch, method: str, schedule: str
) -> None:
    monkeypatch.setattr("spice_select.features.proxy.load_model", lambda *a, **k: pytest.fail("the model was loaded"))
    options = {"model": str(tiny_proxy), "budget": 9, "method": method, "schedule": schedule}
    run = spice.select(corpus(), out=tmp_path / "r", **options)
    rows = [record["spice"]["row"] for record in run.dataset]
    assert run.row_numbers.tolist() == rows
    assert len(set(rows)) == 9
    assert run.summary.judged is None
    assert set(run.dataset[0]["spice"]) == {"rank", "row", "sha256"}
    assert not list((run.path / "gradients").glob("*.parquet")) if (run.path / "gradients").exists() else True
    with pytest.raises(InputError, match=f"--method {method}, which takes no gradients"):
        _ = run.features
    again = spice.select(corpus(), out=tmp_path / "again", **options)
    assert again.row_numbers.tolist() == rows


def test_random_is_the_same_draw_with_and_without_gradients_beside_it(
    corpus: Callable[..., Path], tiny_proxy: Path, tmp_path: Path
) -> None:
    """In pools the draw of pool j is that of the stream (seed, j), whatever else the schedule does."""
    options = {"model": str(tiny_proxy), "budget": 10, "method": "random", "pool_size": 8}
    still = spice.select(corpus(), out=tmp_path / "a", schedule="pools", **options)
    assert len(still.row_numbers) == 10
    shares = spice.select(
        corpus(), out=tmp_path / "b", model=str(tiny_proxy), budget=10, method="random", per_source_max=0.5
    )
    assert {mix.source: mix.chosen_rows for mix in shares.summary.mix} == {"math": 5, "talk": 5}
