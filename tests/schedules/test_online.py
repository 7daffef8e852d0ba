"""Selection inside someone else's Trainer: the right rows, at the weights of the moment, no trace left in training."""

import runpy
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import IterableDataset
from torch import nn

from spice_select.data.encoding import Encoder, encode_rows
from spice_select.data.formats import detect_format
from spice_select.data.records import Example, PairExample, Row
from spice_select.errors import InputError
from spice_select.gradients import BatchGradients, Engine, HookEngine, LoopEngine
from spice_select.methods import METHODS
from spice_select.methods.less import Less
from spice_select.methods.random import Random
from spice_select.methods.spice import Spice
from spice_select.methods.top_norm import TopNorm
from spice_select.schedules.online.selector import OnlineSelector, PoolRecord
from spice_select.selection import Conflict, GainRatio, naive
from spice_select.sketch import SparseJL
from spice_select.testing.tokenizers import tiny_tokenizer
from tests.conftest import make_sums

pytest.importorskip("trl", reason="TRL is not installed: pip install trl")

SKETCH = SparseJL(48)


@pytest.fixture(scope="module")
def examples() -> list[Example]:
    rows = [Row(number, raw, "") for number, raw in enumerate(make_sums(60))]
    return encode_rows(rows, detect_format(rows), Encoder(tiny_tokenizer(), max_length=256)).examples


class Watched:
    """An engine that remembers what it was asked, and the trainable weights of that moment."""

    def __init__(self) -> None:
        self.inner = HookEngine(sketch=SKETCH)
        self.weights: list[torch.Tensor] = []
        self.rows: list[int] = []

    def features(self, model: nn.Module, examples: Sequence[Example]) -> BatchGradients:
        moment = [p.detach().flatten() for p in model.parameters() if p.requires_grad]
        self.weights.append(torch.cat(moment).clone())
        self.rows += [example.row for example in examples]
        return self.inner.features(model, examples)


def model_of(proxy: Path, adapter: bool, dropout: float = 0.0) -> Any:
    """The tiny proxy, with a LoRA put in or as it is."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(proxy)
    if not adapter:
        return model
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return get_peft_model(
            model, LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM", lora_dropout=dropout)
        )


def trainer_of(
    kind: str, model: Any, folder: Path, dataset: Any, callbacks: Sequence[Any] = (), **settings: Any
) -> Any:
    """A user's own trainer: transformers' or TRL's, as the documentation has them."""
    from transformers import DataCollatorForSeq2Seq, Trainer, TrainingArguments
    from trl import SFTConfig, SFTTrainer

    tokenizer = tiny_tokenizer()
    common = {
        "output_dir": str(folder),
        "per_device_train_batch_size": 2,
        "gradient_accumulation_steps": 2,
        "learning_rate": 1e-2,
        "use_cpu": True,
        "report_to": "none",
        "save_strategy": "no",
        "disable_tqdm": True,
        "logging_strategy": "no",
        **settings,
    }
    if kind == "trl":
        args = SFTConfig(
            **{"bf16": False, "gradient_checkpointing": False, **common}, dataset_kwargs={"skip_prepare_dataset": True}
        )
        return SFTTrainer(
            model, args=args, train_dataset=dataset, callbacks=list(callbacks), processing_class=tokenizer
        )
    collator = DataCollatorForSeq2Seq(tokenizer)
    return Trainer(
        model,
        args=TrainingArguments(**common),
        train_dataset=dataset,
        callbacks=list(callbacks),
        data_collator=collator,
    )


def overheard(trainer: Any) -> list[tuple[list[int], list[int]]]:
    """Tokens and labels of every row that reaches the collator, as they come."""
    heard: list[tuple[list[int], list[int]]] = []
    collate = trainer.data_collator

    def listen(rows: list[dict[str, Any]]) -> Any:
        heard.extend((list(row["input_ids"]), list(row["labels"])) for row in rows)
        return collate(rows)

    trainer.data_collator = listen
    return heard


def tokens(example: Example) -> tuple[list[int], list[int]]:
    ids = example.input_ids.tolist()
    return ids, [token if on else -100 for token, on in zip(ids, example.supervised, strict=True)]


def selector_of(examples: list[Example], **settings: Any) -> OnlineSelector:
    """Four pools of 15, four picks each: one pool is one optimiser step of 2 × 2 rows."""
    return OnlineSelector(
        examples, **{"picks": 16, "pool_size": 15, "seed": 3, "engine": HookEngine(sketch=SKETCH), **settings}
    )


def flat(model: nn.Module) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


@pytest.mark.parametrize("kind", ["transformers", "trl"])
@pytest.mark.parametrize("adapter", [True, False])
def test_the_trainer_gets_the_picks_of_each_pool_and_nothing_else(
    kind: str, adapter: bool, examples: list[Example], tiny_proxy: Path, tmp_path: Path
) -> None:
    selector = selector_of(examples, epochs=2)
    steps = selector.steps(batch_size=2, accumulation=2)
    assert steps == 8
    trainer = trainer_of(
        kind, model_of(tiny_proxy, adapter), tmp_path, selector.dataset, [selector.callback()], max_steps=steps
    )
    heard = overheard(trainer)
    trainer.train()
    picks = [pick for record in selector.records for pick in record.picks]
    assert heard == [tokens(examples[pick]) for pick in picks]
    assert len(picks) == 32
    pools = [set(pool.positions.tolist()) for pool in selector.plan.pools]
    assert all(set(record.picks) <= pools[record.pool] for record in selector.records)
    assert trainer.state.global_step == steps


@pytest.mark.parametrize(
    ("adapter", "normalise", "engine"),
    [
        (True, "none", HookEngine(sketch=SKETCH)),
        (False, "none", HookEngine(sketch=SKETCH)),
        (True, "unit", HookEngine(sketch=SKETCH)),
    ],
)
def test_picks_are_those_of_the_oracle_at_the_same_weights(
    adapter: bool, normalise: str, engine: Engine, examples: list[Example], tiny_proxy: Path, tmp_path: Path
) -> None:
    method = Spice(weight=0.2)
    selector = selector_of(examples, method=method, normalise=normalise, batch_tokens=200, engine=engine)
    model = model_of(tiny_proxy, adapter)
    trainer = trainer_of(  # at a learning rate of nothing the weights stay
        "transformers", model, tmp_path, selector.dataset, [selector.callback()], max_steps=4, learning_rate=0.0
    )
    trainer.train()
    oracle = LoopEngine(sketch=SKETCH)
    for record, pool in zip(selector.records, selector.plan.pools, strict=True):
        gradients = oracle.features(model_of(tiny_proxy, adapter), [examples[i] for i in pool.positions])
        matrix = gradients.features
        if normalise == "unit":
            matrix = matrix.astype(np.float64)
            matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
        chosen = naive(matrix, pool.share, penalty=Conflict(weight=0.2))
        assert record.picks == tuple(pool.positions[chosen.indices].tolist())


@pytest.mark.parametrize("kind", ["transformers", "trl"])
def test_a_pool_is_picked_at_the_weights_of_one_step_before(
    kind: str, examples: list[Example], tiny_proxy: Path, tmp_path: Path
) -> None:
    engine = Watched()
    selector = selector_of(examples, engine=engine, batch_tokens=10**6)
    after: list[torch.Tensor] = []

    from transformers import TrainerCallback

    class Steps(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, *, model: Any, **kwargs: Any) -> None:
            after.append(torch.cat([p.detach().flatten() for p in model.parameters() if p.requires_grad]))

    model = model_of(tiny_proxy, True)
    start = torch.cat([p.detach().flatten() for p in model.parameters() if p.requires_grad])
    trainer_of(kind, model, tmp_path, selector.dataset, [selector.callback(), Steps()], max_steps=4).train()
    assert [record.step for record in selector.records] == [0, 0, 1, 2]  # accelerate reads one batch ahead
    moments = [start, *after]
    for record, seen in zip(selector.records, engine.weights, strict=True):
        assert torch.equal(seen, moments[record.step])
    assert not torch.equal(engine.weights[2], engine.weights[1])


@pytest.mark.parametrize("kind", ["transformers", "trl"])
@pytest.mark.parametrize("checkpointing", [False, True])
def test_selection_leaves_no_trace_in_training(
    kind: str, checkpointing: bool, examples: list[Example], tiny_proxy: Path, tmp_path: Path
) -> None:
    common: dict[str, Any] = {"max_steps": 4, "gradient_checkpointing": checkpointing, "max_grad_norm": 0.5}
    selector = selector_of(examples)
    selecting = model_of(tiny_proxy, True, dropout=0.2)
    trainer_of(kind, selecting, tmp_path, selector.dataset, [selector.callback()], **common).train()
    picks = [pick for record in selector.records for pick in record.picks]

    def same_rows() -> Iterator[dict[str, list[int]]]:
        for pick in picks:
            ids, labels = tokens(examples[pick])
            yield {"input_ids": ids, "labels": labels}

    plain = model_of(tiny_proxy, True, dropout=0.2)
    trainer_of(kind, plain, tmp_path, IterableDataset.from_generator(same_rows), **common).train()
    assert torch.equal(flat(selecting), flat(plain))
    assert not torch.equal(flat(plain), flat(model_of(tiny_proxy, True)))
    assert [p.requires_grad for p in selecting.parameters()] == [p.requires_grad for p in plain.parameters()]
    assert selecting.training == plain.training


@pytest.mark.parametrize("kind", ["transformers", "trl"])
def test_a_resumed_training_meets_the_rows_it_would_have_met(
    kind: str, examples: list[Example], tiny_proxy: Path, tmp_path: Path
) -> None:
    saving = {"max_steps": 4, "save_strategy": "steps", "save_steps": 2}
    selector = selector_of(examples)
    whole = model_of(tiny_proxy, True, dropout=0.2)
    trainer_of(kind, whole, tmp_path, selector.dataset, [selector.callback()], **saving).train()

    engine = Watched()
    again = selector_of(examples, engine=engine)
    resumed = model_of(tiny_proxy, True, dropout=0.2)
    trainer = trainer_of(kind, resumed, tmp_path, again.dataset, [again.callback()], **saving)
    trainer.train(resume_from_checkpoint=str(tmp_path / "checkpoint-2"))
    assert [record.picks for record in again.records] == [record.picks for record in selector.records]
    assert [record.step for record in again.records] == [-1, -1, -1, 2]  # the third pool was read ahead
    assert set(engine.rows) == {examples[i].row for i in again.plan.pools[3].positions}  # nothing else computed again
    assert torch.equal(flat(resumed), flat(whole))


def test_training_ends_with_the_pools_when_a_method_stops_early(
    examples: list[Example], tiny_proxy: Path, tmp_path: Path
) -> None:
    selector = selector_of(examples, method=Spice(stop=(GainRatio(0.99),)))
    trainer = trainer_of(
        "transformers", model_of(tiny_proxy, False), tmp_path, selector.dataset, [selector.callback()], max_steps=1000
    )
    trainer.train()
    picked = sum(len(record.picks) for record in selector.records)
    assert picked < 16
    assert len(selector.records) == 4
    assert trainer.state.global_step == -(-picked // 2) // 2


def test_controls_pick_on_the_same_pools(examples: list[Example], tiny_proxy: Path, tmp_path: Path) -> None:
    found: dict[str, list[PoolRecord]] = {}
    for name, method in (("spice", None), ("random", Random()), ("norm", TopNorm())):
        selector = selector_of(examples, method=method)
        model = model_of(tiny_proxy, False)
        trainer_of("transformers", model, tmp_path, selector.dataset, [selector.callback()], max_steps=4).train()
        found[name] = selector.records
    assert len({tuple(record.picks for record in records) for records in found.values()}) == 3
    assert {len(record.picks) for records in found.values() for record in records} == {4}


def test_a_selector_can_serve_another_training(examples: list[Example], tiny_proxy: Path, tmp_path: Path) -> None:
    selector = selector_of(examples)
    for _ in range(2):
        model = model_of(tiny_proxy, True)
        trainer_of("trl", model, tmp_path, selector.dataset, [selector.callback()], max_steps=4).train()
        assert len(selector.records) == 4
        assert all(record.step >= 0 for record in selector.records)


def no_callback(selector: OnlineSelector, model: Any, folder: Path) -> None:
    trainer_of("transformers", model, folder, selector.dataset, max_steps=4).train()


def workers(selector: OnlineSelector, model: Any, folder: Path) -> None:
    callbacks = [selector.callback()]
    trainer_of(
        "transformers", model, folder, selector.dataset, callbacks, max_steps=4, dataloader_num_workers=1
    ).train()


def skipping(selector: OnlineSelector, model: Any, folder: Path) -> None:
    saving: dict[str, Any] = {"max_steps": 4, "save_strategy": "steps", "save_steps": 2}
    trainer_of("transformers", model, folder, selector.dataset, [selector.callback()], **saving).train()
    trainer = trainer_of(
        "transformers", model, folder, selector.dataset, [selector.callback()], ignore_data_skip=True, **saving
    )
    trainer.train(resume_from_checkpoint=str(folder / "checkpoint-2"))


def rebuilt(selector: OnlineSelector, model: Any, folder: Path) -> None:
    saving: dict[str, Any] = {"max_steps": 4, "save_strategy": "steps", "save_steps": 2}
    trainer_of("transformers", model, folder, selector.dataset, [selector.callback()], **saving).train()
    restoring = {"restore_callback_states_from_checkpoint": True, **saving}
    trainer = trainer_of("transformers", model, folder, selector.dataset, [selector.callback()], **restoring)
    trainer.train(resume_from_checkpoint=str(folder / "checkpoint-2"))


def other_pools(selector: OnlineSelector, model: Any, folder: Path) -> None:
    _resumed(selector, selector_of(selector.examples, seed=4), model, folder)


def other_examples(selector: OnlineSelector, model: Any, folder: Path) -> None:
    _resumed(selector, selector_of(selector.examples[::-1]), model, folder)


def no_selector_before(selector: OnlineSelector, model: Any, folder: Path) -> None:
    _resumed(None, selector, model, folder)


def _resumed(before: OnlineSelector | None, after: OnlineSelector, model: Any, folder: Path) -> None:
    saving: dict[str, Any] = {"max_steps": 4, "save_strategy": "steps", "save_steps": 2}
    plain = [{"input_ids": e.input_ids.tolist(), "labels": e.input_ids.tolist()} for e in after.examples]
    callbacks = [] if before is None else [before.callback()]
    trainer_of("transformers", model, folder, plain if before is None else before.dataset, callbacks, **saving).train()
    trainer = trainer_of("transformers", model, folder, after.dataset, [after.callback()], **saving)
    trainer.train(resume_from_checkpoint=str(folder / "checkpoint-2"))


@pytest.mark.parametrize(
    ("misuse", "words"),
    [
        (other_pools, "step 2 was made with other examples, pools or another method"),
        (other_examples, "step 2 was made with other examples, pools or another method"),
        (no_selector_before, "step 2 was made without an online selector"),
        (no_callback, r"selector\.callback\(\)"),
        (workers, "dataloader_num_workers=1"),
        (skipping, "ignore_data_skip"),
        (rebuilt, "restore_callback_states_from_checkpoint"),
    ],
)
def test_a_trainer_that_would_train_on_other_rows_is_stopped(
    misuse: Callable[[OnlineSelector, Any, Path], None],
    words: str,
    examples: list[Example],
    tiny_proxy: Path,
    tmp_path: Path,
) -> None:
    with pytest.raises(InputError, match=words):
        misuse(selector_of(examples), model_of(tiny_proxy, False), tmp_path)


def test_bad_sizes_are_named(examples: list[Example]) -> None:
    with pytest.raises(InputError, match="picks=61 of 60"):
        selector_of(examples, picks=61)
    with pytest.raises(InputError, match="some pools would yield no row"):
        selector_of(examples, picks=3)
    with pytest.raises(InputError, match="method less: it chooses for a target, and online selection has none"):
        selector_of(examples, method=Less())
    with pytest.raises(InputError, match="less than one step"):
        selector_of(examples).steps(batch_size=2, accumulation=9)
    with pytest.raises(InputError, match="pool_size=0: give 1 or more"):
        selector_of(examples, pool_size=0)
    with pytest.raises(InputError, match="normalise='Unit': give 'none' or 'unit'"):
        selector_of(examples, normalise="Unit")
    with pytest.raises(InputError, match="method loss-low: it needs losses, and online selection takes gradients"):
        selector_of(examples, method=METHODS["loss-low"]())


def test_rows_that_are_no_answers_to_learn_are_refused(examples: list[Example]) -> None:
    for mark in (True, False):
        last = examples[-1]
        marked = Example(59, last.input_ids, last.supervised, source="", content_hash="", label=mark)
        with pytest.raises(InputError, match=rf"row 59 is an answer marked {'good' if mark else 'bad'}"):
            selector_of([*examples[:-1], marked])
    pair = PairExample(7, examples[0], examples[1], shared=0, prompt="", answers=("a", "b"))
    with pytest.raises(InputError, match="row 7 is a preference pair"):
        selector_of([*examples[:-1], pair])


def test_the_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    script = Path(__file__).parents[2] / "examples" / "online_sft.py"
    arguments = ["--out", str(tmp_path / "o"), "--picks", "8", "--pool-size", "150", "--sketch-dim", "64"]
    monkeypatch.setattr(sys, "argv", [str(script), *arguments])
    runpy.run_path(str(script), run_name="__main__")
    assert "8 trained on" in capsys.readouterr().out
    assert (tmp_path / "o" / "adapter_model.safetensors").is_file()
