"""A training that was cut short goes on as if it had not been; one that diverges keeps what was good."""

import errno
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

import spice_select
from spice_select.errors import InputError
from spice_select.run.corpus import named_corpus
from spice_select.run.finished import Run
from spice_select.training.checkpoint import newest_checkpoint
from tests.training.trained import QUICK, STEPS, InterruptedRunError, Notes, StopsAfter, small_run, weights

pytest.importorskip("trl", reason="TRL is not installed: pip install trl")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, tiny_proxy: Path) -> Run:
    return small_run(tmp_path_factory.mktemp("resume"), tiny_proxy)


@pytest.fixture(scope="module")
def whole(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The training as it goes when nothing comes between: six steps, dropout and all."""
    return spice_select.train(run, out=tmp_path_factory.mktemp("whole") / "t", checkpoint_steps=2, **QUICK)


@pytest.mark.parametrize("after", [1, 5])
def test_an_interrupted_training_ends_bit_for_bit_as_an_uninterrupted_one(
    run: Run, whole: Any, tmp_path: Path, after: int
) -> None:
    with pytest.raises(InterruptedRunError):
        spice_select.train(run, out=tmp_path / "t", checkpoint_steps=2, progress=StopsAfter(after), **QUICK)
    progress = Notes()
    done = spice_select.train(run, out=tmp_path / "t", checkpoint_steps=2, progress=progress, **QUICK)
    assert progress.done["Training"] == after - after % 2  # a step after 2k is lost with its checkpoint
    expected, found = weights(whole.model), weights(done.model)
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    assert (done.losses, done.tokens, done.steps) == (whole.losses, whole.tokens, whole.steps)
    steps = [json.loads(line)["step"] for line in (done.path / "loss.jsonl").read_text().splitlines()]
    assert steps == [1, 2, 3, 4, 5, 6]


def test_a_training_that_had_made_its_last_step_makes_no_other(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four steps, three an epoch; the machine goes away before the model is saved."""
    from spice_select.training.session import Session

    asked: dict[str, Any] = {**STEPS, "max_steps": 4, "checkpoint_steps": 2}
    whole = spice_select.train(run, out=tmp_path / "whole", **asked)
    with monkeypatch.context() as patch:
        patch.setattr(Session, "save", interrupted)
        with pytest.raises(InterruptedRunError):
            spice_select.train(run, out=tmp_path / "t", **asked)
    progress = Notes()
    done = spice_select.train(run, out=tmp_path / "t", progress=progress, **asked)
    assert progress.done["Training"] == 4
    assert all(torch.equal(tensor, weights(done.model)[name]) for name, tensor in weights(whole.model).items())
    assert (done.losses, done.tokens, done.steps) == (whole.losses, whole.tokens, 4)


def interrupted(*_: Any, **__: Any) -> None:
    raise InterruptedRunError


def test_a_checkpoint_that_a_crash_cut_short_is_not_resumed_from(run: Run, whole: Any, tmp_path: Path) -> None:
    with pytest.raises(InterruptedRunError):
        spice_select.train(run, out=tmp_path / "t", checkpoint_steps=2, progress=StopsAfter(5), **QUICK)
    newest = tmp_path / "t" / "checkpoints" / "checkpoint-4"
    state = newest / "trainer_state.json"
    state.write_bytes(state.read_bytes()[:100])
    assert newest_checkpoint(newest.parent)[:2] == (newest.with_name("checkpoint-2"), 2)
    assert not newest.exists()
    done = spice_select.train(run, out=tmp_path / "t", checkpoint_steps=2, **QUICK)
    assert all(torch.equal(tensor, weights(done.model)[name]) for name, tensor in weights(whole.model).items())


@pytest.mark.parametrize("name", ["optimizer.pt", "scheduler.pt", "rng_state.pth", "adapter_model.safetensors"])
@pytest.mark.parametrize("fault", ["damaged", "missing"])
def test_a_checkpoint_with_a_damaged_or_missing_file_is_not_resumed_from(
    run: Run, whole: Any, tmp_path: Path, name: str, fault: str
) -> None:
    """transformers takes another optimiser, schedule or random state where the file is missing, and says nothing."""
    with pytest.raises(InterruptedRunError):
        spice_select.train(run, out=tmp_path / "t", checkpoint_steps=2, progress=StopsAfter(5), **QUICK)
    file = tmp_path / "t" / "checkpoints" / "checkpoint-4" / name
    if fault == "missing":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    progress = Notes()
    done = spice_select.train(run, out=tmp_path / "t", checkpoint_steps=2, progress=progress, **QUICK)
    assert progress.done["Training"] == 2
    assert any("checkpoint-4 is damaged (its " in note and "was removed" in note for note in progress.said)
    assert all(torch.equal(tensor, weights(done.model)[name]) for name, tensor in weights(whole.model).items())


def test_a_checkpoint_that_cannot_be_read_is_not_taken_for_a_damaged_one(tmp_path: Path, monkeypatch) -> None:
    newest = tmp_path / "checkpoint-2"
    newest.mkdir()
    (newest / "trainer_state.json").write_text('{"global_step": 2}')
    (newest / "optimizer.pt").write_bytes(b"")

    def refuses(file: object) -> bool:
        raise OSError(errno.EIO, "Input/output error", "optimizer.pt")

    monkeypatch.setattr("spice_select.training.checkpoint.zipfile.is_zipfile", refuses)
    with pytest.raises(InputError, match=r"optimizer.pt: the checkpoint cannot be read \(Input/output error\)"):
        newest_checkpoint(tmp_path)
    assert newest.exists()


def test_resuming_with_other_settings_is_refused_and_says_which(run: Run, tmp_path: Path) -> None:
    with pytest.raises(InterruptedRunError):
        spice_select.train(run, out=tmp_path / "t", checkpoint_steps=2, progress=StopsAfter(3), **QUICK)
    for other, words in (
        ({"learning_rate": 2e-3}, "learning_rate: there 0.001, now 0.002"),
        ({"on": "random"}, "on: there 'selected', now 'random'"),
        ({"lora_rank": 4}, "lora_rank: there 16, now 4"),
    ):
        with pytest.raises(InputError, match=words):
            spice_select.train(run, out=tmp_path / "t", **{**QUICK, "checkpoint_steps": 2, **other})
    done = spice_select.train(run, out=tmp_path / "t", max_steps=1, overwrite=True, **STEPS)
    assert done.steps == 1


def test_what_a_training_reads_is_not_thrown_away_to_make_room_for_it(
    run: Run, tiny_proxy: Path, tmp_path: Path
) -> None:
    own = tmp_path / "run"
    shutil.copytree(run.path, own)
    with pytest.raises(InputError, match=r"holds .*run, which this reads"):
        spice_select.train(own, out=own, max_steps=1, overwrite=True, **STEPS)
    assert spice_select.load(own).summary
    trained = spice_select.train(run, out=tmp_path / "t", max_steps=1, full=True, **STEPS)
    with pytest.raises(InputError, match=r"holds .*t/model, which this reads"):
        spice_select.train(run, model=str(trained.model), out=trained.path, max_steps=2, overwrite=True, **STEPS)
    assert trained.model.is_dir()
    with pytest.raises(InputError, match="the folder of a training, not of a selection"):
        spice_select.load(trained.path)
    corpus = trained.path / "corpus.jsonl"
    shutil.copy(named_corpus(run), corpus)
    config = (own / "config.yaml").read_text()
    (own / "config.yaml").write_text(config.replace(f"corpus: {named_corpus(run)}\n", f"corpus: {corpus}\n"))
    with pytest.raises(InputError, match=r"holds .*corpus.jsonl, which this reads"):
        spice_select.train(own, on="full", out=trained.path, max_steps=1, overwrite=True, **STEPS)
    assert corpus.is_file()


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_loss_that_is_no_number_stops_training_and_keeps_the_last_good_state(
    run: Run, tiny_proxy: Path, tmp_path: Path
) -> None:
    from peft import AutoPeftModelForCausalLM
    from transformers import AutoModelForCausalLM

    wild = {**QUICK, "learning_rate": 1e25, "warmup_ratio": 0.0, "checkpoint_steps": 1}
    with pytest.raises(InputError, match=r"not a finite number.*last-good.*--learning-rate"):
        spice_select.train(run, out=tmp_path / "t", **wild)
    kept = AutoPeftModelForCausalLM.from_pretrained(tmp_path / "t" / "last-good")
    assert all(bool(parameter.isfinite().all()) for parameter in kept.parameters())
    losses = [json.loads(line)["loss"] for line in (tmp_path / "t" / "loss.jsonl").read_text().splitlines()]
    assert 1 <= len(losses) < 6  # the steps before are on record
    assert not (tmp_path / "t" / "manifest.json").exists()
    assert AutoModelForCausalLM.from_pretrained(tiny_proxy)  # the target itself was not touched


def test_divergence_is_bad_input_to_the_command(spice: Any, run: Run, tmp_path: Path) -> None:
    flags = ("--batch-size", "2", "--accumulation", "2", "--learning-rate", "1e25", "--warmup-ratio", "0")
    code, _, err = spice("train", run.path, "--out", tmp_path / "t", "--device", "cpu", *flags)
    assert code == 2
    assert "last-good" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), "Lower --batch-size and raise --accumulation"),
        (OSError(errno.ENOSPC, "No space left on device"), "disk is full"),
    ],
)
def test_a_machine_at_its_limits_is_told_from_a_fault_of_ours(
    run: Run, tmp_path: Path, fault: Exception, words: str
) -> None:
    def at_its_limits() -> None:
        raise fault

    with pytest.raises(InputError, match=words):
        spice_select.train(run, out=tmp_path / "t", progress=StopsAfter(1, at_its_limits), **QUICK)
    assert spice_select.train(run, out=tmp_path / "t", **QUICK).steps == 6  # the same command goes on
