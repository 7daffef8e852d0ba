"""A run whose parts are computed by number, in processes that nobody waits for."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import spice_select as spice
from spice_select.errors import InputError, PartsDueError
from spice_select.features import stage
from spice_select.run.share import compute_parts
from spice_select.store import sha256

OPTIONS = {"dtype": "float32", "sketch_dim": 32, "budget": 6, "device": "cpu", "batch_tokens": 200}


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "PART_TOKENS", 400)


@pytest.fixture
def target(tmp_path: Path, sums) -> Path:
    path = tmp_path / "target.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in sums(9, seed=5)))
    return path


def sums_of(folder: Path) -> dict[str, str]:
    files = sorted([*folder.glob("**/part-*"), folder / "selected.jsonl", folder / "selection.parquet"])
    return {path.relative_to(folder).as_posix(): sha256(path) for path in files}


def test_parts_by_number_are_those_of_one_process(
    corpus: Callable[..., Path], target: Path, tiny_proxy: Path, tmp_path: Path
) -> None:
    asked = {**OPTIONS, "model": str(tiny_proxy), "target": target}
    whole = spice.select(corpus(), out=tmp_path / "a" / "r", **asked)
    out = tmp_path / "b" / "r"
    with pytest.raises(PartsDueError, match=r"parts of gradients are due, numbers 0 to \d+\. Let `spice worker"):
        spice.select(corpus(), out=out, engine="parts", **asked)
    first = list(compute_parts(out, range(2), device="cpu"))
    assert [(share.what, len(share.computed), share.there) for share in first] == [
        ("gradients", 2, 0),
        ("gradients of the target", min(2, first[1].parts), 0),
    ]
    receipt = first[0].computed[0]
    path = out / "gradients" / receipt.file
    assert (receipt.part, receipt.bytes, receipt.sha256) == (0, path.stat().st_size, sha256(path))
    rest = list(compute_parts(out, range(99), device="cpu"))
    assert rest[0].there == 2
    assert rest[0].there + len(rest[0].computed) == rest[0].parts
    run = spice.select(corpus(), out=out, engine="parts", **asked)
    assert sums_of(run.path) == sums_of(whole.path)
    assert len(sums_of(run.path)) > 8


def test_a_run_begun_with_a_relative_model_is_helped_from_another_folder(
    corpus: Callable[..., Path], tiny_proxy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tiny_proxy.parent)
    with pytest.raises(PartsDueError):
        spice.select(corpus(), out=tmp_path / "r", engine="parts", model=tiny_proxy.name, **OPTIONS)
    monkeypatch.chdir(tmp_path)
    (share,) = compute_parts(tmp_path / "r", range(1), device="cpu")
    assert len(share.computed) == 1


def test_a_warm_up_is_made_before_the_parts_are_left_to_others(
    corpus: Callable[..., Path], tiny_proxy: Path, tmp_path: Path
) -> None:
    asked = {**OPTIONS, "model": str(tiny_proxy), "warmup_rows": 8}
    with pytest.raises(PartsDueError):
        spice.select(corpus(), out=tmp_path / "r", engine="parts", **asked)
    warm = tmp_path / "r" / "gradients" / "warm.safetensors"
    assert warm.is_file()
    warm.unlink()
    (share,) = compute_parts(tmp_path / "r", range(1), device="cpu")
    assert not share.prepared
    assert list((tmp_path / "r" / "gradients").glob("part-*")) == []


def test_the_command_says_what_it_did(spice, corpus, tiny_proxy: Path, tmp_path: Path) -> None:
    asked = (corpus(), "--model", tiny_proxy, "--sketch-dim", 32, "--device", "cpu", "--out", tmp_path / "r")
    code, _, err = spice("select", *asked, "--engine", "parts")
    assert code == 3
    assert "--parts 0:" in err
    code, out, _ = spice("worker", tmp_path / "r", "--parts", "0:99", "--device", "cpu")
    assert code == 0
    assert "gradients: parts computed " in out
    assert spice("select", *asked)[0] == 0
    for parts in ("5", "5:5", "a:b", "-1:3", "3:1", "²:³", f"0:{'9' * 5000}"):
        assert spice("worker", tmp_path / "r", f"--parts={parts}")[0] == 2


def test_a_run_without_parts_says_that_none_is_due(spice, corpus, tmp_path: Path) -> None:
    assert spice("select", corpus(), "--method", "random", "--budget", 5, "--out", tmp_path / "r")[0] == 0
    code, _, err = spice("worker", tmp_path / "r", "--parts", "0:1")
    assert code == 2
    assert "no part is due" in err
    assert "warm-up" not in err


def test_a_folder_that_is_no_run_and_a_corpus_that_changed_are_refused(
    corpus: Callable[..., Path], tiny_proxy: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="not a run that was begun"):
        list(compute_parts(tmp_path, range(3)))
    path = corpus()
    with pytest.raises(PartsDueError):
        spice.select(path, out=tmp_path / "r", engine="parts", model=str(tiny_proxy), **OPTIONS)
    path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))
    with pytest.raises(InputError, match="is another run than this process would help with"):
        list(compute_parts(tmp_path / "r", range(3), device="cpu"))


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"engine": "parts", "schedule": "interleaved"}, "--engine parts with --schedule interleaved"),
        ({"engine": "ray", "gather": True, "schedule": "interleaved"}, "--gather with --schedule interleaved"),
        ({"workers": 3}, "--workers without --engine ray"),
        ({"engine": "ray", "local": True, "address": "a:1"}, "--local with --address"),
        ({"engine": "dask"}, "engine = 'dask'"),
    ],
)
def test_settings_of_engines_that_do_not_go_together_are_refused(asked, words, corpus, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words):
        spice.select(corpus(), out=tmp_path / "r", **asked)


def test_who_computes_is_not_in_the_identity(corpus, tiny_proxy: Path, tmp_path: Path) -> None:
    out = tmp_path / "r"
    with pytest.raises(PartsDueError):
        spice.select(corpus(), out=out, engine="parts", model=str(tiny_proxy), **OPTIONS)
    named = json.loads((out / "identity.json").read_text()).keys()
    assert not named & {"engine", "address", "local", "workers", "wait_for_workers", "gather"}


def test_commands_to_copy_quote_a_folder_whose_name_needs_it(
    spice: Callable[..., tuple[int, str, str]], corpus: Callable[..., Path], sums, tiny_proxy: Path, tmp_path: Path
) -> None:
    out = tmp_path / "my runs; all" / "r"
    asked = ["select", corpus(sums(4)), "--model", tiny_proxy, "--sketch-dim", 16, "--budget", 2, "--out", out]
    code, _, err = spice(*asked, "--engine", "parts")
    assert code == 3
    assert f"1 part of gradients is due, numbers 0 to 0. Let `spice worker '{out}' --parts 0:1` compute" in err
    code, said, _ = spice(*asked)
    assert code == 0
    assert f"look closer: spice check run '{out}'" in said
