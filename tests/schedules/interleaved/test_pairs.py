"""Pairs on a proxy that moves: it takes DPO's steps on what was picked, and pairs weigh what DPO gives them there."""

import copy
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import spice_select as spice
from spice_select.checks.run import check_run
from spice_select.data.encoding import Encoder, encode_rows
from spice_select.data.formats import PREFERENCE
from spice_select.data.sources import read_rows
from spice_select.errors import InputError
from spice_select.gradients import LoopEngine, LoraGradients
from spice_select.gradients.parameters.lora import initial_a
from spice_select.models.load import load_model, load_tokenizer
from spice_select.models.lora import LoraSpec, attach_lora
from spice_select.sketch import SparseJL
from tests.gradients.pair_cases import dpo_loss, log_probability
from tests.pipeline.test_pairs import made_pairs
from tests.schedules.interleaved.cutting import contents, cut_anywhere

Corpus = Callable[..., Path]
BETA = 0.1


def oracle(path: Path, proxy: Path, *, weight: float) -> list[list[int]]:
    """Row numbers picked in each pool by the definition: one pair at a time, a frozen copy for a reference, AdamW."""
    encoder = Encoder(load_tokenizer(str(proxy)), max_length=1024)
    examples = encode_rows(list(read_rows(str(path))), PREFERENCE, encoder).examples
    model, spec = load_model(str(proxy), dtype="float32").model, LoraSpec(rank=4)
    reference = copy.deepcopy(model).eval()
    adapted = attach_lora(model, spec, {layer.name: initial_a(layer, 4, 0) for layer in spec.layers(model)}).eval()
    weights = [p for p in adapted.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(weights, weight_decay=0.01)
    engine = LoopEngine(LoraGradients(spec, seed=0), SparseJL(64, seed=0))
    order, picks, waiting, step = np.random.default_rng(0).permutation(len(examples)), [], [], 0
    total = -(-len(order) // 16)
    for number, start in enumerate(range(0, len(order), 8)):
        pool = [examples[i] for i in order[start : start + 8]]
        scales = []
        for pair in pool:
            with torch.no_grad():
                there, here = ([log_probability(m, side) for side in pair.sequences] for m in (reference, adapted))
            delta = float((here[0] - there[0]) - (here[1] - there[1]))
            scales.append(2 / (1 + np.exp(BETA * delta)))
        matrix = np.array(scales)[:, None] * engine.features(adapted, pool).features
        picked = spice.naive(matrix, 2, objective=spice.LogDet(), penalty=spice.Conflict(weight=weight))
        picks.append([pool[i].row for i in picked])
        waiting += [pool[i] for i in picked]
        if number % 2 == 1:
            losses = [dpo_loss(adapted, reference, pair, BETA) for pair in waiting]
            (sum(losses) / len(waiting)).backward()
            nn.utils.clip_grad_norm_(weights, 1.0)
            rate = 0.02 * (1 if step < 1 else (total - step) / (total - 1))
            optimiser.param_groups[0]["lr"] = rate
            optimiser.step()
            optimiser.zero_grad()
            waiting, step = [], step + 1
    return picks


def test_it_picks_what_the_definition_picks(corpus: Corpus, options, tmp_path: Path, tiny_proxy: Path) -> None:
    path, options = corpus(made_pairs(48)), {**options, "dtype": "float32", "conflict_weight": 0.1}
    run = spice.select(path, out=tmp_path / "r", **options)
    expected = oracle(path, tiny_proxy, weight=0.1)
    picked = run.features.rows[run.selection.indices]
    assert [picked[run.selection.pools == pool].tolist() for pool in range(len(expected))] == expected
    block = run.features
    assert np.abs(block["delta"]).max() > 0.1, "a proxy that does not move proves nothing"
    np.testing.assert_allclose(block["pair_weight"], 2 / (1 + np.exp(BETA * block["delta"])))
    np.testing.assert_allclose(run.matrix, block["pair_weight"][:, None] * block.features, rtol=1e-6)
    steps = [json.loads(line) for line in (run.path / "proxy" / "steps.jsonl").read_text().splitlines()]
    assert steps[0]["loss"] == pytest.approx(np.log(2), abs=1e-5)
    assert [check for check in check_run(run.path) if check.passed is False] == []


def test_a_run_cut_off_anywhere_resumes_to_the_same_bits(corpus: Corpus, options, tmp_path: Path, monkeypatch) -> None:
    path = corpus(made_pairs(32))
    options = {**options, "step_rows": 3}
    whole = contents(spice.select(path, out=tmp_path / "whole", **options).path)
    place = tmp_path / "cut"
    assert cut_anywhere(monkeypatch, lambda: spice.select(path, out=place, **options)) >= 4
    assert contents(spice.select(path, out=place, **options).path) == whole


def test_dropout_is_refused(corpus: Corpus, options) -> None:
    with pytest.raises(InputError, match=r"--lora-dropout 0.1 on preference pairs"):
        spice.select(corpus(made_pairs()), **options, lora_dropout=0.1)
