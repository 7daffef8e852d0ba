"""The whole procedure on a tiny proxy, against a version written straight from the definition."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import spice_select as spice
from spice_select.checks.run import check_run
from spice_select.errors import InputError
from spice_select.gradients import LoopEngine, LoraGradients
from spice_select.gradients.parameters.lora import initial_a
from spice_select.models.load import load_model, load_tokenizer
from spice_select.models.lora import LoraSpec, attach_lora
from spice_select.schedules.interleaved import moving
from spice_select.schedules.interleaved.moving import Checkpoints
from spice_select.schedules.interleaved.steps import ProxyTrainer, StepPiece
from spice_select.sketch import SparseJL
from tests.schedules.interleaved.cutting import contents, cut_anywhere

Corpus = Callable[..., Path]


def standing_still(options: dict[str, Any]) -> dict[str, Any]:
    """The same pools with a proxy that does not move, and so has no rate to move at."""
    kept = {name: value for name, value in options.items() if name not in ("update_every", "learning_rate")}
    return {**kept, "schedule": "pools"}


def oracle(folder: Path, rows: list[dict[str, Any]], proxy: Path, *, weight: float) -> list[list[int]]:
    """Row numbers picked in each pool by the definition: one row at a time, plain autograd, naive greedy, AdamW."""
    from spice_select.data.encoding import Encoder, encode_rows
    from spice_select.data.formats import detect_format
    from spice_select.data.sources import read_rows

    path = folder / "oracle.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    read = list(read_rows(str(path)))
    encoder = Encoder(load_tokenizer(str(proxy)), max_length=1024)
    examples = encode_rows(read, detect_format(read, None), encoder).examples
    model, spec = load_model(str(proxy), dtype="float32").model, LoraSpec(rank=4)
    adapted = attach_lora(model, spec, {layer.name: initial_a(layer, 4, 0) for layer in spec.layers(model)})
    adapted.eval()
    weights = [p for p in adapted.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(weights, weight_decay=0.01)
    engine = LoopEngine(LoraGradients(spec, seed=0), SparseJL(64, seed=0))
    order, picks, waiting, step = np.random.default_rng(0).permutation(len(examples)), [], [], 0
    total = -(-len(order) // 16)
    for number, start in enumerate(range(0, len(order), 8)):
        pool = [examples[i] for i in order[start : start + 8]]
        matrix = engine.features(adapted, pool).features
        picked = spice.naive(matrix, 2, objective=spice.LogDet(), penalty=spice.Conflict(weight=weight))
        picks.append([pool[i].row for i in picked])
        waiting += [pool[i] for i in picked]
        if number % 2 == 1:
            losses, count = torch.zeros(()), 0
            for example in waiting:
                ids = torch.from_numpy(example.input_ids.astype(np.int64))[None]
                logits = adapted(input_ids=ids).logits[0, :-1]
                mask = torch.from_numpy(example.supervised[1:])
                losses = losses + functional.cross_entropy(logits[mask], ids[0, 1:][mask], reduction="sum")
                count += int(mask.sum())
            (losses / count).backward()
            nn.utils.clip_grad_norm_(weights, 1.0)
            warm = 1  # ⌈3 % of the steps⌉
            rate = 0.02 * ((step + 1) / warm if step < warm else (total - step) / (total - warm))
            optimiser.param_groups[0]["lr"] = rate
            optimiser.step()
            optimiser.zero_grad()
            waiting, step = [], step + 1
    return picks


@pytest.fixture
def options(options: dict[str, Any]) -> dict[str, Any]:
    """The published rule on the schedule."""
    return {"method": "spice", **options}


@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_it_picks_what_the_definition_picks(corpus: Corpus, options, tmp_path: Path, tiny_proxy: Path, weight) -> None:
    path, options = corpus(), {**options, "dtype": "float32"}
    run = spice.select(path, out=tmp_path / "r", **options, conflict_weight=weight)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    expected = oracle(tmp_path, rows, tiny_proxy, weight=weight)
    picked = run.features.rows[run.selection.indices]
    assert [picked[run.selection.pools == pool].tolist() for pool in range(len(expected))] == expected
    still = spice.select(path, out=tmp_path / "s", **standing_still(options), conflict_weight=weight)
    assert set(still.features.rows[still.selection.indices]) != set(picked), "a proxy that does not move proves nothing"


@pytest.mark.parametrize("normalise", ["none", "unit"])
def test_a_proxy_that_hardly_moves_picks_as_one_that_stands_still(
    corpus: Corpus, options, tmp_path: Path, normalise: str
) -> None:
    """At length one all rows of a pool tie at first: both then begin with the lowest row number."""
    options = {**options, "dtype": "float32", "normalise": normalise}  # the two make up their batches otherwise
    path = corpus()
    moving_run = spice.select(path, out=tmp_path / "a", **{**options, "learning_rate": 1e-30})
    still = spice.select(path, out=tmp_path / "b", **standing_still(options))
    assert moving_run.selection.indices.tolist() == still.selection.indices.tolist()
    np.testing.assert_allclose(moving_run.features.features, still.features.features, atol=1e-5)


@pytest.mark.parametrize("extra", [{}, {"epochs": 2, "carry_state": True, "step_rows": 3, "lora_dropout": 0.1}])
def test_a_run_cut_off_anywhere_resumes_to_the_same_bits(
    corpus: Corpus, options, tmp_path: Path, monkeypatch, extra
) -> None:
    path, options = corpus(), {**options, **extra}
    whole = contents(spice.select(path, out=tmp_path / "whole", **options).path)
    place = tmp_path / "cut"
    deaths = cut_anywhere(monkeypatch, lambda: spice.select(path, out=place, **options))
    assert deaths >= 4
    assert contents(spice.select(path, out=place, **options).path) == whole


def test_the_sketch_is_checked_at_the_last_pool_s_state_though_it_buys_no_row(
    corpus: Corpus, options, tmp_path: Path
) -> None:
    rows = [{"question": f"What is {i} and {i}?", "answer": f"It is {2 * i}."} for i in range(40)]
    for row in np.random.default_rng(0).permutation(40)[32:]:
        rows[row]["answer"] *= 20
    path, options = corpus(rows), {**options, "budget": "150-tokens", "dtype": "float32", "update_every": 1}
    run = spice.select(path, out=tmp_path / "r", **options)
    assert max(run.selection.pools) == 3, "the last pool buys nothing, and those before it moved the proxy"
    found = json.loads((kept := run.path / "gradients" / "fidelity.json").read_text())
    assert found["rows"] == 8
    kept.unlink()
    (run.path / "manifest.json").unlink()
    spice.select(path, out=tmp_path / "r", **options)
    assert json.loads(kept.read_text()) == found


def test_a_damaged_checkpoint_is_not_trusted(corpus: Corpus, options, tmp_path: Path, monkeypatch) -> None:
    path = corpus()
    whole = contents(spice.select(path, out=tmp_path / "whole", **options).path)
    place = tmp_path / "cut"
    monkeypatch.setattr(moving, "KEPT", 9)
    spice.select(path, out=place, **options)
    for damage, cycle in ((b"", 3), (None, 2)):
        file = place / "proxy" / f"cycle-{cycle:05d}.safetensors"
        data = bytearray(file.read_bytes())
        data[-5] ^= 1
        file.write_bytes(data if damage is None else damage)
    (place / "manifest.json").unlink()
    max((place / "gradients").glob("part-*.parquet")).unlink()
    assert contents(spice.select(path, out=place, **options).path) == whole


def test_a_resumed_run_with_other_steps_is_refused(corpus: Corpus, options, tmp_path: Path) -> None:
    path = corpus()
    spice.select(path, out=tmp_path / "r", **options)
    with pytest.raises(InputError, match="learning_rate"):
        spice.select(path, out=tmp_path / "r", **{**options, "learning_rate": 0.01})


def test_the_adapter_left_behind_is_the_proxy_as_trained(corpus: Corpus, options, tmp_path: Path, tiny_proxy) -> None:
    from peft import PeftModel

    run = spice.select(corpus(), out=tmp_path / "r", **options)
    steps = [json.loads(line) for line in (run.path / "proxy/steps.jsonl").read_text().splitlines()]
    assert [step["step"] for step in steps] == [0, 1, 2]
    base = load_model(str(tiny_proxy), dtype="float32").model
    adapted = PeftModel.from_pretrained(base, run.path / "proxy/adapter")
    tensors, log = Checkpoints(run.path / "proxy").load(3)
    assert len(log) == 3
    for name, value in adapted.named_parameters():
        if "lora_" in name:
            assert torch.equal(value, tensors[f"parameter:{name}"])
            assert bool(value.abs().max() > 0), "B has moved"


def test_the_adapter_left_behind_names_its_layers_in_one_order(corpus: Corpus, options, tmp_path: Path) -> None:
    run = spice.select(corpus(), out=tmp_path / "r", **options)
    names = json.loads((run.path / "proxy/adapter/adapter_config.json").read_text())["target_modules"]
    assert names == sorted(names)


def test_the_adapter_left_behind_knows_its_base_from_any_folder(
    corpus: Corpus, options, tmp_path: Path, tiny_proxy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = Path(shutil.copytree(tiny_proxy, tmp_path / "here" / "base"))
    monkeypatch.chdir(tmp_path / "here")
    run = spice.select(corpus(), out=tmp_path / "r", **{**options, "model": "base"})
    monkeypatch.chdir(tmp_path)
    adapter = run.path / "proxy" / "adapter"
    judged = {"held_out": tmp_path / "train.jsonl", "out": tmp_path / "e", "device": "cpu", "dtype": "float32"}
    spice.evaluate(adapter, **judged)
    (base / "chat_template.jinja").write_text((base / "chat_template.jinja").read_text() + "\n")
    with pytest.raises(InputError, match=r"is no longer the one it was trained on; its configuration or tokenizer"):
        spice.evaluate(adapter, **judged)


@pytest.mark.parametrize("method", ["random", "top-norm", "longest", "gradmatch", "craig"])
def test_the_controls_run_on_the_same_schedule(corpus: Corpus, options, tmp_path: Path, method: str) -> None:
    run = spice.select(corpus(), out=tmp_path / "r", **{**options, "method": method})
    assert np.bincount(run.selection.pools).tolist() == [2, 2, 2, 2, 2]
    assert len(set(run.selection.indices)) == 10
    if method == "top-norm":
        order = np.random.default_rng(0).permutation(40)[:8]
        first = run.selection.indices[run.selection.pools == 0]
        assert set(first) == set(order[np.argsort(-run.features.norms[order])[:2]])


def test_pools_that_end_early_leave_the_rest_unpicked(corpus: Corpus, options, tmp_path: Path) -> None:
    run = spice.select(corpus(), out=tmp_path / "r", **{**options, "budget": "100%", "stop_ratio": 0.9})
    assert 5 <= run.summary.chosen < 40
    assert "ended early" in run.summary.stopped


def test_information_and_bound_are_sums_over_pools(corpus: Corpus, options, tmp_path: Path) -> None:
    run = spice.select(corpus(), out=tmp_path / "r", **options)
    pools, rows = run.selection.pools, run.selection.indices
    worth = sum(spice.LogDet().value(run.matrix, rows[pools == pool].tolist()) for pool in range(5))
    assert run.summary.judged.information == pytest.approx(worth, rel=1e-6)
    assert run.selection.gains.sum() == pytest.approx(worth, rel=1e-6)
    assert 0.5 < run.summary.judged.certified <= 1


@pytest.mark.parametrize("extra", [{}, {"carry_state": True, "epochs": 2}], ids=str)
def test_the_sceptics_arithmetic_holds_on_its_runs(corpus: Corpus, options, tmp_path: Path, extra) -> None:
    run = spice.select(corpus(), out=tmp_path / "r", **{**options, **extra})
    checks = {check.name: check.passed for check in check_run(run.path)}
    assert checks["gains add up"]
    assert checks["recorded numbers"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"budget": "5-tokens"}, "the shortest row has"),
        ({"per_source_max": 0.5}, "--per-source-max"),
        ({"parameters": "last-layer"}, "--parameters last-layer"),
        ({"warmup_rows": 8, "precondition": "adam", "normalise": "unit"}, "--warmup-rows.*--precondition adam"),
        ({"budget": 3}, "3 rows over 5 pools"),
        ({"carry_state": True, "method": "random"}, "--carry-state"),
        ({"carry_state": True, "objective": "target-variance"}, "--carry-state"),
        ({"lora_targets": ("nowhere",)}, "nowhere"),
    ],
)
def test_what_cannot_be_done_is_said(corpus: Corpus, options, tmp_path: Path, change, words) -> None:
    with pytest.raises(InputError, match=words):
        spice.select(corpus(), out=tmp_path / "r", **{**options, **change})


def test_a_loss_that_is_no_number_keeps_what_is_done(corpus: Corpus, options, tmp_path: Path, monkeypatch) -> None:
    path, place = corpus(), tmp_path / "r"
    real = ProxyTrainer.piece

    def sick(self, examples, supervised, number):
        piece = real(self, examples, supervised, number)
        return piece if self.steps < 1 else StepPiece(float("nan"), piece.gradient)

    monkeypatch.setattr(ProxyTrainer, "piece", sick)
    with pytest.raises(InputError, match=r"step 1 .*learning-rate"):
        spice.select(path, out=place, **options)
    assert Checkpoints(place / "proxy").newest(99) == 1
    monkeypatch.setattr(ProxyTrainer, "piece", real)
    assert contents(spice.select(path, out=place, **options).path) == contents(
        spice.select(path, out=tmp_path / "whole", **options).path
    )
