"""What TRL itself makes of an export: the tokens it trains on, and the script that goes with the data."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from spice_select.export import Trl, export_run
from spice_select.testing.tokenizers import CHATML, tiny_tokenizer
from tests.training.runs import encoded, finished_run, turns

pytest.importorskip("trl", reason="TRL is not installed: pip install trl")

MARKED = CHATML.replace(
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}",
    "{{ '<|im_start|>' + message['role'] + '\n' }}{% if message['role'] == 'assistant' %}"
    "{% generation %}{{ message['content'] + '<|im_end|>' }}{% endgeneration %}"
    "{% else %}{{ message['content'] + '<|im_end|>' }}{% endif %}{{ '\n' }}",
)
"""ChatML with the marks that TRL's `assistant_only_loss` needs."""

LINE_END = 1  # tokens of "\n", which ChatML writes after an answer's end of turn
SEVERAL = [
    {"messages": turns("What is 1 + 2?", "It is 3.", "And 2 + 2?", "That is 4: 2 + 2 = 4.", system="Count well.")},
    {"messages": turns("Good morning. ", " bonjour, 早上好")},
    {"messages": turns("One question", "one answer", "and a last one")},
]
PAIRS = [
    {"instruction": "Translate.", "input": "good morning", "output": "guten Morgen 😀"},
    {"instruction": "Hi", "output": "\nHello "},
]


def supervised(folder: Path, tiny_proxy: Path, tokenizer: Any, **loss: Any) -> list[tuple[list[int], list[bool]]]:
    """Tokens and mask of every row after `SFTTrainer`'s own preparation."""
    from datasets import load_dataset
    from transformers import AutoModelForCausalLM
    from trl import SFTConfig, SFTTrainer

    rows = load_dataset(str(folder), cache_dir=str(folder.parent / "cache"))["train"]
    config = SFTConfig(output_dir=str(folder.parent / "o"), report_to="none", use_cpu=True, bf16=False, **loss)
    model = AutoModelForCausalLM.from_pretrained(tiny_proxy)
    trainer = SFTTrainer(model, args=config, train_dataset=rows, processing_class=tokenizer)
    prepared = trainer.train_dataset
    return [(list(row["input_ids"]), [label != -100 for label in row["labels"]]) for row in prepared]


def test_messages_are_supervised_as_the_selection_was(tmp_path: Path, tiny_proxy: Path) -> None:
    tokenizer = tiny_tokenizer(MARKED)
    done = export_run(finished_run(tmp_path / "r", SEVERAL, "messages"), "trl")
    found = supervised(done.path, tiny_proxy, tokenizer, assistant_only_loss=True)
    assert found == encoded(SEVERAL, "messages", tokenizer)


def test_without_assistant_only_loss_trl_trains_on_the_questions(tmp_path: Path, tiny_proxy: Path) -> None:
    done = export_run(finished_run(tmp_path / "r", SEVERAL, "messages"), "trl")
    assert all(all(mask) for _, mask in supervised(done.path, tiny_proxy, tiny_tokenizer(MARKED)))


def test_pairs_are_supervised_as_the_selection_was_and_on_the_line_end(tmp_path: Path, tiny_proxy: Path) -> None:
    tokenizer = tiny_tokenizer()
    done = export_run(finished_run(tmp_path / "r", PAIRS, "alpaca"), "trl", keep_spice=True)
    expected = [(ids, [*mask[:-LINE_END], *([True] * LINE_END)]) for ids, mask in encoded(PAIRS, "alpaca", tokenizer)]
    assert supervised(done.path, tiny_proxy, tokenizer, completion_only_loss=True) == expected
    assert supervised(done.path, tiny_proxy, tokenizer) == expected  # it is TRL's default for pairs


def test_pairs_written_as_messages_are_supervised_as_the_selection_was(tmp_path: Path, tiny_proxy: Path) -> None:
    tokenizer = tiny_tokenizer(MARKED)
    done = export_run(finished_run(tmp_path / "r", PAIRS, "alpaca"), Trl(messages=True))
    found = supervised(done.path, tiny_proxy, tokenizer, assistant_only_loss=True)
    assert found == encoded(PAIRS, "alpaca", tokenizer)


def test_tool_calls_reach_the_template_with_their_own_arguments(tmp_path: Path, tiny_proxy: Path) -> None:
    from tests.training.runs import CALL, OTHER_CALL

    tokenizer = tiny_tokenizer(
        "{% if tools %}{{ tools | tojson }}{% endif %}{% for message in messages %}"
        "{{ '<|im_start|>' + message['role'] + '\n' }}{% if message['role'] == 'assistant' %}{% generation %}"
        "{{ message['content'] }}{% for call in message.tool_calls or [] %}{{ call | tojson }}{% endfor %}"
        "{{ '<|im_end|>' }}{% endgeneration %}{% else %}{{ message['content'] + '<|im_end|>' }}{% endif %}{{ '\n' }}"
        "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
    )
    rows = [CALL, OTHER_CALL]
    done = export_run(finished_run(tmp_path / "r", rows, "messages"), "trl")
    found = supervised(done.path, tiny_proxy, tokenizer, assistant_only_loss=True)
    assert found == encoded(rows, "messages", tokenizer)


def test_the_script_trains(tmp_path: Path, tiny_proxy: Path) -> None:
    from transformers import AutoModelForCausalLM

    model = tmp_path / "model"
    AutoModelForCausalLM.from_pretrained(tiny_proxy).save_pretrained(model)
    tiny_tokenizer(MARKED).save_pretrained(model)
    done = export_run(finished_run(tmp_path / "r", SEVERAL, "messages"), "trl", model=str(model))
    command = [sys.executable, "train.py", "--max-steps", "1", "--out", str(tmp_path / "tuned")]
    quiet = {**os.environ, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
    subprocess.run(command, cwd=done.path, env=quiet, check=True, capture_output=True, timeout=200)
    assert (tmp_path / "tuned" / "adapter_model.safetensors").is_file()
