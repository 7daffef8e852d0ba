"""Gradients of another run, put into this run's folder, are not taken for its own; harm to a finished run is mended."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spice_select as spice
from spice_select.errors import InputError
from spice_select.features import stage
from spice_select.schedules.interleaved.moving import Checkpoints

Corpus = Callable[..., Path]


@pytest.fixture
def options(tiny_proxy: Path) -> dict[str, Any]:
    return {"model": str(tiny_proxy), "sketch_dim": 64, "batch_tokens": 256, "budget": "25%"}


@pytest.fixture(autouse=True)
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Counts the parts that are computed."""
    from spice_select.schedules.interleaved import bench

    real, parts = stage.compute_part, []
    monkeypatch.setattr(stage, "PART_TOKENS", 300)
    for home in (stage, bench):
        monkeypatch.setattr(home, "compute_part", lambda *a, **k: parts.append(1) or real(*a, **k))
    return parts


@pytest.fixture
def other_proxy(tiny_proxy: Path, tmp_path: Path) -> Path:
    """The same architecture and tokenizer, other weights."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = shutil.copytree(tiny_proxy, tmp_path / "other-proxy")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        LlamaForCausalLM(LlamaConfig.from_pretrained(tiny_proxy)).save_pretrained(folder)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    names = [*folder.glob("gradients/**/*.parquet"), folder / "selected.jsonl", folder / "selection.parquet"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in names}


def put_into(source: Path, target: Path) -> None:
    """Everything that cost time, with its sums; the run is unfinished again."""
    for path in [*source.glob("gradients/**/*.*"), *source.glob("proxy/cycle-*")]:
        shutil.copyfile(path, target / path.relative_to(source))
    (target / "manifest.json").unlink()


def kept_fidelity(folder: Path) -> str:
    return (folder / "gradients" / "fidelity.json").read_text()


CHANGES = [{"seed": 1}, {"loss": "sum"}, {"sketch": "rademacher"}, {"model": ""}]


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_parts_of_the_same_rows_under_other_settings_are_computed_again(
    corpus: Corpus, options, tmp_path: Path, computed, other_proxy: Path, change
) -> None:
    path = corpus()
    change = {"model": str(other_proxy)} if "model" in change else change
    own = spice.select(path, out=tmp_path / "own" / "r", **options)
    expected, fidelity, parts = contents(own.path), kept_fidelity(own.path), len(computed)
    other = spice.select(path, out=tmp_path / "other" / "r", **{**options, **change})
    assert other.features.rows.tolist() == own.features.rows.tolist()
    put_into(other.path, own.path)
    computed.clear()
    again = spice.select(path, out=own.path, **options)
    assert len(computed) == parts
    assert contents(again.path) == expected
    assert kept_fidelity(again.path) == fidelity


def test_a_warm_adapter_of_another_run_is_trained_again(corpus: Corpus, options, tmp_path: Path) -> None:
    path, options = corpus(), {**options, "warmup_rows": 12}
    own = spice.select(path, out=tmp_path / "own" / "r", **options)
    adapter = own.path / "gradients" / "warm.safetensors"
    expected, trained = contents(own.path), adapter.read_bytes()
    put_into(spice.select(path, out=tmp_path / "other" / "r", **options, seed=1).path, own.path)
    assert adapter.read_bytes() != trained
    assert contents(spice.select(path, out=own.path, **options).path) == expected
    assert adapter.read_bytes() == trained


def test_settings_of_the_warm_up_are_in_the_identity_of_a_run_that_asks_for_one(
    corpus: Corpus, options, tmp_path: Path
) -> None:
    path, named = corpus(), {"warm", "warm_checkpoints"}
    cold = spice.select(path, out=tmp_path / "cold" / "r", **options)
    assert not named & cold.manifest["identity"].keys()
    warm = spice.select(path, out=tmp_path / "warm" / "r", **options, warm=True, warm_checkpoints=2)
    assert named <= warm.manifest["identity"].keys()


def test_gradients_of_a_neighbour_come_with_its_adapters(
    corpus: Corpus, options, tmp_path: Path, computed, monkeypatch
) -> None:
    path, options = corpus(), {**options, "warm": True, "warm_checkpoints": 2}
    own = spice.select(path, out=tmp_path / "runs" / "one", **options)
    (own.path / "gradients" / "fidelity.json").unlink()  # so that the other must open the proxy
    computed.clear()
    monkeypatch.setattr("spice_select.features.proxy.train_warmup", lambda *a, **k: pytest.fail("trained again"))
    other = spice.select(path, out=tmp_path / "runs" / "two", **{**options, "budget": "50%"})
    assert not computed
    for name in ("warm-1.safetensors", "warm.safetensors"):
        assert (other.path / "gradients" / name).read_bytes() == (own.path / "gradients" / name).read_bytes()


def test_pools_of_several_seeds_are_drawn_from_the_gradients_of_one(corpus: Corpus, options, tmp_path: Path, computed):
    path, options = corpus(), {**options, "schedule": "pools", "pool_size": 6, "budget": "40%"}
    first = spice.select(path, out=tmp_path / "runs" / "one", **options, seed=3)
    computed.clear()
    other = spice.select(path, out=tmp_path / "runs" / "two", **options, seed=4, proxy_seed=3)
    assert not computed
    assert np.array_equal(other.features.features, first.features.features)
    assert not np.array_equal(other.row_numbers, first.row_numbers)
    own = spice.select(path, out=tmp_path / "runs" / "three", **options, seed=4)
    assert computed
    assert not np.array_equal(own.features.features, first.features.features)


MOVING = {"schedule": "interleaved", "pool_size": 8, "update_every": 2, "learning_rate": 0.02, "lora_rank": 4}


@pytest.mark.parametrize("change", [{"seed": 1}, {"learning_rate": 0.01}, {"conflict_weight": 3.0}], ids=str)
def test_pools_and_states_of_another_interleaved_run_are_made_again(
    corpus: Corpus, options, tmp_path: Path, change
) -> None:
    path, options = corpus(), {**options, **MOVING}
    own = spice.select(path, out=tmp_path / "own" / "r", **options)
    expected = contents(own.path)
    put_into(spice.select(path, out=tmp_path / "other" / "r", **{**options, **change}).path, own.path)
    assert contents(spice.select(path, out=own.path, **options).path) == expected


def test_a_part_of_an_interleaved_run_renamed_over_another_is_computed_again(
    corpus: Corpus, options, tmp_path: Path, computed
) -> None:
    path, options = corpus(), {**options, **MOVING, "epochs": 2}
    own = spice.select(path, out=tmp_path / "r", **options)
    expected, parts = contents(own.path), own.path / "gradients"
    for suffix in (".parquet", ".sha256"):
        shutil.copyfile(parts / f"part-00003{suffix}", parts / f"part-00001{suffix}")
        shutil.copyfile(parts / f"epoch-000/part-00002{suffix}", parts / f"part-00002{suffix}")
    (own.path / "manifest.json").unlink()
    computed.clear()
    assert contents(spice.select(path, out=own.path, **options).path) == expected
    assert len(computed) == 2


def test_a_state_of_the_proxy_renamed_over_another_is_not_taken(corpus: Corpus, options, tmp_path: Path) -> None:
    run = spice.select(corpus(), out=tmp_path / "r", **options, **MOVING)
    folder = run.path / "proxy"
    newest = sorted(folder.glob("cycle-*.safetensors"))[-1]
    number = int(newest.stem.removeprefix("cycle-"))
    assert Checkpoints(folder).newest(99) == number
    for suffix in (".safetensors", ".sha256"):
        shutil.copyfile(newest.with_suffix(suffix), folder / f"cycle-{number + 1:05d}{suffix}")
    assert Checkpoints(folder).newest(99) == number
    assert Checkpoints(folder, "another run").newest(99) is None


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[200] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("harm", [flip, Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:-3])])
def test_a_harmed_part_of_a_finished_run_is_not_read_and_the_same_command_mends_it(
    corpus: Corpus, options, tmp_path: Path, computed, harm
) -> None:
    path = corpus()
    run = spice.select(path, out=tmp_path / "r", **options)
    expected = contents(run.path)
    harm(run.path / "gradients" / "part-00001.parquet")
    with pytest.raises(InputError, match=r"part-00001.*same `spice select`"):
        _ = spice.load(run.path).features
    computed.clear()
    assert contents(spice.select(path, out=run.path, **options).path) == expected
    assert len(computed) == 1
    computed.clear()
    spice.select(path, out=run.path, **options)
    assert not computed


def test_a_finished_run_whose_gradients_were_thrown_away_stays_finished(
    corpus: Corpus, options, tmp_path: Path, computed
) -> None:
    path = corpus()
    run = spice.select(path, out=tmp_path / "r", **options)
    shutil.rmtree(run.path / "gradients")
    computed.clear()
    assert len(spice.select(path, out=run.path, **options).dataset) == 10
    assert not computed
    with pytest.raises(InputError, match="missing"):
        _ = spice.load(run.path).features


def test_a_damaged_manifest_is_written_again_and_nothing_else_is_computed(
    corpus: Corpus, options, tmp_path: Path, computed
) -> None:
    path = corpus()
    run = spice.select(path, out=tmp_path / "r", **options)
    expected, manifest = contents(run.path), run.path / "manifest.json"
    manifest.write_bytes(manifest.read_bytes()[:-20])
    with pytest.raises(InputError, match="made this folder again"):
        spice.load(run.path)
    computed.clear()
    assert contents(spice.select(path, out=run.path, **options).path) == expected
    assert not computed
    assert json.loads(manifest.read_text())["parts"] > 1


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"origin": "x", "dim": 3}'])
def test_a_damaged_check_of_the_sketch_is_made_again(corpus: Corpus, options, tmp_path: Path, content: str) -> None:
    path = corpus()
    run = spice.select(path, out=tmp_path / "r", **options)
    expected = kept_fidelity(run.path)
    (run.path / "gradients" / "fidelity.json").write_text(content)
    (run.path / "manifest.json").unlink()
    assert kept_fidelity(spice.select(path, out=run.path, **options).path) == expected


def edit_config(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "rms_norm_eps": 0.1}))


def edit_tokenizer(folder: Path) -> None:
    """Two tokens change places: every row is as long as before, and its gradient another."""
    content = json.loads((folder / "tokenizer.json").read_text())
    vocabulary = content["model"]["vocab"]
    one, other = [token for token, number in vocabulary.items() if token in ("1", "2")]
    vocabulary[one], vocabulary[other] = vocabulary[other], vocabulary[one]
    (folder / "tokenizer.json").write_text(json.dumps(content))


@pytest.mark.parametrize("edit", [edit_config, edit_tokenizer])
def test_a_model_whose_weights_stay_and_whose_other_files_change_is_another(
    corpus: Corpus, options, tmp_path: Path, tiny_proxy: Path, computed, edit
) -> None:
    path, model = corpus(), shutil.copytree(tiny_proxy, tmp_path / "model")
    run = spice.select(path, out=tmp_path / "runs" / "r", **{**options, "model": str(model)})
    (model / "README.md").write_text("what changes nothing")
    computed.clear()
    spice.select(path, out=run.path, **{**options, "model": str(model)})
    assert not computed
    edit(model)
    with pytest.raises(InputError, match="model_files_sha256"):
        spice.select(path, out=run.path, **{**options, "model": str(model)})
    spice.select(path, out=tmp_path / "runs" / "s", **{**options, "model": str(model)})
    assert computed  # nor are the neighbour's gradients taken
