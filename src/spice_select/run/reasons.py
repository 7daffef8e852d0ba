"""Why a row may be left out before a choice: what each reason means, and what to do about it."""

from dataclasses import dataclass

from spice_select.diagnosis.suspects import PAIR_SUSPECTS, SUSPECTS
from spice_select.features.base import KILLS_WORKER
from spice_select.run.target import IN_TARGET

SUSPECT = "suspect-"
"""What the reasons of rows that ``--without-suspects`` left out begin with; the kind follows."""


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason, as ``dropped.jsonl`` names it.

    Attributes:
        name: its short name.
        meaning: what it means.
        remedy: what a person can do about it.
    """

    name: str
    meaning: str
    remedy: str


_MEND = "mend the row, or leave it out"

_ALL = (
    Reason(
        "identical-answers", "both answers of a pair say the same", "leave the pair out: there is nothing to prefer"
    ),
    Reason("tie", "both answers of a pair have the same score", "leave the pair out: neither is preferred"),
    Reason("empty-chosen", "the preferred answer is empty", _MEND),
    Reason("empty-rejected", "the rejected answer is empty", _MEND),
    Reason("prompt-differs", "the two answers of a pair do not follow the same prompt", _MEND),
    Reason(
        "prompt-ends-with-answer", "the prompt of a pair ends with an answer, which leaves nothing to answer", _MEND
    ),
    Reason("answer-has-user-turn", "a person speaks inside an answer of a pair", _MEND),
    Reason("several-answer-turns", "an answer of a pair is several turns", _MEND),
    Reason(
        "no-difference-left",
        "cut at the window, the two answers of a pair are the same",
        "raise --max-length, or shorten the pair",
    ),
    Reason("too-long", "the prompt of a pair fills the window alone", "raise --max-length, or shorten the prompt"),
    Reason(
        "contradicting-pairs",
        "an earlier pair of this prompt prefers what this one rejects",
        "keep one of the two, or keep both with --keep-contradictions",
    ),
    Reason(
        "contradicting-marks",
        "an earlier row marks the same answer to the same prompt the other way",
        "keep one of the two, or keep both with --keep-contradictions",
    ),
    Reason("no-mark", "under `--format kto`, neither `label` nor `kto_tag` is true or false", "mark the answer"),
    Reason("missing-field", "a field of the format is missing, or no question stands before an answer", _MEND),
    Reason("not-a-turn", "the conversation is no list of turns, or one of them is none", _MEND),
    Reason("empty-turn", "a question or an answer has neither text nor a call (an empty tool result is kept)", _MEND),
    Reason(
        "unknown-role",
        "a role that is none of system, user, assistant, tool or their usual synonyms",
        "rename the role",
    ),
    Reason("no-assistant-turn", "there is no answer, so nothing to train on", "give the row an answer"),
    Reason("no-trained-turn", "the row takes all of its answers out of the loss", "let it keep one (`weight`)"),
    Reason(
        "unsupported-weight",
        "a weight between 0 and 1 or above, parts of a turn out of the loss, or a list of marks that fits no turns",
        "use 0 or 1, for whole turns",
    ),
    Reason("bad-answer", "`label` or `kto_tag` is false: an answer not to give", "nothing: it is no answer to learn"),
    Reason("no-right-choice", "a question with choices of which none can be told to be the right one", _MEND),
    Reason(
        "conflicting-fields",
        "two fields hold different reasoning, calls, tools, marks or questions",
        "keep one of the two",
    ),
    Reason(
        "consecutive-turns",
        "two turns of one side in a row (tool results may follow each other)",
        "join them into one turn",
    ),
    Reason(
        "content-not-text",
        "images, audio, video or other parts that are no text",
        "give text alone: the proxy reads nothing else",
    ),
    Reason(
        "not-unicode",
        "half of a character (a lone surrogate): text that was cut in the middle of an emoji",
        "cut it elsewhere",
    ),
    Reason("broken-tools", "the field of tools holds no schemas of tools", _MEND),
    Reason("broken-tool-call", "a tool call is no object with a name and arguments", _MEND),
    Reason("broken-history", "`history` is no list of pairs of question and answer", _MEND),
    Reason(
        "template-refuses",
        "the chat template raises on the conversation; the detail has its words",
        "give what the template asks for, or a proxy with another template",
    ),
    Reason(
        "template-omits-turn",
        "the chat template does not show a turn, or only parts of an answer",
        "take a proxy whose template shows it (tool calls most often)",
    ),
    Reason("template-repeats-turn", "the chat template shows a turn twice", "take a proxy with another template"),
    Reason(
        "template-rewrites-turns",
        "the chat template changes the words of a turn, so the answer is not found in its text",
        "take a proxy with another template",
    ),
    Reason(
        "template-unclear",
        "the answer's place in the template's text cannot be told for certain",
        "take a proxy with another template",
    ),
    Reason("no-supervised-token", "the answers have no token of their own", _MEND),
    Reason(
        "nothing-left-after-truncation",
        "the first answer that is trained on begins after `--max-length` tokens",
        "raise --max-length, or shorten the question",
    ),
    Reason(
        "non-finite",
        "the proxy's loss or gradient on the row is no finite number",
        "try --dtype float32, or look at the row",
    ),
    Reason(
        KILLS_WORKER,
        "every process that computed the row alone died of it (memory, most often)",
        "shorten the row, lower --max-length, or give the processes more memory",
    ),
    Reason(
        IN_TARGET,
        "the row stands in the target too, exactly or nearly: trained on and judged by, it would flatter the choice",
        "nothing, unless the target should do without its row",
    ),
    *(
        Reason(
            f"{SUSPECT}{kind.name}",
            f"a suspect that --without-suspects left out; the kind lists {kind.summary}",
            f"look at it; to let it be chosen leave {kind.name} out of --without-suspects",
        )
        for kind in (*SUSPECTS, *(kind for kind in PAIR_SUSPECTS if kind.name not in SUSPECTS))
    ),
)
REASONS = {reason.name: reason for reason in _ALL}
"""Every reason there is, by its name."""
