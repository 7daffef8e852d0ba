"""`train` on chosen pairs: the tokens that selection looked at, DPO as it is defined, and what does not fit refused."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

import spice_select
from spice_select.data.encoding import Encoder
from spice_select.data.records import PairExample
from spice_select.errors import InputError
from spice_select.models.load import load_model
from spice_select.run.finished import Run
from spice_select.testing.tokenizers import CHATML_WITH_TOOLS, tiny_tokenizer
from spice_select.training import TrainSettings
from spice_select.training.dpo import DpoLoss, dpo_config, make_dpo_trainer
from spice_select.training.rows import encode_arm, read_arm
from tests.data.cases import chat
from tests.pipeline.test_pairs import made_pairs
from tests.training.runs import finished_run, turns
from tests.training.trained import InterruptedRunError, Notes, StopsAfter, weights

pytest.importorskip("trl", reason="TRL is not installed: pip install trl")

QUICK: dict[str, Any] = {"batch_size": 2, "accumulation": 2, "learning_rate": 1e-3, "epochs": 2, "device": "cpu"}
CALL = {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "add", "arguments": {"a": 1}}}]}
RESULT = {"role": "tool", "content": "3"}
ROWS = [
    {
        "prompt": turns("2+2?"),
        "chosen": chat(("assistant", "Four.")),
        "rejected": chat(("assistant", "Five, I think.")),
    },
    {"prompt": turns("a", "b", "c"), "chosen": chat(("assistant", "d " * 30)), "rejected": chat(("assistant", "e"))},
    {
        "prompt": turns("1+2?"),
        "chosen": [CALL, RESULT, *chat(("assistant", "3"))],
        "rejected": chat(("assistant", "9")),
    },
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, tiny_proxy: Path) -> Run:
    folder = tmp_path_factory.mktemp("dpo")
    corpus = folder / "pairs.jsonl"
    corpus.write_text("".join(json.dumps(row) + "\n" for row in made_pairs()), encoding="utf-8")
    return spice_select.select(
        corpus, out=folder / "run", model=str(tiny_proxy), budget=8, sketch_dim=32, device="cpu", batch_tokens=256
    )


def trainer_of(run: Run, proxy: Path, folder: Path, loss: DpoLoss, *, max_length: int = 999) -> Any:
    settings = TrainSettings.from_flat({**QUICK, "batch_size": 3, "accumulation": 1}).settled(pairs=True)
    loaded = load_model(str(proxy), device="cpu", dtype="float32")
    tokenizer = tiny_tokenizer(CHATML_WITH_TOOLS)
    rows = read_arm(run, "selected", seed=0, allow_network=False).rows
    examples = encode_arm(run, rows, Encoder(tokenizer, max_length=max_length), Notes(), "x").examples
    pairs = [one for one in examples if isinstance(one, PairExample)]
    config = dpo_config(settings, loss, steps=2, folder=folder, dtype="float32", device="cpu")
    return make_dpo_trainer(loaded.model, tokenizer, pairs, settings, config), pairs


@pytest.mark.parametrize("max_length", [999, 30])
def test_the_tokens_trl_delivers_are_those_of_the_selection(tmp_path: Path, tiny_proxy: Path, max_length: int) -> None:
    chosen = finished_run(tmp_path / "r", ROWS, "preference")
    trainer, pairs = trainer_of(chosen, tiny_proxy, tmp_path / "o", DpoLoss(loss_type="sigmoid"), max_length=max_length)
    (batch,) = list(trainer.get_train_dataloader())
    found = []
    for ids, mask, present in zip(batch["input_ids"], batch["completion_mask"], batch["attention_mask"], strict=True):
        there = present.bool()
        assert not mask[~there].any()
        found.append((ids[there].tolist(), mask[there].bool().tolist()))
    both = list(zip(found[: len(pairs)], found[len(pairs) :], strict=True))
    wanted = [tuple((s.input_ids.tolist(), s.supervised.tolist()) for s in one.sequences) for one in pairs]
    assert sorted(both) == sorted(wanted)


def log_probs(model: Any, example: Any) -> torch.Tensor:
    """Of each supervised token, from whole logits of one row: the definition."""
    ids = torch.tensor(example.input_ids, dtype=torch.int64)[None]
    with torch.no_grad():
        logits = model(input_ids=ids).logits[0, :-1].double()
    every = torch.log_softmax(logits, -1).gather(1, ids[0, 1:, None])[:, 0]
    return every[torch.from_numpy(example.supervised)[1:]]


@pytest.mark.parametrize(
    "loss",
    [
        DpoLoss(loss_type="sigmoid", beta=0.3),
        DpoLoss(loss_type="sigmoid_norm", beta=2.0),
        DpoLoss(loss_type="sigmoid", beta=0.3, ld_alpha=0.2),
    ],
    ids=lambda loss: f"{loss.loss_type}-{loss.ld_alpha}",
)
def test_the_loss_is_dpo_as_it_is_defined_with_the_untuned_model_as_reference(
    tmp_path: Path, tiny_proxy: Path, loss: DpoLoss
) -> None:
    chosen = finished_run(tmp_path / "r", ROWS, "preference")
    trainer, pairs = trainer_of(chosen, tiny_proxy, tmp_path / "o", loss)
    torch.manual_seed(0)
    for name, parameter in trainer.model.named_parameters():
        if "lora_B" in name:
            parameter.data.normal_(std=0.3)
    (batch,) = list(trainer.get_train_dataloader())
    trainer.model.eval()
    with torch.no_grad():
        found = float(trainer.compute_loss(trainer.model, batch))
    reference = load_model(str(tiny_proxy), device="cpu", dtype="float32").model.eval()
    due = []
    for pair in pairs:
        margins = []
        for side, other in (pair.sequences, pair.sequences[::-1]):
            gain = log_probs(trainer.model, side) - log_probs(reference, side)
            if loss.ld_alpha is not None:
                gain[other.num_supervised :] *= loss.ld_alpha
            margins.append(float(gain.mean() if loss.loss_type == "sigmoid_norm" else gain.sum()))
        due.append(math.log1p(math.exp(-loss.beta * (margins[0] - margins[1]))))
    assert found == pytest.approx(sum(due) / len(due), rel=1e-4)
    assert found != pytest.approx(math.log(2), rel=1e-2)


def test_training_on_pairs_prefers_what_was_chosen_and_says_what_it_minimised(run: Run, tmp_path: Path) -> None:
    progress = Notes()
    done = spice_select.train(run, out=tmp_path / "t", progress=progress, **{**QUICK, "epochs": 8})
    lines = [json.loads(line) for line in (done.path / "loss.jsonl").read_text().splitlines()]
    assert lines[0]["loss"] == pytest.approx(math.log(2), abs=1e-4)
    assert lines[-1]["loss"] < lines[0]["loss"]
    assert lines[-1]["margin"] > lines[0]["margin"] == pytest.approx(0, abs=1e-3)
    assert lines[-1]["accuracy"] > 0.5
    identity = done.manifest["identity"]
    asked = ("loss", "loss_type", "beta", "ld_alpha", "learning_rate", "lora_dropout", "rows", "format")
    assert [identity[name] for name in asked] == ["dpo", "sigmoid", 0.1, None, 1e-3, 0.0, 8, "preference"]
    assert done.tokens > 0
    assert any("DPO (sigmoid, beta 0.1)" in note for note in progress.said)


def test_an_interrupted_training_on_pairs_ends_bit_for_bit_as_an_uninterrupted_one(run: Run, tmp_path: Path) -> None:
    asked = {**QUICK, "checkpoint_steps": 1, "on": "random", "loss": "dpo"}
    whole = spice_select.train(run, out=tmp_path / "w", **asked)
    with pytest.raises(InterruptedRunError):
        spice_select.train(run, out=tmp_path / "t", progress=StopsAfter(2), **asked)
    done = spice_select.train(run, out=tmp_path / "t", **asked)
    assert (done.losses, done.tokens) == (whole.losses, whole.tokens)
    assert all(torch.equal(tensor, weights(done.model)[name]) for name, tensor in weights(whole.model).items())


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"loss": "sft"}, "--loss sft on preference pairs"),
        ({"full": True}, "--full on preference pairs"),
        ({"lora_dropout": 0.1}, r"--lora-dropout 0\.1 on preference pairs"),
        ({"loss_type": "exo"}, "loss_type"),
        ({"beta": 0}, "beta"),
    ],
)
def test_what_does_not_fit_pairs_is_refused_by_name(run: Run, asked: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        spice_select.train(run, **asked)


@pytest.mark.parametrize(
    ("asked", "words"),
    [({"loss": "dpo"}, "--loss dpo: only"), ({"beta": 0.2}, "--beta 0.2"), ({"loss_type": "ipo"}, "--loss-type ipo")],
)
def test_what_only_pairs_read_is_refused_for_answers(tmp_path: Path, asked: dict[str, Any], words: str) -> None:
    answers = finished_run(tmp_path / "r", [{"messages": turns("a", "b")}], "messages")
    with pytest.raises(InputError, match=words):
        spice_select.train(answers, **asked)


@pytest.mark.parametrize(
    ("identity", "due"),
    [
        ({}, DpoLoss(loss_type="sigmoid")),
        ({"pair_gradient": "mean"}, DpoLoss(loss_type="sigmoid_norm")),
        ({"pair_gradient": "tail", "pair_tail": 0.2}, DpoLoss(loss_type="sigmoid", ld_alpha=0.2)),
    ],
)
def test_the_loss_is_that_of_the_gradients(identity: dict[str, Any], due: DpoLoss) -> None:
    class Chosen:
        @property
        def manifest(self) -> dict[str, Any]:
            return {"identity": identity}

    assert DpoLoss.of(Chosen(), TrainSettings()) == due  # type: ignore[arg-type]
    asked = TrainSettings(loss_type="hinge", beta=0.5)
    assert DpoLoss.of(Chosen(), asked) == DpoLoss(loss_type="hinge", beta=0.5)  # type: ignore[arg-type]
