"""`train`: the very tokens that selection looked at, the steps that were promised, a model that others can load."""

import json
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import spice_select
from spice_select.data.encoding import Encoder
from spice_select.errors import InputError
from spice_select.gradients import HookEngine, LastLayer, TokenSum
from spice_select.models.layers import linear_layers
from spice_select.models.load import load_model
from spice_select.run.finished import Run
from spice_select.sketch import Identity
from spice_select.testing.tokenizers import tiny_tokenizer
from spice_select.training import TrainSettings, load_trained
from spice_select.training import stage as sft
from spice_select.training.rows import encode_arm, read_arm
from spice_select.training.steps import plan_steps, steps_per_epoch
from tests.rounding import Reach
from tests.training.runs import encoded, finished_run, turns
from tests.training.trained import QUICK, STEPS, Notes, small_run, weights

pytest.importorskip("trl", reason="TRL is not installed: pip install trl")

CONVERSATIONS = [
    {"messages": turns("What is 1 + 2?", "It is 3.", "And 2 + 2?", "That is 4: 2 + 2 = 4.", system="Count well.")},
    {"messages": turns("Good morning. ", " bonjour, 早上好")},
    {"messages": turns("One question", "one answer " * 30, "and a last one")},
    {"messages": turns("Hi", "\nHello ")},
    {"messages": turns("The longest of them all " * 4, "so that padding is needed")},
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, tiny_proxy: Path) -> Run:
    return small_run(tmp_path_factory.mktemp("sft"), tiny_proxy)


def trainer_of(run: Run, model: Path, folder: Path, *, dtype: str = "float32", **settings: Any) -> Any:
    """The trainer that `train` would start."""
    from spice_select.training.trainer import make_trainer, trainer_config

    asked = TrainSettings.from_flat({**STEPS, "lora_dropout": 0.0, **settings})
    loaded = load_model(str(model), device="cpu", dtype=dtype)
    encoder = Encoder(loaded.tokenizer, max_length=asked.max_length or run.settings.data.max_length)
    examples = encode_arm(
        run, read_arm(run, asked.on, seed=0, allow_network=False).rows, encoder, Notes(), "x"
    ).examples
    config = trainer_config(asked, steps=3, folder=folder, dtype=dtype, device="cpu")
    return make_trainer(loaded.model, loaded.tokenizer, examples, asked, config), examples


@pytest.mark.parametrize("max_length", [None, 40])
def test_the_tokens_trl_delivers_are_those_of_the_selection(
    tmp_path: Path, tiny_proxy: Path, max_length: int | None
) -> None:
    chosen = finished_run(tmp_path / "r", CONVERSATIONS, "messages")
    trainer, _ = trainer_of(chosen, tiny_proxy, tmp_path / "o", max_length=max_length)
    delivered = []
    for batch in trainer.get_train_dataloader():
        for ids, labels, present in zip(batch["input_ids"], batch["labels"], batch["attention_mask"], strict=True):
            there = present.bool()
            assert (labels[~there] == -100).all()  # nothing is trained on in the padding
            mask = labels[there] != -100
            assert torch.equal(labels[there][mask], ids[there][mask])
            delivered.append((ids[there].tolist(), mask.tolist()))
    wanted = encoded(CONVERSATIONS, "messages", tiny_tokenizer())
    wanted = [(ids[:max_length], mask[:max_length]) for ids, mask in wanted]
    assert sorted(delivered) == sorted(pair for pair in wanted if any(pair[1]))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_step_minimises_the_mean_over_its_supervised_tokens(tmp_path: Path, tiny_proxy: Path, dtype: str) -> None:
    """Held to the float64 loss of the same weights, and to what rounding in this precision may add to it."""
    chosen = finished_run(tmp_path / "r", CONVERSATIONS, "messages")
    sizes = {"batch_size": 2, "accumulation": 3, "max_steps": 1}
    trainer, examples = trainer_of(chosen, tiny_proxy, tmp_path / "o", dtype=dtype, **sizes)
    plain = load_model(str(tiny_proxy), device="cpu", dtype=dtype).model
    reach = Reach(plain, HookEngine(LastLayer(), Identity(), TokenSum()), examples)
    losses: list[torch.dtype] = []
    trainer.model.register_forward_hook(lambda module, args, output: losses.append(output.loss.dtype))
    trainer.args.max_steps = 1
    trainer.train()
    count = sum(example.num_supervised for example in examples)
    logged = trainer.state.log_history[0]["loss"]
    assert set(losses) == {torch.float32}
    assert abs(logged - reach.exact.losses.sum() / count) < reach.losses.sum() / count


@pytest.mark.parametrize("pairs", [False, True])
def test_one_gpu_is_trained_on_where_several_are_in_sight(
    pairs: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TRL refuses the `nn.DataParallel` that transformers would put around the model."""
    from spice_select.training.dpo import DpoLoss, dpo_config
    from spice_select.training.trainer import trainer_config

    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    settings = TrainSettings.from_flat(QUICK).settled(pairs=pairs)
    place: dict[str, Any] = {"steps": 3, "folder": tmp_path, "dtype": "float32", "device": "cuda"}
    loss = DpoLoss(loss_type="sigmoid")
    config = dpo_config(settings, loss, **place) if pairs else trainer_config(settings, **place)
    assert config.n_gpu == 1
    assert config.train_batch_size == settings.batch_size


def test_in_half_precision_the_adapter_and_its_moments_are_float32(tmp_path: Path, tiny_proxy: Path) -> None:
    """A step of 2e-4 on weights of a tenth is less than half a unit in bfloat16's last place: it would be lost."""
    chosen = finished_run(tmp_path / "r", CONVERSATIONS, "messages")
    trainer, _ = trainer_of(chosen, tiny_proxy, tmp_path / "o", dtype="bfloat16", learning_rate=2e-4)
    trainer.train()
    trained = {name: p for name, p in trainer.model.named_parameters() if p.requires_grad}
    assert trained
    assert {p.dtype for p in trained.values()} == {torch.float32}
    moments = [value for state in trainer.optimizer.state.values() for value in state.values() if value.numel() > 1]
    assert moments
    assert {value.dtype for value in moments} == {torch.float32}
    assert {p.dtype for p in trainer.model.parameters() if not p.requires_grad} == {torch.bfloat16}


@pytest.mark.pages
def test_training_leaves_an_adapter_a_loss_curve_and_a_manifest(run: Run, tmp_path: Path) -> None:
    from peft import AutoPeftModelForCausalLM

    done = spice_select.train(run, out=tmp_path / "t", tensorboard=True, **QUICK)
    assert done.steps == 6 == len(done.losses)  # 10 rows: 5 micro-batches, so 3 steps, twice
    assert done.losses[-1] < done.losses[0]
    lines = [json.loads(line) for line in (done.path / "loss.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert [line["loss"] for line in lines] == list(done.losses)
    assert (done.path / "loss.png").read_bytes().startswith(b"\x89PNG")
    assert list((done.path / "tensorboard").glob("events*"))
    assert not (done.path / "checkpoints").exists()
    assert done.tokens == 2 * done.manifest["tokens_of_rows"]
    assert done.seconds > 0
    assert not list(done.path.rglob("*.bin")) + list(done.path.rglob("*.pt"))  # no pickles
    model = AutoPeftModelForCausalLM.from_pretrained(done.model)
    assert any(bool(p.any()) for name, p in model.named_parameters() if "lora_B" in name)
    assert load_trained(done.path) == done
    whole = (done.path / "loss.jsonl").read_bytes()
    (done.path / "loss.jsonl").write_bytes(whole[:-5])
    with pytest.raises(InputError, match=r"loss\.jsonl was altered after the training\. Run the same"):
        load_trained(done.path)
    (done.path / "loss.jsonl").unlink()
    with pytest.raises(InputError, match=r"loss\.jsonl is missing"):
        load_trained(done.path)


def test_a_lora_sits_on_every_linear_layer_but_the_head(run: Run, tiny_proxy: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    trainer, _ = trainer_of(run, tiny_proxy, tmp_path)
    adapted = {
        name.removeprefix("base_model.model.").removesuffix(".lora_A.default")
        for name, _ in trainer.model.named_modules()
        if name.endswith(".lora_A.default")
    }
    assert adapted == {layer.name for layer in linear_layers(AutoModelForCausalLM.from_pretrained(tiny_proxy))}


def test_full_training_leaves_a_model_that_loads_and_changes_every_matrix(
    run: Run, tiny_proxy: Path, tmp_path: Path
) -> None:
    from spice_select.models import load_model

    done = spice_select.train(run, out=tmp_path / "t", full=True, **QUICK)
    before, after = weights(tiny_proxy), weights(done.model)
    assert before.keys() == after.keys()
    assert all(not torch.equal(before[name], after[name]) for name in before if before[name].ndim == 2)
    assert load_model(str(done.model), device="cpu").tokenizer.chat_template


def test_a_finished_training_is_returned_as_it_is(run: Run, tmp_path: Path) -> None:
    first = spice_select.train(run, out=tmp_path / "t", max_steps=1, **STEPS)
    stamp = (first.model / "adapter_model.safetensors").stat().st_mtime_ns
    progress = Notes()
    assert spice_select.train(run, out=tmp_path / "t", max_steps=1, progress=progress, **STEPS) == first
    assert (first.model / "adapter_model.safetensors").stat().st_mtime_ns == stamp
    assert any("finished already" in note for note in progress.said)


def test_without_out_the_folder_is_named_by_what_was_asked(run: Run) -> None:
    done = spice_select.train(run, max_steps=1, on="random", **STEPS)
    assert done.path.parent == run.path.parent
    assert done.path.name.startswith("run-random-")


# the arms


def test_full_is_every_row_that_could_have_been_chosen(run: Run) -> None:
    arm = read_arm(run, "full", seed=0, allow_network=False)
    assert [row.number for row in arm.rows] == list(range(40))  # row 40 has no answer
    assert arm.chosen == 10


def test_random_draws_as_many_rows_as_were_chosen_by_its_seed(run: Run) -> None:
    draws = [[row.number for row in read_arm(run, "random", seed=s, allow_network=False).rows] for s in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]
    assert len(set(draws[0])) == 10
    assert 40 not in draws[0]


def test_selected_is_what_the_run_chose_in_its_order(run: Run) -> None:
    rows = read_arm(run, "selected", seed=0, allow_network=False).rows
    assert [row.number for row in rows] == run.features.rows[run.selection.indices].tolist()


def test_arms_can_share_steps_or_epochs(run: Run, tmp_path: Path) -> None:
    once = {**QUICK, "epochs": 1}
    by_steps = spice_select.train(run, out=tmp_path / "s", on="full", match="steps", **once)
    by_epochs = spice_select.train(run, out=tmp_path / "e", on="full", match="epochs", **once)
    assert by_steps.steps == 3  # as the ten chosen rows in one epoch
    assert by_epochs.steps == 10  # forty rows, four a step
    assert by_epochs.tokens == by_epochs.manifest["tokens_of_rows"]


@given(rows=st.integers(1, 200), batch=st.integers(1, 9), accumulation=st.integers(1, 9), epochs=st.integers(1, 4))
def test_steps_are_those_of_a_loop_over_the_rows(rows: int, batch: int, accumulation: int, epochs: int) -> None:
    settings = TrainSettings(batch_size=batch, accumulation=accumulation, epochs=epochs)
    micro_batches = len(range(0, rows, batch))
    assert steps_per_epoch(rows, settings) == len(range(0, micro_batches, accumulation))
    plan = plan_steps(settings, rows=rows, chosen=rows)
    assert plan.steps == epochs * steps_per_epoch(rows, settings)
    assert plan.epochs == epochs


def test_a_corpus_that_has_changed_is_refused(tmp_path: Path, tiny_proxy: Path) -> None:
    run = small_run(tmp_path, tiny_proxy)
    (tmp_path / "train.jsonl").write_text('{"messages": []}\n')
    with pytest.raises(InputError, match="no longer those"):
        spice_select.train(run, on="full", **QUICK)


@pytest.mark.parametrize("alter", [Path.unlink, lambda path: path.write_text("")], ids=["gone", "emptied"])
def test_rows_that_were_left_out_are_known_for_sure_or_nothing_is_trained(
    alter: Any, tmp_path: Path, tiny_proxy: Path
) -> None:
    run = small_run(tmp_path, tiny_proxy)
    alter(run.path / "dropped.jsonl")
    with pytest.raises(InputError, match=r"dropped\.jsonl (is missing|was altered)"):
        read_arm(run, "full", seed=0, allow_network=False)


def test_a_corpus_that_was_moved_is_named_by_its_run_and_can_be_named_anew(tmp_path: Path, tiny_proxy: Path) -> None:
    run = small_run(tmp_path, tiny_proxy)
    (tmp_path / "train.jsonl").rename(tmp_path / "moved.jsonl")
    with pytest.raises(InputError, match=r"the corpus of .*run is read again from where it lay.*no such file.*config"):
        read_arm(run, "full", seed=0, allow_network=False)
    config = run.path / "config.yaml"
    config.write_text(config.read_text().replace("train.jsonl", "moved.jsonl"))
    assert len(read_arm(run, "full", seed=0, allow_network=False).rows) == 40


# bad input


def test_a_target_without_a_chat_template_is_refused_unless_plain_headings_are_asked_for(
    run: Run, tiny_proxy: Path, tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    bare = tmp_path / "bare"
    AutoModelForCausalLM.from_pretrained(tiny_proxy).save_pretrained(bare)
    tiny_tokenizer(None).save_pretrained(bare)
    with pytest.raises(InputError, match=r"no chat template.*--plain-template"):
        spice_select.train(run, model=str(bare), out=tmp_path / "t", **QUICK)
    progress = Notes()
    done = spice_select.train(
        run, model=str(bare), out=tmp_path / "t", plain_template=True, max_steps=1, progress=progress, **STEPS
    )
    shown = AutoTokenizer.from_pretrained(done.model).apply_chat_template(turns("a", "b"), tokenize=False)
    assert shown == "### Instruction:\na\n\n### Response:\nb<|im_end|>\n\n"
    assert any("not the proxy's" in note for note in progress.said)


def test_a_target_with_several_templates_keeps_them_all(run: Run, tmp_path: Path, tiny_proxy: Path) -> None:
    target = Path(shutil.copytree(tiny_proxy, tmp_path / "target"))
    (target / "additional_chat_templates").mkdir()
    shutil.copy(target / "chat_template.jinja", target / "additional_chat_templates" / "tool_use.jinja")
    done = spice_select.train(run, model=str(target), out=tmp_path / "t", max_steps=1, **STEPS)
    assert (
        "model/additional_chat_templates/tool_use.jinja"
        in json.loads((done.path / "manifest.json").read_text())["outputs"]
    )


def test_settings_of_generation_that_transformers_refuses_to_save_are_saved_as_they_came(
    run: Run, tmp_path: Path, tiny_proxy: Path
) -> None:
    target = Path(shutil.copytree(tiny_proxy, tmp_path / "target"))
    known = {"do_sample": False, "temperature": 0.7, "top_p": 0.9, "length_penalty": 2.0}
    (target / "generation_config.json").write_text(json.dumps(known))
    done = spice_select.train(run, model=str(target), out=tmp_path / "t", full=True, max_steps=1, **STEPS)
    saved = json.loads((done.model / "generation_config.json").read_text())
    assert {name: saved.get(name) for name in known} == known
    assert load_model(str(done.model)).model.generation_config.temperature == 0.7


def test_a_tokenizer_without_a_token_to_pad_with_is_refused(run: Run, tmp_path: Path, tiny_proxy: Path) -> None:
    target = Path(shutil.copytree(tiny_proxy, tmp_path / "target"))
    path = target / "tokenizer_config.json"
    known = json.loads(path.read_text())
    path.write_text(json.dumps({name: known[name] for name in known if name not in ("pad_token", "eos_token")}))
    with pytest.raises(InputError, match=r"target: its tokenizer names neither a padding nor an end-of-sequence"):
        spice_select.train(run, model=str(target), out=tmp_path / "t", **QUICK)


def test_bad_input_is_named_with_its_remedy(run: Run, tmp_path: Path) -> None:
    unfinished = tmp_path / "unfinished"
    unfinished.mkdir()
    (unfinished / "identity.json").write_text("{}")
    for arguments, words in (
        ({"lora_targets": ("q_pro",)}, "Did you mean 'q_proj'"),
        ({"model": "someone/something"}, "--allow-network"),
        ({"learning_rte": 1}, "Did you mean 'learning_rate'"),
        ({"epochs": 0}, "greater than or equal to 1"),
        ({"dtype": "float16"}, "needs a GPU"),
    ):
        with pytest.raises(InputError, match=words):
            spice_select.train(run, out=tmp_path / "t", **{**QUICK, **arguments})
    with pytest.raises(InputError, match="unfinished"):
        spice_select.train(unfinished)
    with pytest.raises(InputError, match="not the folder of a training"):
        load_trained(run.path)
    done = spice_select.train(run, out=tmp_path / "t2", max_steps=1, **STEPS)
    with pytest.raises(InputError, match="a training, not of a selection"):
        spice_select.train(done.path)


def test_a_missing_library_is_named_with_its_extra(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "trl" else real(name))
    with pytest.raises(InputError, match=r"pip install 'spice-select\[train\]'"):
        spice_select.train(run)


def test_exports_and_training_start_from_the_same_settings() -> None:
    from spice_select.export.recipe import TrainingRecipe as Recipe

    ours = TrainSettings().settled(pairs=False).model_dump()
    assert {name: ours[name] for name in asdict(Recipe())} == asdict(Recipe())


def test_the_package_is_imported_without_what_training_needs() -> None:
    code = (
        "import sys, spice_select.training, spice_select.cli.train; from spice_select.training import TrainSettings;"
        "sys.exit(any(name in sys.modules for name in ('torch', 'transformers', 'trl', 'peft')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_rows_the_template_refuses_are_left_out_and_counted(tmp_path: Path, tiny_proxy: Path) -> None:
    rows = [*CONVERSATIONS, {"messages": turns("only a question, and no answer")}]
    done = spice_select.train(
        finished_run(tmp_path / "r", rows, "messages"), model=str(tiny_proxy), out=tmp_path / "t", max_steps=1, **STEPS
    )
    left = [json.loads(line) for line in (done.path / "left_out.jsonl").read_text().splitlines()]
    assert [entry["row"] for entry in left] == [len(CONVERSATIONS)]
    assert sum(done.manifest["left_out"].values()) == 1


def test_the_command_trains(spice: Any, run: Run, tmp_path: Path) -> None:
    flags = ("--batch-size", "2", "--accumulation", "2", "--max-steps", "2", "--device", "cpu")
    code, out, err = spice("train", run.path, "--out", tmp_path / "t", *flags)
    assert code == 0, err
    assert "2 optimiser steps" in out
    assert (tmp_path / "t" / "model" / "adapter_model.safetensors").is_file()
    code, _, err = spice("train", run.path, "--out", tmp_path / "t", *flags, "--seed", "1")
    assert code == 2
    assert "seed: there 0, now 1" in err


def test_a_target_of_another_family_is_said_to_be_one(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[Any, Any]] = []

    def warned(proxy: Any, target: Any) -> str:
        asked.append((proxy, target))
        return "Another family."

    monkeypatch.setattr(sft, "family_warning", warned)
    heard = Notes()
    spice_select.train(run, out=tmp_path / "t", max_steps=1, progress=heard, **STEPS)
    assert "Another family." in heard.said
    assert asked == [(run.settings.proxy.model, None)] or asked == [(run.settings.proxy.model,) * 2]
