"""What a person should know of how the rows were read and shown: counted row by row, told in sentences."""

from collections import Counter
from collections.abc import Iterable, Mapping

from spice_select.data.records import Conversation, Example

_LISTED = 8

_SENTENCES = {
    "untrained": "{turns} answers in {rows} rows are shown but not trained on, as the rows say (weight, train, loss).",
    "no-question": "{turns} answers that stand before any question are shown but not trained on ({rows} rows).",
    "reasoning-cut": (
        "The chat template does not show the reasoning of {turns} answers; it is not trained on ({rows} rows)."
    ),
    "turns-moved": (
        "In {rows} rows a system turn does not stand where the row has it: the chat template moves it, or takes none "
        "and it is put in front of the first user turn; what it means may change."
    ),
    "tools-hidden": "The chat template does not show the tools of {rows} rows.",
    "part-hidden": (
        "The chat template leaves out the text or values of {turns} tool calls that are not trained on ({rows} rows)."
    ),
    "names-hidden": "The chat template does not show the names of {turns} speakers ({rows} rows).",
    "null-arguments": "Null fields inside the arguments of tool calls are taken for padding, and left out ({rows} rows).",
    "whole-numbers": "Whole numbers that are stored with a point are read without it, 4.0 as 4 ({rows} rows).",
}


class Notes:
    """Counts what happened to the rows that are used."""

    def __init__(self) -> None:
        self._rows: Counter[str] = Counter()
        self._turns: Counter[str] = Counter()
        self._unread: Counter[str] = Counter()
        self._unread_of_turns: Counter[str] = Counter()

    def count(self, conversation: Conversation, example: Example) -> None:
        """Take in one row that is used."""
        remarks = (*conversation.remarks, *example.remarks)
        self._turns.update(remarks)
        self._rows.update(set(remarks))
        self._unread.update(conversation.unread)
        self._unread_of_turns.update(conversation.unread_of_turns)

    def sentences(self) -> tuple[str, ...]:
        """One sentence for each kind of thing that happened, then the fields that nobody read."""
        said = [
            sentence.format(turns=f"{self._turns[remark]:,}", rows=f"{self._rows[remark]:,}")
            for remark, sentence in _SENTENCES.items()
            if self._rows[remark]
        ]
        kinds = (_named("row fields", self._unread, "rows"), _named("turn fields", self._unread_of_turns, "turns"))
        if unread := "; ".join(filter(None, kinds)):
            said.append(f"Not read: {unread}.")
        return tuple(said)


def _named(kind: str, counts: Mapping[str, int], unit: str) -> str:
    """The fields with the counts, the most frequent first, and how many more there are."""
    if not counts:
        return ""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    names = list(_with_units(ordered[:_LISTED], unit))
    if len(ordered) > _LISTED:
        names.append(f"and {len(ordered) - _LISTED} more")
    return f"{kind} {', '.join(names)}"


def _with_units(counted: Iterable[tuple[str, int]], unit: str) -> Iterable[str]:
    for place, (name, count) in enumerate(counted):
        yield f"`{name}` ({count:,}{f' {unit}' if place == 0 else ''})"
