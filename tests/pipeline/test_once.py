"""What a run has found out once it does not find out again."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import spice_select as spice
from spice_select.data import records
from spice_select.errors import InputError
from spice_select.features import stage
from spice_select.run import folder as run_folder
from spice_select.run.folder import RunFolder
from spice_select.run.sketch_check import checked_sketch
from spice_select.store import parts, sums

Corpus = Callable[..., Path]
MOVING = {"schedule": "interleaved", "pool_size": 8, "update_every": 2, "learning_rate": 0.02, "lora_rank": 4}
SCHEDULES = pytest.mark.parametrize("more", [{}, MOVING, {**MOVING, "epochs": 2}], ids=["global", "moving", "epochs"])


@pytest.fixture
def options(tiny_proxy: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setattr(stage, "PART_TOKENS", 300)
    return {"model": str(tiny_proxy), "sketch_dim": 64, "batch_tokens": 256, "budget": "25%"}


@SCHEDULES
def test_a_row_is_hashed_once_and_the_identity_read_once(
    corpus: Corpus, options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more
) -> None:
    hashed, read = list[Any](), Counter[str]()
    written, opened = records.json_text, run_folder._read_json
    monkeypatch.setattr(records, "json_text", lambda raw, **layout: hashed.append(raw) or written(raw, **layout))
    monkeypatch.setattr(run_folder, "_read_json", lambda path: read.update([path.name]) or opened(path))
    spice.select(corpus(), out=tmp_path / "r", **options, **more)
    assert len(hashed) == 40
    assert read["identity.json"] == 2  # when it is opened, to see whose it is, and then for all that use it


@SCHEDULES
def test_a_resumed_run_hashes_the_bytes_of_each_part_once(
    corpus: Corpus, options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more
) -> None:
    """Without the page, which reads the finished folder as anyone does."""
    path = corpus()
    run = spice.select(path, out=tmp_path / "r", **options, **more)
    expected = (run.path / "selection.parquet").read_bytes()
    (run.path / "manifest.json").unlink()
    seen, real = list[int](), sums.hashlib.sha256
    monkeypatch.setattr(sums, "_SETTLED", -1.0)
    monkeypatch.setattr(sums.hashlib, "sha256", lambda content=b"": seen.append(len(content)) or real(content))
    spice.select(path, out=run.path, **options, **more)
    sizes = Counter(part.stat().st_size for part in run.path.glob("gradients/**/*.parquet"))
    assert sizes.total() > 3
    assert {size: Counter(seen)[size] for size in sizes} == sizes
    assert (run.path / "selection.parquet").read_bytes() == expected


@SCHEDULES
def test_a_finished_run_answers_without_decoding_a_part(
    corpus: Corpus, options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more
) -> None:
    path = corpus()
    run = spice.select(path, out=tmp_path / "r", **options, **more)
    before = {file: file.stat().st_mtime_ns for file in run.path.rglob("*") if file.name != "run.lock"}
    monkeypatch.setattr(parts, "read_table", lambda *arguments: pytest.fail("decoded"))
    spice.select(path, out=run.path, **options, **more)
    assert {file: file.stat().st_mtime_ns for file in run.path.rglob("*") if file.name != "run.lock"} == before


def test_parts_of_another_run_put_into_a_finished_one_are_computed_again(
    corpus: Corpus, options, tmp_path: Path
) -> None:
    path = corpus()
    own = spice.select(path, out=tmp_path / "a" / "r", **options)
    other = spice.select(path, out=tmp_path / "b" / "r", **options, seed=1)
    expected = (own.path / "gradients" / "part-00000.parquet").read_bytes()
    for suffix in (".parquet", ".sha256"):
        name = f"gradients/part-00000{suffix}"
        (own.path / name).write_bytes((other.path / name).read_bytes())
    spice.select(path, out=own.path, **options)
    assert (own.path / "gradients" / "part-00000.parquet").read_bytes() == expected


def test_a_folder_without_an_identity_has_none_to_give(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a run folder"):
        _ = RunFolder(tmp_path).identity


def test_gradients_kept_whole_have_no_sketch_to_be_checked(tmp_path: Path) -> None:
    assert checked_sketch(RunFolder(tmp_path), "x", "identity", lambda: pytest.fail("measured")) is None
    assert checked_sketch(RunFolder(tmp_path), "x", "sparse-jl", lambda: None) is None
    assert not list(tmp_path.iterdir())
