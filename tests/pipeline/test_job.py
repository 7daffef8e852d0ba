"""A run's missing parts, sent to where nothing but the run folder is known."""

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

import spice_select as spice
from spice_select.errors import InputError
from spice_select.run.job import RunJob
from spice_select.store import sha256


def test_a_job_that_was_sent_makes_the_same_part_from_the_run_folder_alone(
    corpus: Callable[..., Path], tiny_proxy: Path, tmp_path: Path
) -> None:
    run = spice.select(corpus(), model=str(tiny_proxy), dtype="float32", sketch_dim=64, out=tmp_path / "r")
    part = run.path / "gradients" / "part-00000.parquet"
    made = sha256(part)
    sent = pickle.dumps(RunJob(run=run.path, device="cpu", live=object()))  # type: ignore[arg-type]
    assert len(sent) < 1000, "what this process holds stays here"
    job = pickle.loads(sent)
    assert job.is_finished(0)
    part.unlink()
    assert not job.is_finished(0)
    job.open()(0)
    assert job.is_finished(0)
    assert sha256(part) == made


def test_a_job_on_a_corpus_that_changed_is_refused(
    corpus: Callable[..., Path], tiny_proxy: Path, tmp_path: Path
) -> None:
    path = corpus()
    run = spice.select(path, model=str(tiny_proxy), dtype="float32", sketch_dim=64, out=tmp_path / "r")
    path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))
    with pytest.raises(InputError, match="corpus_rows"):
        RunJob(run=run.path, device="cpu").open()
