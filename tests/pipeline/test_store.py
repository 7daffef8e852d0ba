"""`--store`: the same run with its parts at an address, and no run that is half here and half there."""

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem

import spice_select as spice_of
from spice_select.features import stage
from spice_select.run.address import STORE
from spice_select.store import address

_NUMBER = itertools.count()
OUTPUTS = ("selected.jsonl", "selection.parquet")


@pytest.fixture
def bucket() -> str:
    return f"memory://runs-{next(_NUMBER)}"


@pytest.fixture
def options(tiny_proxy: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setattr(stage, "PART_TOKENS", 300)
    monkeypatch.setattr(address, "PAUSES", (0.0,))
    monkeypatch.setattr("spice_select.report.write_report", lambda *_, **__: None)
    return {"model": str(tiny_proxy), "sketch_dim": 64, "batch_tokens": 256, "budget": "25%"}


@pytest.fixture
def arguments(corpus: Callable[..., Path], options: dict[str, Any], tmp_path: Path) -> list[Any]:
    flags = [text for name, value in options.items() for text in (f"--{name.replace('_', '-')}", value)]
    return ["select", corpus(), "--out", tmp_path / "r", *flags]


def test_a_run_at_an_address_is_the_run_of_a_folder(corpus, options, tmp_path: Path, bucket: str) -> None:
    path = corpus()
    own = spice_of.select(path, out=tmp_path / "a" / "r", **options)
    far = spice_of.select(path, out=tmp_path / "b" / "r", store=bucket, **options)
    for name in OUTPUTS:
        assert (own.path / name).read_bytes() == (far.path / name).read_bytes()
    assert not list(far.path.rglob("part-*.parquet"))
    assert np.array_equal(far.features.features, own.features.features)
    assert far.explain(0).to_json() == own.explain(0).to_json()


def test_an_interrupted_run_goes_on_from_a_list(
    corpus: Callable[..., Path], options, tmp_path: Path, bucket: str, monkeypatch
) -> None:
    path, put, real = corpus(), list[str](), MemoryFileSystem.pipe_file

    def some(system: MemoryFileSystem, where: str, value: bytes) -> None:
        if len(put) == 3:
            raise KeyboardInterrupt
        put.append(where)
        real(system, where, value)

    monkeypatch.setattr(MemoryFileSystem, "pipe_file", some)
    with pytest.raises(KeyboardInterrupt):
        spice_of.select(path, out=tmp_path / "r", store=bucket, **options)
    before = set(put)
    monkeypatch.setattr(
        MemoryFileSystem, "pipe_file", lambda system, where, value: put.append(where) or real(system, where, value)
    )
    run = spice_of.select(path, out=tmp_path / "r", store=bucket, **options)
    assert len(put) == run.manifest["parts"] == len(set(put))
    assert len(before) == 3
    put.clear()
    (run.path / "manifest.json").unlink()
    spice_of.select(path, out=tmp_path / "r", store=bucket, **options)
    assert put == []


def test_another_choice_takes_what_lies_there(
    corpus: Callable[..., Path], options, tmp_path: Path, bucket: str, monkeypatch
) -> None:
    path = corpus()
    spice_of.select(path, out=tmp_path / "a" / "r", store=bucket, **options)
    monkeypatch.setattr(MemoryFileSystem, "pipe_file", lambda *_: pytest.fail("computed again"))
    spice_of.select(path, out=tmp_path / "b" / "r", store=bucket, **{**options, "budget": "10%"})


def test_a_run_is_not_half_on_two_stores(spice, arguments, tmp_path: Path, bucket: str) -> None:
    assert spice(*arguments, "--store", bucket)[0] == 0
    for other in ([], ["--store", f"{bucket}-other"]):
        code, _, said = spice(*arguments, *other)
        assert (code, f"parts of this run lie at {bucket}" in " ".join(said.split())) == (2, True)
    assert spice(*arguments, "--store", bucket)[0] == 0


def test_a_run_in_its_folder_does_not_move_to_a_store(spice, arguments, tmp_path: Path, bucket: str) -> None:
    assert spice(*arguments)[0] == 0
    code, _, said = spice(*arguments, "--store", bucket)
    assert (code, "lie in its own folder already" in " ".join(said.split())) == (2, True)
    assert not (tmp_path / "r" / STORE).exists()


def test_a_bucket_that_refuses_ends_the_run_with_its_words(spice, arguments, tmp_path, bucket, monkeypatch) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError("Access Denied")

    with monkeypatch.context() as broken:
        broken.setattr(MemoryFileSystem, "pipe_file", refuse)
        code, _, said = spice(*arguments, "--store", bucket)
    assert (code, "Access Denied" in said) == (2, True)
    assert spice(*arguments, "--store", f"{bucket}-other")[0] == 0  # nothing was there, so it may go elsewhere
    assert json.loads((tmp_path / "r" / STORE).read_text()) == {"address": f"{bucket}-other"}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--schedule", "interleaved"], "--store with --schedule interleaved"),
        (["--engine", "ray", "--gather"], "--gather with --store"),
    ],
)
def test_what_cannot_use_a_store_is_refused(spice, arguments, bucket: str, more: list[str], said: str) -> None:
    code, _, error = spice(*arguments, "--store", bucket, *more)
    assert (code, said in " ".join(error.split())) == (2, True)


def test_parts_by_number_go_to_the_address(spice, arguments, tmp_path: Path) -> None:
    place = tmp_path / "far"
    assert spice(*arguments, "--store", place, "--engine", "parts")[0] == 3
    assert spice("worker", tmp_path / "r", "--parts", "0:99")[0] == 0
    assert list(place.rglob("part-*.parquet"))
    assert spice(*arguments, "--store", place, "--engine", "parts")[0] == 0
