"""The contract of a destination, as a suite for yours: `check_destination` raises AssertionError naming the fault."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from spice_select.data.encoding import Encoder
from spice_select.data.formats import FORMATS
from spice_select.data.records import Conversation, Example, Row
from spice_select.errors import InputError
from spice_select.export.base import Destination
from spice_select.export.stage import Exported, export_run
from spice_select.models.embedded import NAME as EMBEDDED_NAME
from spice_select.run import files as outputs
from spice_select.run.finished import Run
from spice_select.run.folder import open_run
from spice_select.run.settings import SelectSettings, write_config
from spice_select.run.summary import Mix, Summary
from spice_select.testing.tokenizers import CHATML_WITH_TOOLS, tiny_tokenizer

_Raw = Mapping[str, Any]
Read = Callable[[Path], Sequence[_Raw]]
"""The rows of an export as the format ``messages`` reads them; an answer that is not trained on has ``weight: 0``."""


def finished_run(folder: Path, rows: Sequence[_Raw], row_format: str, **settings: Any) -> Run:
    """A run that chose all of `rows`, in their order: made by hand, in a few milliseconds."""
    identity = {"format": row_format, "corpus_rows": 10 * len(rows), "corpus_sha256": "c" * 64}
    asked = {"method": "spice", "schedule": "global", "objective": "log-det", "conflict_weight": 1.0, **settings}
    known = SelectSettings.from_flat(asked)
    identity |= {name: value for name, value in known.flat().items() if name in asked}
    identity["model"] = known.proxy.model or EMBEDDED_NAME
    with open_run(folder, identity) as run:
        write_config(folder / outputs.CONFIG, "train.jsonl", known)
        run.write_lines(outputs.SELECTED, (_noted(number, raw) for number, raw in enumerate(rows)))
        run.write_json(outputs.SUMMARY, _summary(rows).to_json())
        facts = {"identity": identity, "corpus": {"name": "train.jsonl"}, "versions": {"spice-select": "0"}}
        run.finish(facts, [outputs.SELECTED, outputs.SUMMARY])
    return Run(folder)


def _summary(rows: Sequence[_Raw]) -> Summary:
    """A tenth of a corpus of one source, ten tokens a row, five of them trained on; not judged."""
    chosen, known = len(rows), 10 * len(rows)
    return Summary(
        method="spice",
        rows=known,
        usable=known,
        chosen=chosen,
        dropped={},
        truncated=0,
        tokens=10 * known,
        supervised=5 * known,
        chosen_tokens=10 * chosen,
        chosen_supervised=5 * chosen,
        median_response=5.0,
        chosen_median_response=5.0,
        mix=[Mix(source="", rows=known, tokens=5 * known, chosen_rows=chosen, chosen_tokens=5 * chosen)],
        judged=None,
        stopped="",
        notes=(),
        seconds={},
    )


def _noted(number: int, raw: _Raw) -> dict[str, Any]:
    digest = Row(number=number, raw=dict(raw), where="").content_hash
    note: dict[str, Any] = {"rank": number + 1, "gain": 0.5, "epsilon": -0.25, "conflict": 0.0, "row": number}
    note["sha256"] = digest
    return outputs.selected_line(dict(raw), note)


def _turns(*texts: str, **of_answers: Any) -> list[dict[str, Any]]:
    said = [{"role": "assistant" if place % 2 else "user", "content": text} for place, text in enumerate(texts)]
    return [turn | of_answers if turn["role"] == "assistant" else turn for turn in said]


def _calling(question: str, name: str, **arguments: Any) -> dict[str, Any]:
    call = {"type": "function", "function": {"name": name, "arguments": arguments}}
    tool = {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}}
    asked, answered = _turns(question, "It is 3.")
    calls = {"role": "assistant", "content": "", "tool_calls": [call]}
    return {"messages": [asked, calls, {"role": "tool", "content": "3"}, answered], "tools": [tool]}


FAULTY: _Raw = {"messages": []}
"""A row that is no conversation."""


def sample_rows() -> list[dict[str, Any]]:
    """Rows of any shape, in the format ``messages``, no two of one question; the last but one is `FAULTY`."""
    several = _turns("What is 2 + 2?", "Five.", "Check again.", "Four.")
    untrained = [*_turns("Guess a number.", "Seven.", weight=0), *_turns("Why?", "Because.")]
    return [
        {"messages": _turns("What is 1 + 2?", "It is 3."), "source": "sums", "id": 7},
        {"messages": [{"role": "system", "content": "Be kind."}, *_turns("Good morning. ", " bonjour, 早上好 😀")]},
        {"messages": several},
        _calling("Add one and two.", "add", a=1, b=2),
        _calling("How warm is Rome?", "weather", city="Rome", days=[1, 2]),
        {"messages": _turns("Which list?", "[1, 2]")},
        {"messages": untrained},
        {"messages": _turns("And 3 + 3?", "Six.", reasoning_content="Add three and three.")},
        dict(FAULTY),
        {"messages": _turns("The last one?", "Yes.")},
    ]


def check_destination(destination: Destination, read: Read, folder: Path) -> None:
    """Try to refute what `Destination` promises: rows read back whole, in order, trained on as the selection saw them.

    Args:
        destination: to be tested.
        read: reads what it wrote; of one that takes rows as they came, the rows themselves.
        folder: an empty one to work in.

    Raises:
        AssertionError: with the promise that is broken.
    """
    name, rows = destination.name, sample_rows()
    tokenizer = tiny_tokenizer(CHATML_WITH_TOOLS)
    model = folder / "model"
    tokenizer.save_pretrained(model)
    (model / "config.json").write_text('{"model_type": "llama"}', encoding="utf-8")
    run = finished_run(folder / "run", rows, "messages")
    done = export_run(run, destination, out=folder / "export", model=str(model))
    _check_counts(name, done, rows)
    refused = {drop.row for drop in done.left_out}
    kept = [(number, raw) for number, raw in enumerate(rows) if number not in refused]
    back = read(done.path)
    assert len(back) == len(kept), f"{name}: {len(back)} rows are read back, {len(kept)} were written"
    if destination.as_they_came:
        assert not refused, f"{name} takes rows as they came and left out {sorted(refused)}"
        assert [dict(raw) for raw in back] == rows, f"{name}: a row did not come back as it was"
    else:
        assert FAULTY not in [raw for _, raw in kept], f"{name} wrote a row that is no conversation"
        _check_tokens(name, kept, back, Encoder(tokenizer))
        _check_refused(name, destination, folder)
    _check_again(name, run, destination, done, str(model))
    _check_strangers(name, run, destination, folder / "strangers")
    strangers = {path.name for path in folder.iterdir()} - {"again", "export", "faulty", "model", "run", "strangers"}
    assert not strangers, f"{name} wrote beside its folder: {sorted(strangers)}"


def _check_counts(name: str, done: Exported, rows: Sequence[_Raw]) -> None:
    assert done.rows + len(done.left_out) == len(rows), f"{name}: rows are neither written nor left out"
    for drop in done.left_out:
        assert drop.reason, f"{name} left row {drop.row} out without a reason"
        assert drop.detail, f"{name} left row {drop.row} out without saying what is wrong with it"
    facts = json.loads((done.path / "export.json").read_text(encoding="utf-8"))
    assert facts["rows"] == done.rows, f"{name}: export.json counts {facts['rows']} rows of {done.rows}"
    if done.left_out:
        lines = (done.path / "left_out.jsonl").read_text(encoding="utf-8").splitlines()
        named = [json.loads(line)["row"] for line in lines]
        assert named == [drop.row for drop in done.left_out], f"{name}: left_out.jsonl names {named}"


def _check_tokens(name: str, kept: Sequence[tuple[int, _Raw]], back: Sequence[_Raw], encoder: Encoder) -> None:
    questions = [_question(raw) for _, raw in kept]
    assert [_question(raw) for raw in back] == questions, f"{name}: the order or a question is another"
    for (number, raw), found in zip(kept, back, strict=True):
        due, got = _example(number, raw, encoder), _example(number, found, encoder)
        assert got.input_ids.tolist() == due.input_ids.tolist(), f"{name}: row {number} has other tokens"
        wrong = int((got.supervised != due.supervised).sum())
        assert not wrong, f"{name}: {wrong} tokens of row {number} are trained on that should not be, or are not"


def _question(raw: _Raw) -> str:
    return next(str(turn["content"]) for turn in raw["messages"] if turn["role"] == "user")


def _example(number: int, raw: _Raw, encoder: Encoder) -> Example:
    conversation = FORMATS["messages"].read(Row(number=number, raw=dict(raw), where=f"row {number}"))
    assert isinstance(conversation, Conversation), (
        f"row {number} is read back as no conversation: {conversation.detail}"
    )
    example = encoder.encode(conversation)
    assert isinstance(example, Example), f"row {number} is read back without a trained answer: {example.detail}"
    return example


def _check_refused(name: str, destination: Destination, folder: Path) -> None:
    run = finished_run(folder / "faulty" / "run", [FAULTY], "messages")
    out = folder / "faulty" / "export"
    try:
        export_run(run, destination, out=out)
    except InputError:
        assert not out.exists(), f"{name} left a folder behind though nothing can be expressed"
    else:
        raise AssertionError(f"{name} exports a run of which nothing can be expressed")


def _check_again(name: str, run: Run, destination: Destination, done: Exported, model: str) -> None:
    again = export_run(run, destination, out=done.path.with_name("again"), model=model).path
    files = [path.relative_to(done.path) for path in sorted(done.path.rglob("*")) if path.is_file()]
    for file in files:
        same = (again / file).is_file() and (again / file).read_bytes() == (done.path / file).read_bytes()
        assert same, f"{name} wrote {file} otherwise the second time"


def _check_strangers(name: str, run: Run, destination: Destination, folder: Path) -> None:
    folder.mkdir()
    (folder / "weights.bin").write_text("weeks of work", encoding="utf-8")
    try:
        export_run(run, destination, out=folder)
    except InputError:
        pass
    else:
        raise AssertionError(f"{name} wrote over another's files")
    assert [path.name for path in folder.iterdir()] == ["weights.bin"], f"{name} wrote beside another's files"
