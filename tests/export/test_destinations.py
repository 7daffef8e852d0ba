"""Every destination of the table keeps the contract, which refutes those that do not."""

from pathlib import Path
from typing import Any

import pytest

from spice_select.errors import InputError
from spice_select.export import DESTINATIONS, Jsonl, find_destination
from spice_select.export.axolotl import Axolotl
from spice_select.testing.export import check_destination
from tests.export.cases import CASES, Case, ids, read_lines


def test_every_entry_of_the_table_has_a_case() -> None:
    assert {case.name for case in CASES} == set(DESTINATIONS.names)


def test_an_entry_is_what_it_is_called() -> None:
    for entry in DESTINATIONS:
        assert entry.load().name == entry.name


def test_errors_come_from_the_table() -> None:
    with pytest.raises(InputError, match=r"Known are trl, llamafactory, axolotl, jsonl\. Did you mean 'axolotl'"):
        find_destination("axolot")


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_a_destination_keeps_the_contract(case: Case, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    check_destination(case.destination(), case.read, work)
    written = {path.name for path in (work / "export").iterdir() if path.is_file()}
    assert written - {"left_out.jsonl", "export.json"} == case.files


class Broken(Axolotl):
    """Axolotl with one promise broken."""

    def __init__(self, fault: str) -> None:
        super().__init__()
        self._fault = fault

    def fitted(self, picks, trainee):
        return self

    def record(self, pick):
        record = super().record(pick)
        if self._fault == "words":
            record["messages"][-1]["content"] += "!"
        if self._fault == "marks":
            for turn in record["messages"]:
                turn.pop("train", None)
        return record

    def write(self, folder, records, origin):
        kept = list(records)
        if self._fault == "order":
            kept = kept[::-1]
        if self._fault == "lost":
            kept = kept[:-1]
        if self._fault == "beside":
            (folder.parent / "beside.txt").write_text("x")
        steps = super().write(folder, kept, origin)
        if self._fault == "chance":
            (folder / "stamp.txt").write_text(folder.name)
        return steps


class Careless(Jsonl):
    """Rows as they came, but for a field."""

    def record(self, pick) -> dict[str, Any]:
        return {name: value for name, value in pick.row.raw.items() if name != "id"}


class Inventive(Axolotl):
    """Makes something up for what is no conversation."""

    def fitted(self, picks, trainee):
        return self

    def record(self, pick):
        if not pick.row.raw["messages"]:
            return {"messages": [{"role": "user", "content": "?"}, {"role": "assistant", "content": "!"}], "tools": ""}
        return super().record(pick)

    def notes(self, picks):
        return ()


@pytest.mark.parametrize(
    ("destination", "words"),
    [
        (Broken("words"), "other tokens"),
        (Broken("marks"), "tokens of row 6 are trained on that should not be"),
        (Broken("order"), "the order or a question"),
        (Broken("lost"), "rows are read back"),
        (Broken("beside"), "wrote beside its folder"),
        (Broken("chance"), "otherwise the second time"),
        (Careless(), "did not come back as it was"),
        (Inventive(), "is no conversation"),
    ],
    ids=lambda part: getattr(part, "_fault", None) or type(part).__name__,
)
def test_a_destination_that_breaks_a_promise_is_refuted(destination, words: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=words):
        check_destination(destination, read_lines, tmp_path)
