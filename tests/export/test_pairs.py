"""Chosen pairs in the layouts of the trainers: what they train on is what the selection saw, or the row is left out."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from spice_select.data.encoding import Encoder
from spice_select.data.encoding.pairs import encode_pairs
from spice_select.data.formats import PREFERENCE
from spice_select.data.records import Pair, PairExample, Row
from spice_select.errors import InputError
from spice_select.export import Trl, export_run
from spice_select.export.preference.losses import PairLoss
from spice_select.export.recipe import TrainingRecipe
from spice_select.run.finished import Run
from spice_select.testing.tokenizers import CHATML_WITH_TOOLS, tiny_tokenizer
from tests.data.cases import chat
from tests.data.pair_cases import CHOSEN, FAMILIES, QUESTION, REJECTED
from tests.export.test_llamafactory_rules import converted as answers_converted
from tests.export.test_llamafactory_rules import parsed
from tests.training.runs import finished_run, lines

CALLING = {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "add", "arguments": {"a": 1}}}]}
RESULT = {"role": "tool", "content": "3"}
TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {}}}}


def pair(*asked: tuple[str, str], chosen: Any = "yes", rejected: Any = "no, never", **more: Any) -> dict[str, Any]:
    sides = {
        name: side if isinstance(side, list) else chat(("assistant", side))
        for name, side in (("chosen", chosen), ("rejected", rejected))
    }
    return {"prompt": chat(*(asked or (("user", "Really?"),))), **sides, **more}


ROWS: dict[str, dict[str, Any]] = {
    "plain": pair(source="talk", id=7),
    "system": pair(("system", "Be kind."), ("user", "Good morning. ")),
    "several turns": pair(("user", "2+2?"), ("assistant", "Five."), ("user", "Again."), chosen="Four.", rejected="4.1"),
    "shared words": pair(chosen="It is green 😀", rejected="It is grey"),
    "a prefix": pair(chosen="yes", rejected="yes, it is"),
    "edges": pair(chosen=" spaces around ", rejected="\nlines\n"),
}
OTHER: dict[str, dict[str, Any]] = {
    "a tool in the answer": pair(chosen=[CALLING, RESULT, *chat(("assistant", "Three."))], tools=[TOOL]),
    "a call": pair(chosen=[CALLING], rejected="I cannot add.", tools=[TOOL]),
    "a call in the prompt": {**pair(chosen="Three."), "prompt": [*chat(("user", "1+2?")), CALLING, RESULT]},
    "two results": {**pair(chosen="Three."), "prompt": [*chat(("user", "1+2?")), CALLING, RESULT, RESULT]},
    "reasoning": pair(chosen=[{"role": "assistant", "content": "yes", "reasoning_content": "Surely."}]),
}
ALL = ROWS | OTHER


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return tiny_tokenizer(CHATML_WITH_TOOLS)


@pytest.fixture(scope="module")
def model(tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("model")
    tokenizer.save_pretrained(folder)
    (folder / "config.json").write_text('{"model_type": "llama"}')
    return str(folder)


def run_of(folder: Path, rows: dict[str, dict[str, Any]], **settings: Any) -> Run:
    return finished_run(folder, list(rows.values()), PREFERENCE.name, **settings)


def seen(rows: dict[str, dict[str, Any]], tokenizer: Any) -> list[PairExample]:
    """The pairs as the selection sees them."""
    found = [PREFERENCE.read(Row(number=number, raw=raw, where="")) for number, raw in enumerate(rows.values())]
    pairs = [one for one in found if isinstance(one, Pair)]
    examples = [one for one in encode_pairs(pairs, Encoder(tokenizer)) if isinstance(one, PairExample)]
    assert len(examples) == len(rows)
    return examples


def left_out(done: Any, rows: dict[str, dict[str, Any]]) -> dict[str, str]:
    names = list(rows)
    return {names[drop.row]: drop.reason for drop in done.left_out}


# ---- TRL itself


def prepared(folder: Path, tiny_proxy: Path, tokenizer: Any) -> Any:
    """The rows after `DPOTrainer`'s own preparation."""
    pytest.importorskip("trl")
    from datasets import load_dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM
    from trl import DPOConfig, DPOTrainer

    rows = load_dataset(str(folder), cache_dir=str(folder.parent / "cache"))["train"]
    config = DPOConfig(output_dir=str(folder.parent / "o"), report_to="none", use_cpu=True, bf16=False, max_length=999)
    model, lora = AutoModelForCausalLM.from_pretrained(tiny_proxy), LoraConfig(task_type="CAUSAL_LM")
    return DPOTrainer(model, args=config, train_dataset=rows, processing_class=tokenizer, peft_config=lora)


def test_trl_trains_on_the_tokens_that_the_selection_saw_and_on_the_line_end(
    tmp_path: Path, tiny_proxy: Path, tokenizer: Any, model: str
) -> None:
    done = export_run(run_of(tmp_path / "r", ALL), "trl", model=model)
    assert left_out(done, ALL) == {"a tool in the answer": "several-answer-turns"}
    rows = {name: row for name, row in ALL.items() if name != "a tool in the answer"}
    found = prepared(done.path, tiny_proxy, tokenizer).train_dataset
    due = seen(rows, tokenizer)
    assert len(found) == len(due)
    for row, example in zip(found, due, strict=True):
        for name in ("chosen", "rejected"):
            side = getattr(example, name)
            assert [*row["prompt_ids"], *row[f"{name}_ids"]] == side.input_ids.tolist()
            mask = [False] * len(row["prompt_ids"]) + [True] * len(row[f"{name}_ids"])
            assert [*mask[:-1], False] == side.supervised.tolist()  # ChatML's line end


def test_every_layout_is_exported_as_explicit_messages(tmp_path: Path) -> None:
    done = export_run(run_of(tmp_path / "r", FAMILIES), "trl", keep_spice=True)
    from datasets import load_dataset

    rows = load_dataset(str(done.path), cache_dir=str(tmp_path / "cache"))["train"]
    assert set(rows.column_names) == {"prompt", "chosen", "rejected", "spice"}
    assert {json.dumps({name: row[name] for name in ("prompt", "chosen", "rejected")}) for row in rows} == {
        json.dumps(
            {
                "prompt": chat(("user", QUESTION)),
                "chosen": chat(("assistant", CHOSEN)),
                "rejected": chat(("assistant", REJECTED)),
            }
        )
    }
    card = done.path.joinpath("README.md").read_text()
    assert "source" not in card.split("## Columns")[0].split("tags")[0]
    assert "| pair_gradient | `sum` |" in card
    assert "| loss |" not in card


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("sum", 'loss_type=["sigmoid"]'),
        ("mean", 'loss_type=["sigmoid_norm"]'),
        ("tail", "ld_alpha=0.2"),
    ],
)
def test_the_loss_is_that_of_the_gradients(tmp_path: Path, how: str, words: str) -> None:
    from dataclasses import replace

    from spice_select.export.base import Origin
    from spice_select.export.preference.recipe import PairRecipe
    from spice_select.export.preference.script import pair_script

    identity = {"pair_gradient": how, **({"pair_tail": 0.2} if how == "tail" else {})}
    origin = Origin(
        run="r", corpus="c", identity=identity, selected_sha256="0", chosen=1, model="m", max_length=77, version="0"
    )
    said = pair_script(origin, PairRecipe(beta=0.3), PairLoss.of(identity), data="data/x.parquet")
    assert words in said
    assert f"its gradient is that of --pair-gradient {how}" in said
    assert "beta=0.3" in said
    assert "max_length=77" in said
    compile(said, "train.py", "exec")
    bare = pair_script(replace(origin, identity={}), PairRecipe(), PairLoss.of({}), data="x")
    assert "ld_alpha" not in bare
    assert 'loss_type=["sigmoid"]' in bare


@pytest.mark.parametrize("destination", ["trl", "llamafactory", "axolotl"])
@pytest.mark.parametrize("how", ["chosen", "tail"])
def test_no_loss_is_said_to_be_that_of_the_gradients_where_it_is_not(
    tmp_path: Path, model: str, destination: str, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loss = PairLoss.of({"pair_gradient": how})
    monkeypatch.setattr(PairLoss, "of", lambda _: loss)
    done = export_run(run_of(tmp_path / "r", {"plain": ROWS["plain"]}), destination, model=model)
    written = "".join(path.read_text() for path in done.path.iterdir() if path.suffix in (".py", ".yaml"))
    is_its_own = how == "tail" and destination != "axolotl"
    assert ("its gradient is that of" in written) == is_its_own
    assert any("the chosen answers alone" in line for line in done.steps) == (how == "chosen")


def test_the_script_trains_and_says_what_trl_drops(tmp_path: Path, tiny_proxy: Path) -> None:
    pytest.importorskip("trl")
    from transformers import AutoModelForCausalLM

    model = tmp_path / "model"
    AutoModelForCausalLM.from_pretrained(tiny_proxy).save_pretrained(model)
    tiny_tokenizer().save_pretrained(model)
    quiet = {**os.environ, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "train.py", "--max-steps", "1", "--out", str(tmp_path / "tuned")]
    long = {**ROWS, "long": pair(("user", "words and words " * 40))}
    for name, rows, length in (("whole", ROWS, 200), ("long", long, 80)):
        done = export_run(run_of(tmp_path / name, rows, max_length=length), "trl", model=str(model))
        ran = subprocess.run(
            command, cwd=done.path, env=quiet, check=False, capture_output=True, text=True, timeout=400
        )
        assert ran.returncode == (1 if name == "long" else 0), ran.stderr
    assert "TRL drops 1 of 7 pairs" in ran.stderr
    assert (tmp_path / "tuned" / "adapter_model.safetensors").is_file()


# ---- LLaMA-Factory's converter, from its definition


def converted(line: dict[str, Any], info: dict[str, Any]) -> dict[str, Any] | None:
    """The sharegpt converter of a ranking data set: what is asked and both answers, None for a row that is skipped."""
    known = parsed(info)
    sides = [line[known[name]] if known[name] else None for name in ("chosen", "rejected")]
    if not info["ranking"] or not all(isinstance(side, dict) for side in sides):
        return None
    ends = (known["assistant_tag"], known["function_tag"])
    if any(side[known["role_tag"]] not in ends for side in sides):
        return None
    both = [answers_converted({"messages": [*line["messages"], side]}, info) for side in sides]
    return None if None in both else {"chosen": both[0], "rejected": both[1]}


def test_llamafactory(tmp_path: Path) -> None:
    done = export_run(run_of(tmp_path / "r", ALL), "llamafactory")
    assert left_out(done, ALL) == {
        "a tool in the answer": "several-answer-turns",
        "two results": "turns-do-not-alternate",
        "reasoning": "reasoning",
    }
    (info,) = json.loads((done.path / "dataset_info.json").read_text()).values()
    assert info["ranking"] is True
    config = yaml.safe_load((done.path / "train.yaml").read_text())
    assert (config["stage"], config["pref_loss"], config["pref_beta"]) == ("dpo", "sigmoid", 0.1)
    rows = lines(done.path / info["file_name"])
    assert all(converted(row, info) is not None for row in rows)
    assert converted(rows[1], info) == {
        "chosen": {"system": "Be kind.", "said": ["Good morning. ", "yes"]},
        "rejected": {"system": "Be kind.", "said": ["Good morning. ", "no, never"]},
    }
    without = {**info, "columns": {name: name for name in ("messages", "tools")}}
    assert converted(rows[0], without) is None  # the trap: a column left out is None


# ---- axolotl's transform, from its definition


def read_by_axolotl(row: dict[str, Any], config: dict[str, Any], tokenizer: Any) -> dict[str, str]:
    """Prompt and answers as texts, which DPOTrainer joins."""
    (settings,) = config["datasets"]
    roles = {source: target for target, sources in settings["roles"].items() for source in sources}
    names = settings["message_property_mappings"]

    def turn(message: dict[str, Any]) -> dict[str, Any]:
        return {"role": roles[message[names["role"]]], "content": message[names["content"]]}

    def shown(messages: list[dict[str, Any]], **how: Any) -> str:
        return tokenizer.apply_chat_template(messages, tokenize=False, **how)

    texts = {"prompt": shown([turn(one) for one in row[settings["field_messages"]]], add_generation_prompt=True)}
    for name in ("chosen", "rejected"):
        answer = turn(row[settings[f"field_{name}"]])
        text = shown([{"role": "user", "content": "[[dummy_message]]"}, answer])
        texts[name] = text[text.find(answer["content"]) :].rstrip()
    return texts


def test_axolotl(tmp_path: Path, tokenizer: Any, model: str) -> None:
    named = {"user": pair(chosen="user", rejected="assistant")}
    rows = ALL | named
    done = export_run(run_of(tmp_path / "r", rows), "axolotl", model=model)
    reasons = {
        "a tool in the answer": "several-answer-turns",
        "a call": "tools",
        "a call in the prompt": "fields-of-turns",
        "two results": "fields-of-turns",
        "reasoning": "fields-of-turns",
        "user": "other-tokens",
    }
    assert left_out(done, rows) == reasons
    config = yaml.safe_load((done.path / "axolotl.yaml").read_text())
    assert (config["rl"], config["datasets"][0]["type"]) == ("dpo", "chat_template.default")
    kept = {name: row for name, row in rows.items() if name not in reasons}
    for row, example in zip(lines(done.path / "train.jsonl"), seen(kept, tokenizer), strict=True):
        texts = read_by_axolotl(row, config, tokenizer)
        for name in ("chosen", "rejected"):
            ids = tokenizer(texts["prompt"] + texts[name], add_special_tokens=False)["input_ids"]
            assert ids == getattr(example, name).input_ids.tolist()[:-1]  # without ChatML's line end
            answer = tokenizer(texts[name], add_special_tokens=False)["input_ids"]
            assert len(answer) == getattr(example, name).num_supervised


# ---- rows as they came, and what is refused


def test_jsonl_gives_rows_back_as_they_came(tmp_path: Path) -> None:
    done = export_run(run_of(tmp_path / "r", FAMILIES | ALL), "jsonl")
    assert lines(done.path / "train.jsonl") == list((FAMILIES | ALL).values())
    noted = export_run(run_of(tmp_path / "s", ROWS), "jsonl", keep_spice=True)
    assert lines(noted.path / "train.jsonl")[1]["spice"]["rank"] == 2


@pytest.mark.parametrize(
    "told", [{"margin": "2.5"}, {"score_chosen": 8, "score_rejected": "6"}, {"chosen-rating": 5, "rejected-rating": 4}]
)
def test_scores_that_no_trainer_is_given_are_named(tmp_path: Path, told: dict[str, Any]) -> None:
    run = run_of(tmp_path / "r", {"scored": {**ROWS["plain"], **told}, "bare": ROWS["system"]})
    for destination in ("trl", "llamafactory", "axolotl"):
        done = export_run(run, destination, out=tmp_path / destination)
        (lost,) = (note for note in done.notes if "not exported" in note)
        assert all(f"{name} (1 row)" in lost for name in told)


def test_what_does_not_fit_is_refused_by_name(tmp_path: Path) -> None:
    run = run_of(tmp_path / "r", ROWS)
    with pytest.raises(InputError, match="--messages on preference pairs"):
        export_run(run, Trl(messages=True))
    tools = run_of(tmp_path / "t", {"one": OTHER["a tool in the answer"]})
    with pytest.raises(InputError, match=r"can be expressed for trl \(several-answer-turns 1\)"):
        export_run(tools, "trl")


def test_a_recipe_for_answers_is_taken_for_pairs(tmp_path: Path) -> None:
    run = run_of(tmp_path / "r", ROWS)
    done = export_run(run, Trl(TrainingRecipe(learning_rate=3e-6, epochs=7)), out=tmp_path / "x")
    said = (done.path / "train.py").read_text()
    assert "learning_rate=3e-06" in said
    assert "num_train_epochs=7" in said
    assert "learning_rate=5e-06" in (export_run(run, "trl", out=tmp_path / "y").path / "train.py").read_text()
