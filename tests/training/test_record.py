"""A training's model is the one that is meant: held against its record, named by a place that holds, and moved."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

import spice_select
from spice_select.errors import InputError
from spice_select.run.finished import Run
from spice_select.training import TrainSettings
from spice_select.training.moved import Before
from spice_select.training.steps import plan_steps, warmup_steps
from tests.training.runs import finished_run, turns
from tests.training.trained import QUICK, STEPS, Notes, small_run, weights

pytest.importorskip("trl", reason="TRL is not installed: pip install trl")


@pytest.fixture
def proxy(tiny_proxy: Path, tmp_path: Path) -> Path:
    """A copy that may be altered."""
    return Path(shutil.copytree(tiny_proxy, tmp_path / "proxy"))


@pytest.fixture
def run(tmp_path: Path, proxy: Path) -> Run:
    return small_run(tmp_path, proxy)


def alter(folder: Path, what: str) -> None:
    """Change one thing that decides what a model is trained to, and no other."""
    if what == "weights":
        (path,) = folder.glob("*.safetensors")
        from safetensors.torch import load_file, save_file

        tensors = load_file(path)
        tensors["model.norm.weight"] += 0.5
        save_file(tensors, path, metadata={"format": "pt"})
    elif what == "config":
        path = folder / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "rms_norm_eps": 0.1}))
    elif what == "tokenizer":
        path = folder / "tokenizer_config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "model_max_length": 77}))
    else:
        path = folder / "chat_template.jinja"
        path.write_text(path.read_text().replace("<|im_start|>", "<|im_start|>the ", 1))


ALTERABLE = ("weights", "config", "tokenizer", "template")


def test_a_runs_own_model_that_has_changed_is_refused_with_both_sums(
    run: Run, proxy: Path, tiny_proxy: Path, tmp_path: Path
) -> None:
    words = r"no longer the one .* SHA-256 [0-9a-f]{64} then, [0-9a-f]{64} now.* --model "
    for what in ALTERABLE:
        shutil.rmtree(proxy)
        shutil.copytree(tiny_proxy, proxy)
        alter(proxy, what)
        with pytest.raises(InputError, match=words):
            spice_select.train(run, out=tmp_path / "t", max_steps=1, **STEPS)
    heard = Notes()
    spice_select.train(run, out=tmp_path / "t", model=str(proxy), max_steps=1, progress=heard, **STEPS)
    assert any("no longer the one that the rows were chosen with" in note for note in heard.said)


def test_a_finished_training_is_another_when_its_model_has_changed(run: Run, tiny_proxy: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(tiny_proxy, tmp_path / "other"))
    once = {"model": str(other), "max_steps": 2, "out": tmp_path / "t", **STEPS}
    done = spice_select.train(run, **once)
    for what in ALTERABLE:
        shutil.rmtree(other)
        shutil.copytree(tiny_proxy, other)
        assert spice_select.train(run, **once) == done
        alter(other, what)
        with pytest.raises(InputError, match="differs from this one; nothing was written"):
            spice_select.train(run, **once)


def test_settings_of_generation_are_a_part_of_a_whole_model_and_not_of_an_adapter(
    run: Run, tiny_proxy: Path, tmp_path: Path
) -> None:
    other = Path(shutil.copytree(tiny_proxy, tmp_path / "other"))
    for full in (False, True):
        once = {"model": str(other), "max_steps": 1, "out": tmp_path / f"t{full}", "full": full, **STEPS}
        (other / "generation_config.json").write_text("{}")
        spice_select.train(run, **once)
        (other / "generation_config.json").write_text('{"repetition_penalty": 1.5}')
        if full:
            with pytest.raises(InputError, match="model_generation_sha256"):
                spice_select.train(run, **once)
        else:
            spice_select.train(run, **once)


def test_an_adapter_names_its_base_by_a_place_that_holds_anywhere(run: Run, proxy: Path, tmp_path: Path) -> None:
    here = Path.cwd()
    os.chdir(tmp_path)
    try:
        done = spice_select.train(run, model="proxy", out=tmp_path / "t", max_steps=2, **STEPS)
    finally:
        os.chdir(here)
    config = json.loads((done.model / "adapter_config.json").read_text())
    assert config["target_modules"] == sorted(config["target_modules"]), "in one order, whichever process writes them"
    named = config["base_model_name_or_path"]
    assert named == str(proxy.resolve())
    record = json.loads((done.model / "base.json").read_text())
    assert record["path"] == named
    assert record["model_weights_sha256"] == done.manifest["identity"]["model_weights_sha256"]
    assert record["model_files_sha256"] == done.manifest["identity"]["model_files_sha256"] != ""


# a training that trains nothing


@pytest.mark.parametrize("ratio", [0.0, 0.03, 0.99])
def test_a_training_of_one_step_is_made_at_a_rate(run: Run, tmp_path: Path, ratio: float) -> None:
    heard = Notes()
    done = spice_select.train(run, out=tmp_path / "t", max_steps=1, warmup_ratio=ratio, progress=heard, **STEPS)
    assert all(bool(tensor.any()) for name, tensor in weights(done.model).items() if "lora_B" in name)
    assert json.loads((done.path / "loss.jsonl").read_text())["rate"] == pytest.approx(1e-3)
    assert done.manifest["moved"]["still"] == 0
    assert any("nothing to train with" in note for note in heard.said) == (ratio > 0)


@pytest.mark.parametrize(
    ("steps", "ratio", "expected"), [(1, 0.03, 0), (2, 0.03, 1), (100, 0.03, 3), (5, 0.0, 0), (2, 0.9, 2)]
)
def test_warm_up_is_transformers_own_and_never_all_there_is(steps: int, ratio: float, expected: int) -> None:
    from transformers import get_cosine_schedule_with_warmup

    assert warmup_steps(steps, TrainSettings(warmup_ratio=ratio)) == expected
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule = get_cosine_schedule_with_warmup(optimiser, expected, steps)
    rates = []
    for _ in range(steps):
        rates.append(schedule.get_last_lr()[0])
        optimiser.step()
        schedule.step()
    assert max(rates) > 0
    said = plan_steps(TrainSettings(warmup_ratio=ratio, max_steps=steps), rows=5, chosen=5).sentence
    assert ("moves nothing" in said) == (rates[0] == 0)


@pytest.mark.parametrize("full", [True, False])
def test_a_training_whose_steps_are_lost_in_rounding_says_so(run: Run, tmp_path: Path, full: bool) -> None:
    heard = Notes()
    rate = {"learning_rate": 1e-30, "full": full, "dtype": "float32"}
    done = spice_select.train(run, out=tmp_path / "t", max_steps=2, progress=heard, **{**STEPS, **rate})
    assert done.manifest["moved"]["still"] == done.manifest["moved"]["tensors"] > 0
    assert any(note.startswith("The training changed nothing: all") for note in heard.said)


def test_tensors_that_stood_still_are_counted_and_named() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Linear(3, 3), torch.nn.Linear(3, 3))
    model[0].requires_grad_(False)
    before = Before(model, "float32")
    assert len(before.against(model).still) == 4
    with torch.no_grad():
        model[1].weight[0, 0] += 1
    moved = before.against(model)
    assert (moved.tensors, moved.still) == (4, ("1.bias", "2.weight", "2.bias"))
    assert moved.sentence is not None
    assert "3 of 4 trained tensors are saved as they were loaded" in moved.sentence
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1)
    assert before.against(model).sentence is None


def test_a_change_that_the_saved_precision_rounds_away_is_none() -> None:
    model = torch.nn.Linear(4, 4)
    before = {dtype: Before(model, dtype) for dtype in ("float32", "bfloat16")}
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.to(torch.bfloat16).float())
    held = Before(model, "bfloat16")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1 + 2.0**-12)
    assert len(held.against(model).still) == 2
    assert before["float32"].against(model).still == ()


@pytest.mark.parametrize("name", ["learning_rate", "weight_decay", "clip_norm", "warmup_ratio", "lora_dropout"])
@pytest.mark.parametrize("value", [float("inf"), float("nan"), float("-inf")])
def test_settings_that_are_no_numbers_are_refused(name: str, value: float) -> None:
    with pytest.raises(InputError, match=name):
        TrainSettings.from_flat({name: value})


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"full": True, "lora_rank": 8, "lora_dropout": 0.1}, "--full with --lora-rank --lora-dropout"),
        ({"match": "steps"}, "--match steps with --on selected"),
        ({"match": "steps", "on": "full", "max_steps": 3}, "--max-steps 3 with --match steps: "),
        ({"epochs": 2, "max_steps": 3}, "--max-steps 3 with --epochs 2: "),
    ],
)
def test_settings_that_nothing_reads_are_refused(asked: dict[str, Any], words: str) -> None:
    """They would name another folder, for the same training."""
    with pytest.raises(InputError, match=words):
        TrainSettings.from_flat(asked)


def test_a_seed_that_the_libraries_cannot_take_is_refused() -> None:
    assert TrainSettings.from_flat({"seed": 2**32 - 1}).seed == 2**32 - 1
    with pytest.raises(InputError, match="seed"):
        TrainSettings.from_flat({"seed": 2**32})


# rows that are lost


@pytest.mark.parametrize("on", ["selected", "random", "full"])
def test_rows_lost_to_the_targets_length_are_listed_in_every_arm(tmp_path: Path, tiny_proxy: Path, on: str) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    run = small_run(folder, tiny_proxy)
    heard = Notes()
    done = spice_select.train(run, on=on, out=tmp_path / "t", max_steps=1, max_length=22, progress=heard, **STEPS)
    left = [json.loads(line) for line in (done.path / "left_out.jsonl").read_text().splitlines()]
    assert len(left) == sum(done.manifest["left_out"].values()) > 0
    assert {entry["reason"] for entry in left} == set(done.manifest["left_out"])
    assert all(entry["detail"] for entry in left)
    assert any(note.startswith("Left out: ") for note in heard.said)
    assert done.manifest["truncated_rows"] > 0
    assert any(f"{done.manifest['truncated_rows']} of these rows are cut at 22 tokens" in note for note in heard.said)


def test_rows_that_are_all_cut_to_their_questions_are_refused(tmp_path: Path, tiny_proxy: Path) -> None:
    rows = [{"messages": turns("a long question " * 20, "short")} for _ in range(3)]
    run = finished_run(tmp_path / "r", rows, "messages")
    with pytest.raises(InputError, match="nothing-left-after-truncation"):
        spice_select.train(run, model=str(tiny_proxy), out=tmp_path / "t", max_length=20, **QUICK)
