"""What is left to the data comes to a number that is told, and the choice is the one with that number given by hand."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spice_select
from spice_select.checks.run import check_run, examine_run
from spice_select.diagnosis.least_weight import GRID
from spice_select.diagnosis.saturation import half_saturation
from spice_select.errors import InputError
from spice_select.export.stage import export_run
from spice_select.run.finished import Run

from ..conftest import make_sums

Select = Callable[..., Run]
AUTO = {"alpha": "auto", "conflict_weight": "auto"}
LOG_DET = {"method": "information", "objective": "log-det"}


@pytest.fixture(scope="module")
def chosen(tiny_proxy: Path, tmp_path_factory: pytest.TempPathFactory) -> Select:
    folder = tmp_path_factory.mktemp("automatic")
    rows = folder / "train.jsonl"
    rows.write_text("".join(json.dumps(row) + "\n" for row in make_sums(40)), encoding="utf-8")

    def choose(name: str, **more: Any) -> Run:
        common = {"method": "spice", "model": str(tiny_proxy), "sketch_dim": 64, "batch_tokens": 256, "budget": "25%"}
        return spice_select.select(rows, out=folder / name, **{**common, **more})

    return choose


@pytest.fixture(scope="module")
def run(chosen: Select) -> Run:
    return chosen("auto", **AUTO)


def numbers(run: Run) -> dict[str, float]:
    return {one.name: one.value for one in run.summary.automatic}


def same_picks(left: Run, right: Run) -> None:
    np.testing.assert_array_equal(left.row_numbers, right.row_numbers)
    np.testing.assert_array_equal(left.selection.scores, right.selection.scores)


@pytest.mark.parametrize("more", [{}, {"schedule": "pools", "pool_size": 20}, {"budget": "600-tokens"}, LOG_DET])
def test_the_choice_is_that_of_the_numbers_given_by_hand(chosen: Select, more: dict[str, Any]) -> None:
    name = "-".join(map(str, more.values()))
    run = chosen(f"auto{name}", **AUTO, **more)
    same_picks(run, chosen(f"hand{name}", **numbers(run), **more))


@pytest.mark.parametrize("more", [{"schedule": "pools", "pool_size": 20}, {"budget": "600-tokens"}])
def test_alpha_goes_by_the_picks_before_the_state_starts_again(chosen: Select, more: dict[str, Any]) -> None:
    run = chosen(f"auto{'-'.join(map(str, more.values()))}", **AUTO, **more)
    lengths = run.candidates.tokens
    picks = 10 / 2 if "schedule" in more else 600 / lengths.mean()
    assert numbers(run)["alpha"] == half_saturation(run.matrix, picks).alpha


def test_the_numbers_are_told_everywhere_and_auto_stays_what_was_asked(run: Run) -> None:
    found = numbers(run)
    assert set(found) == set(AUTO)
    assert found["alpha"] == half_saturation(run.matrix, len(run.row_numbers)).alpha
    assert found["conflict_weight"] in GRID
    assert run.manifest["automatic"] == found
    assert {name: run.manifest["identity"][name] for name in AUTO} == AUTO
    assert "alpha: auto" in (run.path / "config.yaml").read_text()
    assert (run.settings.spice.scale, run.settings.spice.weight) == tuple(found.values())
    assert all(one.why.startswith(f"{one.value:.3g}") for one in run.summary.automatic)


def test_a_replay_and_a_resumed_run_are_the_same(chosen: Select, run: Run, spice: Any, tmp_path: Path) -> None:
    replayed = tmp_path / "again"
    assert spice("select", "--config", run.path / "config.yaml", "--out", replayed)[0] == 0
    for name in ("selected.jsonl", "selection.parquet"):
        assert (replayed / name).read_bytes() == (run.path / name).read_bytes()
    manifest = run.path / "manifest.json"
    manifest.unlink()
    again = chosen("auto", **AUTO)
    assert numbers(again) == numbers(Run(replayed))


def test_every_reader_of_a_run_takes_the_numbers(run: Run, spice: Any, tmp_path: Path) -> None:
    assert all(check.passed is not False for check in check_run(run.path))
    found = examine_run(run.path).sensitivity
    assert found is not None
    assert (found.alpha, found.conflict_weight) == tuple(numbers(run).values())
    assert next(one for one in found.alphas if one.alpha == found.alpha).changed == 0
    card = (export_run(run, "trl", out=tmp_path / "trl").path / "README.md").read_text()
    assert f"| alpha | `{numbers(run)['alpha']}` |" in card
    assert "auto" not in card.split("## How")[1]
    shown = spice("show", run.path)[1]
    assert "conflict weight" in shown
    assert "by rule" in " ".join(shown.split())


def test_for_a_target_and_for_another_objective_the_reason_is_told(chosen: Select, corpus: Callable[..., Path]) -> None:
    aimed = chosen("target", target=str(corpus(make_sums(8, seed=5), "target.jsonl")), **AUTO)
    assert numbers(aimed) == {"alpha": 1.0, "conflict_weight": 0.0}
    assert all("for a target" in one.why for one in aimed.summary.automatic)
    other = chosen("variance", objective="target-variance", **AUTO)
    assert numbers(other)["conflict_weight"] == 0.0
    assert numbers(other)["alpha"] > 0
    assert "target-variance" in other.summary.automatic[1].why


def test_where_the_proxy_moves_it_is_refused_with_the_way_out(chosen: Select) -> None:
    for name in AUTO:
        with pytest.raises(InputError, match=r"auto with --schedule interleaved.*--schedule pools"):
            chosen("moving", schedule="interleaved", pool_size=20, **{name: "auto"})
    with pytest.raises(InputError, match="auto with --schedule interleaved"):
        chosen("moving", schedule="interleaved", pool_size=20, carry_state=True, **AUTO)


@pytest.mark.parametrize("value", [0, -1.0, "automatic", float("nan")])
def test_other_values_are_refused(chosen: Select, value: Any) -> None:
    with pytest.raises(InputError, match="alpha"):
        chosen("bad", alpha=value)


def test_where_no_gradients_spoke_there_is_no_number() -> None:
    from spice_select.methods.spice import SpiceSettings

    with pytest.raises(InputError, match="give the number"):
        _ = SpiceSettings(alpha="auto").scale
