"""What a person should know of how the rows were read and shown: counted row by row, told in sentences."""

from collections import Counter
from collections.abc import Iterable, Mapping

from spice_select.data.formats.content import REASONING_NAMES
from spice_select.data.formats.turns import SYSTEM_COLUMNS
from spice_select.data.formats.weights import LOSS_FIELDS
from spice_select.data.records import Conversation, Pair, Sample
from spice_select.settings.counted import counted

_LISTED = 8

_DECIDING = frozenset(
    (
        *LOSS_FIELDS,
        *REASONING_NAMES,
        *SYSTEM_COLUMNS,
        *("tools", "functions", "tool_defs", "context", "history", "label"),
    )
)
"""Fields that may decide what is trained on, where they are read: they are named first where they are not."""

_SENTENCES = {
    "untrained": (
        "Shown but not trained on, as the rows say (weight, train, loss) or as part of a prompt: {turns} in {rows}."
    ),
    "no-question": "Shown but not trained on, since no question stands before: {turns} in {rows}.",
    "reasoning-cut": "Reasoning that the chat template does not show, and that is not trained on: {turns} in {rows}.",
    "thought-in-text": (
        "Reasoning in the text of an answer (<think>…</think>) that the chat template, which has a place of its own "
        "for reasoning, shows as the answer's words; put it in `reasoning_content`: {turns} in {rows}."
    ),
    "thought-unfinished": (
        "Answers that begin a block of reasoning (<think>) and do not close it, trained on as their words; they "
        "may have been cut off: {turns} in {rows}."
    ),
    "turns-moved": (
        "Turns that the chat template does not show where the row has them (system turns that it takes none of go in "
        "front of the first user turn); what they mean may change: {rows}."
    ),
    "tools-hidden": "Tools that the chat template does not show: {rows}.",
    "part-hidden": "Text or tool calls that the chat template does not show, not trained on: {turns} in {rows}.",
    "names-hidden": "Names of speakers that the chat template does not show: {turns} in {rows}.",
    "null-arguments": (
        "Null fields inside the arguments of tool calls are taken for a table's padding, and left out (in arguments "
        "that are JSON text, or where the tool's schema requires or allows them, they stay): {rows}."
    ),
    "null-defaults": (
        "Nulls as `default` or `const` in tools' schemas are taken for padding, and left out (in JSON text they stay): "
        "{rows}."
    ),
    "label-unread": (
        "`label` says yes or no (or 1 or 0) and is not read; if it marks good answers and bad ones, give --format kto: "
        "{rows}."
    ),
    "scored-lower": (
        "Pairs whose own scores (or margin) put the rejected answer higher; chosen and rejected stay as the row has "
        "them: {rows}."
    ),
    "words-for-missing": (
        "Columns that hold just nan, null, None or <NA>, as tables write missing values, are read as these words: "
        "{rows}."
    ),
    "control-tokens": (
        "Special tokens of the tokenizer written out in texts become these tokens; if the rows are in the form "
        "of a chat template already, take it off, or they have it twice: {turns} in {rows}."
    ),
    "template-in-text": (
        "Texts in the form of another chat template or of a transcript ([/INST], <|im_start|>, ### Response:, "
        "Assistant:) are read as words; take the form off, or give the turns as a list: {turns} in {rows}."
    ),
    "media-in-text": (
        "Texts with a place for an image, a film or a sound (<image>, <video>, <audio>) that is not there; the place "
        "is read as words, and what is asked of the picture is trained on without it: {turns} in {rows}."
    ),
    "unknown-tokens": "Characters that the tokenizer has no token for, and shows as its unknown one: {rows}.",
    "parts-in-text": (
        'Turns whose text is JSON of a list of parts ([{{"type": "text", …}}]) are read as this text; if it is '
        "their content, write the list itself: {rows}."
    ),
    "calls-in-text": (
        "Answers that write calls out in their text (<tool_call> and the like) beside the same or others in a field of "
        "their own; both are shown and trained on: {turns} in {rows}."
    ),
    "question-in-answer": (
        "Answers that begin with the whole question before them, which is trained on as their words; if the column "
        "holds prompt and answer, take the prompt off: {turns} in {rows}."
    ),
    "place-from-0": (
        "Right choices that a number names are read as places counted from 0 (0 is the first choice, 1 the second); if "
        "they are counted from 1, take 1 off each: {rows}."
    ),
    "whole-numbers": "Whole numbers that are stored with a point are read without it, 4.0 as 4: {rows}.",
}


class Notes:
    """Counts what happened to the rows that are used."""

    def __init__(self) -> None:
        self._rows: Counter[str] = Counter()
        self._turns: Counter[str] = Counter()
        self._unread: Counter[str] = Counter()
        self._unread_of_turns: Counter[str] = Counter()

    def count(self, conversation: Conversation | Pair, example: Sample) -> None:
        """Take in one row that is used."""
        remarks = (*conversation.remarks, *example.remarks)
        self._turns.update(remarks)
        self._rows.update(set(remarks))
        self._unread.update(conversation.unread)
        self._unread_of_turns.update(conversation.unread_of_turns)

    def sentences(self) -> tuple[str, ...]:
        """One sentence for each kind of thing that happened, then the fields that nobody read."""
        said = [
            sentence.format(turns=counted(self._turns[remark], "turn"), rows=counted(self._rows[remark], "row"))
            for remark, sentence in _SENTENCES.items()
            if self._rows[remark]
        ]
        kinds = (_named("row fields", self._unread, "row"), _named("turn fields", self._unread_of_turns, "turn"))
        if unread := "; ".join(filter(None, kinds)):
            said.append(f"Not read: {unread}.")
        return tuple(said)


def _named(kind: str, counts: Mapping[str, int], unit: str) -> str:
    """The fields with the counts, and how many more there are: those that may decide first, then the most frequent."""
    if not counts:
        return ""
    ordered = sorted(counts.items(), key=lambda item: (item[0] not in _DECIDING, -item[1], item[0]))
    names = list(_with_units(ordered[:_LISTED], unit))
    if len(ordered) > _LISTED:
        names.append(f"and {len(ordered) - _LISTED} more")
    return f"{kind} {', '.join(names)}"


def _with_units(counts: Iterable[tuple[str, int]], unit: str) -> Iterable[str]:
    for place, (name, count) in enumerate(counts):
        yield f"`{name}` ({counted(count, unit) if place == 0 else f'{count:,}'})"
