"""Chosen marked answers in the layouts of KTO's trainers: they train on what the selection saw."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from spice_select.data.encoding import Encoder
from spice_select.data.formats import MARKED
from spice_select.data.records import Conversation, Example, Row
from spice_select.errors import InputError
from spice_select.export import Trl, export_run
from spice_select.export.marked.weights import MarkWeights
from spice_select.testing.tokenizers import CHATML_WITH_TOOLS, tiny_tokenizer
from tests.data.cases import chat
from tests.data.marked_cases import ANSWER, LAYOUTS, QUESTION
from tests.export.test_llamafactory_rules import converted, parsed
from tests.export.test_pairs import CALLING, RESULT, TOOL
from tests.training.runs import finished_run, lines


def marked(*asked: tuple[str, str], answer: Any = "yes", label: bool = True, **more: Any) -> dict[str, Any]:
    said = answer if isinstance(answer, list) else chat(("assistant", answer))
    return {"prompt": chat(*(asked or (("user", "Really?"),))), "completion": said, "label": label, **more}


ROWS: dict[str, dict[str, Any]] = {
    "plain": marked(source="talk"),
    "bad": marked(answer="no, never", label=False),
    "system": marked(("system", "Be kind."), ("user", "Good morning. "), label=False),
    "several turns": marked(("user", "2+2?"), ("assistant", "Five."), ("user", "Again."), answer="Four."),
    "edges": marked(answer=" spaces around ", label=False),
}
OTHER = {
    "a tool in the answer": marked(answer=[CALLING, RESULT, *chat(("assistant", "Three."))], tools=[TOOL]),
    "a call": marked(answer=[CALLING], tools=[TOOL]),
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


def run_of(folder: Path, rows: dict[str, dict[str, Any]]) -> Any:
    return finished_run(folder, list(rows.values()), MARKED.name)


def seen(rows: dict[str, dict[str, Any]], tokenizer: Any) -> list[Example]:
    found = [MARKED.read(Row(number, raw, "")) for number, raw in enumerate(rows.values())]
    told = [one for one in found if isinstance(one, Conversation)]
    examples = [one for one in Encoder(tokenizer).encode_many(told) if isinstance(one, Example)]
    assert len(examples) == len(rows)
    return examples


def left_out(done: Any, rows: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {list(rows)[drop.row]: drop.reason for drop in done.left_out}


def test_trl_trains_on_the_tokens_that_the_selection_saw(
    tmp_path: Path, tiny_proxy: Path, tokenizer: Any, model: str
) -> None:
    pytest.importorskip("trl")
    from datasets import load_dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM
    from trl import KTOConfig, KTOTrainer

    done = export_run(run_of(tmp_path / "r", ALL), "trl", model=model)
    assert left_out(done, ALL) == {"a tool in the answer": "several-answer-turns"}
    rows = load_dataset(str(done.path), cache_dir=str(tmp_path / "cache"))["train"]
    config = KTOConfig(
        output_dir=str(tmp_path / "o"),
        report_to="none",
        use_cpu=True,
        bf16=False,
        max_length=999,
        per_device_train_batch_size=2,
    )
    proxy, lora = AutoModelForCausalLM.from_pretrained(tiny_proxy), LoraConfig(task_type="CAUSAL_LM")
    trainer = KTOTrainer(proxy, args=config, train_dataset=rows, processing_class=tokenizer, peft_config=lora)
    kept = {name: row for name, row in ALL.items() if name != "a tool in the answer"}
    for row, example in zip(trainer.train_dataset, seen(kept, tokenizer), strict=True):
        assert [*row["prompt_ids"], *row["completion_ids"]] == example.input_ids.tolist()
        mask = [False] * len(row["prompt_ids"]) + [True] * len(row["completion_ids"])
        assert [*mask[:-1], False] == example.supervised.tolist()  # ChatML's line end
        assert row["label"] is example.label
    script = (done.path / "train.py").read_text()
    compile(script, "train.py", "exec")
    assert "undesirable_weight=1.0" in script  # three good ones, three bad ones


def test_llamafactory_reads_the_tag(tmp_path: Path) -> None:
    rows = ALL | {"reasoning": marked(answer=[{"role": "assistant", "content": "y", "reasoning_content": "Hm."}])}
    done = export_run(run_of(tmp_path / "r", rows), "llamafactory")
    assert left_out(done, rows) == {"a tool in the answer": "several-answer-turns", "reasoning": "reasoning"}
    (info,) = json.loads((done.path / "dataset_info.json").read_text()).values()
    assert (info["ranking"], info["columns"]["kto_tag"]) == (False, "kto_tag")
    config = yaml.safe_load((done.path / "train.yaml").read_text())
    assert (config["stage"], config["kto_chosen_weight"], config["kto_rejected_weight"]) == ("kto", 1.0, 1.0)
    found = lines(done.path / info["file_name"])
    assert all(converted(row, info) is not None for row in found)
    assert [row["kto_tag"] for row in found] == [row["label"] for name, row in ALL.items() if name in {*ROWS, "a call"}]
    assert all(isinstance(row[parsed(info)["messages"]], list) for row in found)


def read_by_axolotl(row: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """Its `user_defined.default` of KTO, from its definition: the answer's format knows the name ``chosen`` alone."""
    prompt = ("{" + settings["field_prompt"] + "}").format(prompt=row["prompt"])
    answer = ("{" + settings["field_completion"] + "}").format(chosen=row[settings["field_completion"]])
    return {"prompt": prompt, "completion": answer, "label": row[settings["field_label"]]}


def test_axolotl_trains_on_the_same_tokens(tmp_path: Path, tokenizer: Any, model: str) -> None:
    done = export_run(run_of(tmp_path / "r", ALL), "axolotl", model=model)
    assert left_out(done, ALL) == {"a tool in the answer": "several-answer-turns", "a call": "tools"}
    config = yaml.safe_load((done.path / "axolotl.yaml").read_text())
    assert (config["rl"], config["remove_unused_columns"]) == ("kto", False)
    for row, example in zip(lines(done.path / "train.jsonl"), seen(ROWS, tokenizer), strict=True):
        read = read_by_axolotl(row, config["datasets"][0]["type"])
        whole = tokenizer(read["prompt"] + read["completion"])["input_ids"]
        assert whole == example.input_ids.tolist()[:-1]  # without ChatML's line end
        assert len(whole) - len(tokenizer(read["prompt"])["input_ids"]) == example.num_supervised
        assert read["label"] is example.label


def test_every_layout_is_exported_alike_and_as_it_came(tmp_path: Path) -> None:
    run = run_of(tmp_path / "r", LAYOUTS)
    from datasets import load_dataset

    done = export_run(run, "trl", out=tmp_path / "trl")
    rows = load_dataset(str(done.path), cache_dir=str(tmp_path / "cache"))["train"]
    due = {"prompt": chat(("user", QUESTION)), "completion": chat(("assistant", ANSWER)), "label": True}
    assert [dict(row) for row in rows] == [due] * len(LAYOUTS)
    as_came = export_run(run, "jsonl", out=tmp_path / "j")
    assert lines(as_came.path / "train.jsonl") == list(LAYOUTS.values())


def test_what_does_not_fit_is_refused_by_name(tmp_path: Path) -> None:
    run = run_of(tmp_path / "r", ROWS)
    with pytest.raises(InputError, match="--messages on answers marked good or bad"):
        export_run(run, Trl(messages=True))
    with pytest.raises(InputError, match=r"no tokenizer of it with one is on this machine"):
        export_run(run, "axolotl", model="nobody/nothing")


@pytest.mark.parametrize(("labels", "due"), [((1, 0, 0, 0), (3.0, 1.0)), ((1, 1, 0), (1.0, 2.0)), ((1, 1), (1.0, 1.0))])
def test_both_marks_pull_alike(labels, due) -> None:
    weights = MarkWeights.of([bool(label) for label in labels])
    assert (weights.good, weights.bad) == due


@pytest.mark.parametrize("destination", ["trl", "llamafactory", "axolotl"])
def test_an_export_with_one_mark_alone_says_so(destination: str, tmp_path: Path, model: str) -> None:
    """As where a trainer cannot take the rows of the other mark."""
    rows = {"good": ROWS["plain"], "bad": {**OTHER["a tool in the answer"], "label": False}}
    done = export_run(run_of(tmp_path / "run", rows), destination, out=tmp_path / "out", model=model)
    assert (done.rows, len(done.left_out)) == (1, 1)
    assert any(note.startswith("All exported answers are good ones") for note in done.notes)
    done = export_run(run_of(tmp_path / "both", ROWS), destination, out=tmp_path / "all", model=model)
    assert not any("All exported answers" in note for note in done.notes)
