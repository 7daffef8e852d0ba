"""Conversations with reasoning, tool calls and weights, and the many ways in which people write down the same."""

import json
import math
from dataclasses import dataclass, field, replace

from hypothesis import strategies as st

WORD = st.text(alphabet="abc def.é", min_size=1, max_size=8).filter(lambda s: s.strip()).map(str.strip)
VALUE = WORD | st.integers(-5, 99) | st.booleans()
ARGUMENTS = st.dictionaries(
    st.sampled_from(["place", "unit", "days"]),
    VALUE | st.lists(VALUE, max_size=2) | st.dictionaries(st.sampled_from(["x", "y"]), VALUE, max_size=2),
    max_size=3,
)

LEFT_OUT = [
    {"weight": 0}, {"weight": 0.0}, {"train": False}, {"training": False}, {"loss": False}, {"loss": 0},
    {"loss_scale": 0.0}, {"masked": True}, {"trainable": "false"},
]  # fmt: skip
"""Ways to say that an answer is not to be learnt."""


@dataclass(frozen=True)
class Answer:
    """One exchange: a question, what the assistant thinks, says and calls, and whether that is learnt."""

    question: str
    text: str
    reasoning: str = ""
    calls: tuple[tuple[str, dict], ...] = ()
    trained: bool = True
    results: tuple[str, ...] = field(default=())


@st.composite
def answers(draw):
    calls = tuple(
        (draw(st.sampled_from(["look_up", "add"])), draw(ARGUMENTS)) for _ in range(draw(st.sampled_from([0, 0, 1, 2])))
    )
    return Answer(
        question=draw(WORD),
        text="" if calls and draw(st.booleans()) else draw(WORD),
        reasoning=draw(st.just("") | WORD),
        calls=calls,
        trained=draw(st.sampled_from([True, True, False])),
    )


CONVERSATIONS = st.lists(answers(), min_size=1, max_size=3).map(
    lambda them: [*them[:-1], replace(them[-1], trained=True)]
)


def plain(conversation) -> list[dict]:
    """The turns in the normal form."""
    turns = []
    for answer in conversation:
        turns.append({"role": "user", "content": answer.question})
        turn = {"role": "assistant", "content": answer.text}
        if answer.reasoning:
            turn["reasoning_content"] = answer.reasoning
        if answer.calls:
            turn["tool_calls"] = [
                {"type": "function", "function": {"name": name, "arguments": arguments}}
                for name, arguments in answer.calls
            ]
        turns.append(turn)
    return turns


def plain_row(conversation) -> dict:
    """A row whose every field is under its usual name."""
    turns = plain(conversation)
    for answer, turn in zip(conversation, turns[1::2], strict=True):
        if not answer.trained:
            turn["weight"] = 0
    return {"messages": turns}


@st.composite
def spelled(draw, conversation):
    """A row that says the same as `plain_row` in other words, padded with nulls."""
    role, content, names = draw(
        st.sampled_from([("role", "content", ("user", "assistant")), ("from", "value", ("human", "gpt"))])
    )
    turns = []
    for answer in conversation:
        turns.append({role: names[0], content: draw(text_spelled(answer.question))})
        turn = {role: names[1], content: draw(text_spelled(answer.text))}
        if answer.reasoning:
            turn[draw(st.sampled_from(["reasoning_content", "reasoning", "thinking"]))] = answer.reasoning
        if answer.calls:
            as_role = not answer.text and draw(st.booleans())
            turn |= draw(calls_spelled(answer.calls, (role, content) if as_role else None))
        if not answer.trained:
            turn |= draw(st.sampled_from(LEFT_OUT))
        elif draw(st.booleans()):
            turn |= draw(st.sampled_from([{"weight": 1}, {"train": True}, {"loss": 1.0}, {"weight": 1.0}]))
        turns.append(turn)
    column = draw(st.sampled_from(["messages", "conversations"]))
    return {column: [draw(padded(turn)) for turn in turns]}


def text_spelled(text):
    ways = [text, [{"type": "text", "text": text}], [{"type": "output_text", "text": text}]]
    return st.sampled_from([*ways, [{"type": "input_text", "text": text, "image_url": None}]]) if text else st.none()


@st.composite
def calls_spelled(draw, calls, as_role):
    """Fields of a turn that hold the calls; its role and content too where `as_role` names them."""
    functions = [{"name": name, "arguments": json.dumps(args) if draw(st.booleans()) else args} for name, args in calls]
    if as_role:
        value = functions[0] if len(functions) == 1 else functions
        return {as_role[0]: "function_call", as_role[1]: json.dumps(value)}
    if len(functions) == 1 and draw(st.booleans()):
        return {"function_call": functions[0]}
    enveloped = [draw(st.sampled_from([{"type": "function", "function": f}, {"function": f}, f])) for f in functions]
    return {"tool_calls": json.dumps(enveloped) if draw(st.booleans()) else enveloped}


@st.composite
def padded(draw, value):
    """The same value, its objects with more null fields, at any depth."""
    if isinstance(value, dict):
        more = draw(st.lists(st.sampled_from(["pad", "weight", "tool_calls", "name", "train", "q"]), max_size=2))
        nothing = st.sampled_from([None, None, math.nan])
        return {name: draw(padded(item)) for name, item in value.items()} | {
            name: draw(nothing) for name in more if name not in value
        }
    return [draw(padded(item)) for item in value] if isinstance(value, list) else value
