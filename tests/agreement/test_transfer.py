"""Two models on one sample: what must agree, what cannot, and what is refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

import spice_select
from spice_select import Run
from spice_select.agreement import stage
from spice_select.errors import InputError
from tests.agreement.models import write_other

Command = Callable[..., tuple[int, str, str]]
OPTIONS: dict[str, Any] = {"sketch_dim": 256, "dtype": "float32", "device": "cpu"}


@pytest.fixture
def run(tiny_proxy: Path, corpus: Callable[..., Path], sums: Callable[..., Any], tmp_path: Path) -> Run:
    file = corpus(sums(60, seed=7))
    return spice_select.select(
        file, model=str(tiny_proxy), budget=0.2, normalise="none", out=tmp_path / "run", **OPTIONS
    )


def test_a_model_agrees_with_itself_wholly(run: Run, tiny_proxy: Path) -> None:
    found = spice_select.transfer(run.path, model=tiny_proxy, sample=40, dtype="float32")
    assert (found.rows, found.picks, found.overlap, found.jaccard) == (40, 8, 8, 1.0)
    for value in (found.norms, found.losses, found.base_gains, found.cosines, found.alignment):
        assert value == pytest.approx(1, abs=1e-3)
    assert found.sentence.startswith("The two models choose alike: 8 of 8")
    assert all(shares.ours == shares.theirs for shares in found.sources)


def test_the_runs_own_features_are_reused(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    plain = stage.features_of_sample
    monkeypatch.setattr(stage, "features_of_sample", lambda *a: asked.append(a[1]) or plain(*a))
    other = write_other(tmp_path / "other")
    spice_select.transfer(run, model=other, sample=20)
    assert asked == [str(other)]


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json", "model.safetensors"])
def test_a_model_that_changed_since_the_run_is_not_taken_for_the_runs(
    run: Run, tiny_proxy: Path, tmp_path: Path, name: str
) -> None:
    """Its features are the recorded ones, the ceiling's would be another model's."""
    moved = shutil.copytree(tiny_proxy, tmp_path / "proxy")
    again = spice_select.select(
        tmp_path / "train.jsonl", model=str(moved), budget=0.2, out=tmp_path / "again", **OPTIONS
    )
    spice_select.transfer(again, model=tiny_proxy, sample=8, ceiling=True)
    if name.endswith(".json"):
        (moved / name).write_text(json.dumps({**json.loads((moved / name).read_text()), "added": 1}))
    else:
        _with_other_weights(moved / name)
    with pytest.raises(InputError, match=r"no longer the one that .*again chose with; its .* changed: SHA-256"):
        spice_select.transfer(again, model=tiny_proxy, sample=8, ceiling=True)


def test_a_model_without_finite_gradients_is_named(run: Run, tiny_proxy: Path, tmp_path: Path) -> None:
    damaged = shutil.copytree(tiny_proxy, tmp_path / "damaged")
    tensors = load_file(damaged / "model.safetensors")
    next(iter(tensors.values())).fill_(float("nan"))
    save_file(tensors, damaged / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"model .*damaged: only 0 of 8 rows .* weights may be damaged"):
        spice_select.transfer(run, model=damaged, sample=8)
    with pytest.raises(InputError, match=r"no step was made before it: the model's weights may be damaged"):
        spice_select.train(run, model=str(damaged), out=tmp_path / "t", max_steps=1, device="cpu")


def _with_other_weights(path: Path) -> None:
    from safetensors.torch import load_file, save_file

    save_file({name: tensor * 1.01 for name, tensor in load_file(path).items()}, path, metadata={"format": "pt"})


def test_another_family_is_compared_on_its_own_template(run: Run, tmp_path: Path) -> None:
    found = spice_select.transfer(run, model=write_other(tmp_path / "other"), sample=60, share="25%", ceiling=True)
    assert found.picks == 15
    assert sum(shares.rows for shares in found.sources) == found.rows == 60
    assert sum(shares.theirs for shares in found.sources) == found.picks
    assert -1 <= found.cosines < 0.999
    assert found.ceiling is not None
    assert 0 <= found.ceiling <= found.picks
    assert "is qwen2" in found.kinship
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["overlap"] == found.overlap


def test_the_sample_is_a_function_of_its_seed(run: Run, tmp_path: Path) -> None:
    other = write_other(tmp_path / "other")
    once = spice_select.transfer(run, model=other, sample=20, seed=3)
    assert spice_select.transfer(run, model=other, sample=20, seed=3) == once
    assert spice_select.transfer(run, model=other, sample=20, seed=4) != once


def test_unit_norms_have_no_base_gains_to_compare(
    tiny_proxy: Path, corpus: Callable[..., Path], tmp_path: Path
) -> None:
    run = spice_select.select(
        corpus(), model=str(tiny_proxy), budget=0.2, normalise="unit", out=tmp_path / "unit", **OPTIONS
    )
    found = spice_select.transfer(run, model=write_other(tmp_path / "other"), sample=30)
    assert found.base_gains != found.base_gains
    assert found.to_json()["base_gains"] is None


def test_a_run_that_chose_everything_needs_a_share(
    tiny_proxy: Path, corpus: Callable[..., Path], tmp_path: Path
) -> None:
    run = spice_select.select(corpus(), model=str(tiny_proxy), budget=1.0, out=tmp_path / "all", **OPTIONS)
    with pytest.raises(InputError, match="Give a smaller --share"):
        spice_select.transfer(run, model=tiny_proxy)
    assert spice_select.transfer(run, model=tiny_proxy, share=0.1).picks == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sample": 3, "share": "x"}, "sample = 3: input should be (?s:.*)share: budget 'x': not a budget"),
        ({"share": "21", "sample": 20}, "--share 21 of --sample 20: budget 21: more rows than"),
        ({"share": "1M-tokens"}, "a number of tokens, where a number of rows is needed"),
        ({"dtyp": "float32"}, "unknown setting 'dtyp'.*Did you mean 'dtype'"),
        ({"dtype": "float31"}, "dtype = 'float31'"),
        ({"model": "/gone/model"}, "no such directory"),
    ],
)
def test_what_cannot_be_compared_is_refused(run: Run, tiny_proxy: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        spice_select.transfer(run, **{"model": tiny_proxy, **options})


def test_a_draw_is_refused(
    tiny_proxy: Path, corpus: Callable[..., Path], sums: Callable[..., Any], tmp_path: Path
) -> None:
    asked = {"model": str(tiny_proxy), "sketch_dim": 64, "batch_tokens": 512}
    drawn = spice_select.select(corpus(sums(40)), out=tmp_path / "drawn", method="source-shares", **asked)
    with pytest.raises(InputError, match="drawn by --method source-shares, whose draws of one seed agree"):
        spice_select.transfer(drawn.path, model=str(tiny_proxy))


def test_a_model_that_lacks_the_runs_layers_is_refused(
    tiny_proxy: Path, corpus: Callable[..., Path], tmp_path: Path
) -> None:
    run = spice_select.select(
        corpus(), model=str(tiny_proxy), budget=4, lora_targets=["o_proj"], out=tmp_path / "run", **OPTIONS
    )
    from transformers import GPT2Config, GPT2LMHeadModel

    other = tmp_path / "gpt2"
    GPT2LMHeadModel(GPT2Config(vocab_size=384, n_embd=16, n_layer=1, n_head=2)).save_pretrained(other)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(tiny_proxy / name, other / name)
    with pytest.raises(InputError, match="target layer 'o_proj'"):
        spice_select.transfer(run, model=other)


def test_the_command_prints_a_verdict_and_writes_json(spice: Command, run: Run, tmp_path: Path) -> None:
    out = tmp_path / "found" / "transfer.json"
    other = write_other(tmp_path / "other")
    code, text, _ = spice("transfer", run.path, "--model", other, "--sample", 30, "--out", out)
    assert code == 0
    found = json.loads(out.read_text())
    assert found["sentence"] in " ".join(text.split())
    assert "picks in common" in text
    assert {shares["source"] for shares in found["sources"]} == {"math", "talk"}


def test_a_run_whose_own_model_changed_is_not_taken_for_it_again(
    tiny_proxy: Path, corpus: Callable[..., Path], sums: Callable[..., Any], tmp_path: Path
) -> None:
    proxy = tmp_path / "proxy"
    shutil.copytree(tiny_proxy, proxy)
    run = spice_select.select(corpus(sums(40)), model=str(proxy), budget=0.2, out=tmp_path / "run", **OPTIONS)
    config = json.loads((proxy / "config.json").read_text())
    (proxy / "config.json").write_text(json.dumps({**config, "sliding_window": 8, "rms_norm_eps": 0.1}))
    with pytest.raises(
        InputError, match=r"no longer the one .* SHA-256 [0-9a-f]{64} then, [0-9a-f]{64} now.*old files"
    ):
        spice_select.transfer(run, model=tiny_proxy, sample=20, dtype="float32", ceiling=True)
    found = spice_select.transfer(run, model=tiny_proxy, sample=20, dtype="float32")
    assert found.overlap == found.picks  # the run's kept gradients are those of the model as it was
    assert any("no longer the one it chose with" in note for note in found.notes)


@pytest.mark.parametrize("settings", [{}, {"method": "less"}, {"schedule": "interleaved", "pool_size": 20}], ids=str)
def test_a_choice_for_a_target_is_compared_for_that_target(
    settings: dict[str, Any], tiny_proxy: Path, corpus: Callable[..., Path], sums: Callable[..., Any], tmp_path: Path
) -> None:
    file, target = corpus(sums(60, seed=7)), tmp_path / "target.jsonl"
    rows = [{**row, "task": "a" if number < 5 else "b"} for number, row in enumerate(sums(10, seed=9))]
    target.write_text("".join(json.dumps(row) + "\n" for row in rows))
    run = spice_select.select(
        file, target=target, hold_out_target=True, model=str(tiny_proxy), budget=0.2, out=tmp_path / "run",
        **OPTIONS, **settings,
    )  # fmt: skip
    same = spice_select.transfer(run, model=tiny_proxy, sample=40, dtype="float32")
    assert same.overlap == same.picks == 8
    other = write_other(tmp_path / "other")
    found = spice_select.transfer(run, model=other, sample=40, ceiling=True)
    assert 0 <= found.overlap <= found.picks
    target.write_text("".join(json.dumps(row) + "\n" for row in rows[1:]))
    with pytest.raises(InputError, match=r"target\.jsonl: its rows are no longer those that .*run chose for"):
        spice_select.transfer(run, model=other, sample=40)


def test_rows_that_could_not_be_chosen_are_not_in_the_sample(
    tiny_proxy: Path, corpus: Callable[..., Path], sums: Callable[..., Any], tmp_path: Path
) -> None:
    rows, target = sums(40, seed=7), tmp_path / "target.jsonl"
    target.write_text("".join(json.dumps(row) + "\n" for row in rows[:20]))
    run = spice_select.select(
        corpus(rows), target=target, model=str(tiny_proxy), budget=0.2, out=tmp_path / "run", **OPTIONS
    )
    assert spice_select.transfer(run, model=tiny_proxy, sample=40, dtype="float32").rows == 20
