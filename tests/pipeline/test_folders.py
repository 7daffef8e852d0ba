"""A folder with splits through every verb that reads a corpus: one walk, and what was not read is said each time."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spice_select.run.corpus import reread_corpus
from spice_select.run.finished import load


@pytest.fixture
def folder(tmp_path: Path, sums: Callable[..., list[dict[str, Any]]]) -> Path:
    """Two shards of one name to train on, a row without an answer among them; a shard to judge by; a side file."""
    rows = sums(30)
    faulty = {"messages": [{"role": "user", "content": "And?"}]}
    parts = {
        "train/a/0000.jsonl": rows[:10],
        "train/b/0000.jsonl": [*rows[10:20], faulty],
        "test/0000.jsonl": rows[20:],
    }
    for name, part in parts.items():
        path = tmp_path / "corpus" / name
        path.parent.mkdir(parents=True)
        path.write_text("".join(json.dumps(row) + "\n" for row in part))
    (tmp_path / "corpus" / "dataset_infos.json").write_text("{}")
    return tmp_path / "corpus"


def flat(text: str) -> str:
    """Printed text without its line breaks."""
    return " ".join(text.split())


LEFT_OUT = "The split train is read; left out: test (1 file, e.g. test/0000.jsonl)"
PASSED = "Passed over, as no rows: 1 hidden or side file: dataset_infos.json."


def test_a_run_says_what_it_did_not_read_and_reads_the_same_again(
    spice: Any, folder: Path, tiny_proxy: Path, tmp_path: Path
) -> None:
    code, out, _ = spice(
        "select", folder, "--budget", "5", "--out", tmp_path / "r", "--model", tiny_proxy, "--sketch-dim", "32"
    )
    assert code == 0
    assert flat(out).count(LEFT_OUT) == 2  # as it is read, before hours are spent, and in the summary
    run = load(tmp_path / "r")
    assert [note for note in run.summary.notes if note.startswith((LEFT_OUT, PASSED))] == list(run.summary.notes[:2])
    (dropped,) = [json.loads(line) for line in (run.path / "dropped.jsonl").read_text().splitlines()]
    assert dropped["where"] == "train/b/0000.jsonl:11"
    assert [row.where for row in reread_corpus(run)][9:11] == ["train/a/0000.jsonl:10", "train/b/0000.jsonl:1"]


def test_preview_check_and_evaluate_say_it_too(spice: Any, folder: Path, tiny_proxy: Path, tmp_path: Path) -> None:
    code, out, _ = spice("preview", folder, "--model", tiny_proxy)
    assert code == 0
    assert LEFT_OUT in flat(out)
    assert PASSED in flat(out)
    _, out, _ = spice("check", "model", tiny_proxy, "--sketch-dim", "32", "--corpus", folder)
    assert LEFT_OUT in flat(out)
    assert PASSED in flat(out)
    code, out, _ = spice("evaluate", tiny_proxy, "--held-out", folder, "--out", tmp_path / "e")
    assert code == 0
    assert "10 rows" in flat(out)
    assert "The split test is read; left out: train (2 files, e.g. train/a/0000.jsonl)" in flat(out)
    kept = json.loads(next((tmp_path / "e").glob("*.json")).read_text())
    assert PASSED in kept["notes"]
