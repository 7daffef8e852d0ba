"""Losses and IFD from a corpus to the picks: parts shared, columns written, doubts told."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from spice_select.pipeline import run_select
from spice_select.run.settings import SelectSettings


def settings(model: Path, method: str, **others: object) -> SelectSettings:
    return SelectSettings.from_flat({"model": str(model), "method": method, "budget": 6, **others})


def test_a_choice_by_loss_takes_the_losses_of_a_run_beside_it(corpus, tiny_proxy, tmp_path, monkeypatch) -> None:
    low = run_select(str(corpus()), settings(tiny_proxy, "loss-low", budget=20), out=tmp_path / "low")
    monkeypatch.setattr("spice_select.features.proxy.load_model", lambda *a, **k: pytest.fail("a model was loaded"))
    high = run_select(str(corpus()), settings(tiny_proxy, "loss-high", budget=20), out=tmp_path / "high")
    tables = [pq.read_table(run.path / "selection.parquet") for run in (low, high)]
    lowest, highest = (table["loss"].to_numpy() for table in tables)
    assert (np.diff(lowest) >= 0).all()
    assert (np.diff(highest) <= 0).all()
    assert lowest[-1] <= highest[-1]
    assert low.summary.judged is None


@pytest.mark.parametrize("schedule", ["global", "pools"])
def test_ifd_runs_on_two_features_and_tells_of_prompts_that_do_not_help(
    corpus, tiny_proxy, tmp_path, schedule: str
) -> None:
    asked = settings(tiny_proxy, "ifd", schedule=schedule, **({"pool_size": 20} if schedule == "pools" else {}))
    run = run_select(str(corpus()), asked, out=tmp_path / "run")
    table = pq.read_table(run.path / "selection.parquet")
    assert len(table) == 6
    assert np.isfinite(table["ifd"].to_numpy()).all()
    assert any("IFD is 1 or more" in note for note in run.summary.notes), "random weights learn nothing from a prompt"
    for name in ("losses", "unprompted-losses"):
        assert list((run.path / name).glob("part-*.parquet"))


def test_a_warmed_up_proxy_is_what_the_losses_are_of(corpus, tiny_proxy, tmp_path) -> None:
    plain = run_select(str(corpus()), settings(tiny_proxy, "loss-low"), out=tmp_path / "plain")
    asked = settings(tiny_proxy, "loss-low", warmup_rows=32, lora_rank=4)
    warm = run_select(str(corpus()), asked, out=tmp_path / "warm")
    assert (warm.path / "losses" / "warm.safetensors").is_file()
    before, after = (pq.read_table(run.path / "selection.parquet")["loss"].to_numpy() for run in (plain, warm))
    assert after.mean() < before.mean()
