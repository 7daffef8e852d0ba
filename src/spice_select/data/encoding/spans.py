"""Which characters of a rendered conversation the assistant wrote: its answers, each with its end-of-turn token.

A template is asked, not parsed. It renders a conversation in which every text is replaced by a sentinel; where the
sentinels land shows the literal *frame* around the texts, and incremental prefix rendering (the first i turns with
the generation prompt, then with one turn more) shows where in the frame each answer begins and ends. Frames depend on
little but the roles, so a corpus needs few of them. For each row the frame is filled with the row's texts and has to
equal what the template renders for the row: a template that looks into the texts is found out, and then the row
itself is rendered prefix by prefix, or dropped with a reason. No row is masked on a guess.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from spice_select.data.encoding.disguise import Disguise, parts_left_out, stands_alone
from spice_select.data.encoding.frames import (
    Frame,
    Skeleton,
    Stretch,
    TextPlace,
    messages_of_skeleton,
    places,
    remarks_on,
    sentinel,
    skeleton,
)
from spice_select.data.encoding.template import REASONING_FIELDS, ChatTemplate, Messages
from spice_select.data.formats.base import RowError
from spice_select.data.formats.thoughts import begins_with_thought
from spice_select.data.records import Conversation
from spice_select.errors import InputError

_MAX_FRAMES = 4096
_OPEN_TAG = re.compile(r"[<\[][^<>\[\]]*$")
_FORMS = re.compile(
    r"<\|im_start\|>|<\|start_header_id\|>|<start_of_turn>|\[/INST\]|<\|assistant\|>|<｜Assistant｜>"
    r"|### (Response|Assistant):|\r?\n\r?\nAssistant:"
)
"""What tells of a text that it is in the form of a chat template, or a transcript."""

_MEDIA_PLACES = re.compile(
    r"(?:\A|\n)[ \t]*<(?:image|video|audio|speech)>|<(?:image|video|audio|speech)>[ \t]*(?:\n|\Z)"
    r"|<\|(?:image|video|audio|image_pad|video_pad|vision_start)\|>"
)
"""What stands in a text for a picture, a film or a sound beside it."""

_EXCHANGE: Skeleton = (("user", sentinel(0), None), ("assistant", sentinel(1), None))
_TWO_EXCHANGES: Skeleton = (*_EXCHANGE, ("user", sentinel(2), None), ("assistant", sentinel(3), None))


@dataclass(frozen=True, slots=True)
class Located:
    """A rendered conversation and the characters in it that the assistant wrote, in order.

    Attributes:
        spans: begin and end of each answer.
        untrained: which of the spans are not trained on.
        tools: that it was rendered with.
        remarks: what the template did to the conversation, as names known to `spice_select.data.encoding.notes`.
    """

    messages: tuple[dict[str, Any], ...]
    text: str
    spans: tuple[Stretch, ...]
    untrained: frozenset[int] = frozenset()
    remarks: tuple[str, ...] = field(default=(), compare=False)
    tools: Messages = ()


class SpanFinder:
    """Finds the supervised characters of conversations under one chat template.

    Attributes:
        end_of_turn: what closes an answer, "" if the template writes nothing there.
        exchange: one question and its answer as the template shows them, the texts sentinels.
        header: the characters of `exchange` that the template writes before an answer: what a generation prompt adds,
            or all between question and answer where it adds nothing (``[/INST]``).
    """

    def __init__(self, template: ChatTemplate, special_tokens: Sequence[str]) -> None:
        self._template = template
        self._special = _any_of(special_tokens)
        self._frames: dict[Skeleton, Frame | RowError] = {}
        self._learn_the_exchange()

    def _learn_the_exchange(self) -> None:
        """What one question and answer tell: the answer's header, what follows it, and its end of turn."""
        exchange = messages_of_skeleton(_EXCHANGE)
        text = self._template.render(exchange)
        try:
            question, answer = places(text, _EXCHANGE)
        except RowError as error:
            raise InputError(
                f"the tokenizer's chat template does not show a plain question and answer: {error.detail}. "
                "Give a model whose template takes texts (templates of vision models often take only lists of parts)."
            ) from error
        try:
            bare = self._template.render(exchange[:1])
            prompt = self._template.render(exchange[:1], generation_prompt=True)
        except RowError as error:
            raise InputError(
                f"the tokenizer's chat template does not show a question without its answer: {error.detail}. Give a "
                "model whose template shows a prompt, as it must before an answer is written."
            ) from error
        self._honours_generation_prompt = bare != prompt
        self._prompt_header = prompt.removeprefix(bare) if prompt.startswith(bare) else ""
        self._header = text[question.end : answer.begin].removeprefix(_after(prompt, question.core)).rstrip(" ")
        self._tail = text[answer.end :]
        self.end_of_turn = self._closing_of(self._tail)
        self.exchange, between = text, text[question.end : answer.begin]
        self.header = self._header_of(question.end, between, _after(bare, question.core), exchange[:1], question.core)

    def _header_of(
        self, start: int, between: str, closing: str, question: list[dict[str, Any]], core: int | None
    ) -> Stretch:
        """Where in the exchange the header of the answer is: after what closes the question, if anything is left."""
        length = self._begin(question, core, between)
        closes = between.startswith(closing) and between[len(closing) : length].strip()
        return start + (len(closing) if closes else 0), start + length

    def closes_earlier_answers(self) -> bool:
        """Whether the end of turn of an answer that others follow can be told from what comes next."""
        try:
            (_, (_, length)), _ = self._frame(_TWO_EXCHANGES).marks
        except RowError:
            return False
        return length > 0

    def locate(self, conversations: Sequence[Conversation]) -> list[Located | RowError]:
        """Text and supervised spans of each conversation, or why it cannot be masked."""
        prepared = [self._template.prepare(conversation.messages) for conversation in conversations]
        simple = [i for i, c in enumerate(conversations) if not c.tools and _only_texts(prepared[i])]
        rendered = dict(zip(simple, self._template.render_many([prepared[i] for i in simple]), strict=True))
        return [self._locate(prepared[i], c, rendered.get(i)) for i, c in enumerate(conversations)]

    def _locate(
        self, messages: tuple[dict[str, Any], ...], conversation: Conversation, text: str | RowError | None
    ) -> Located | RowError:
        if isinstance(text, RowError):
            return text
        untrained = _untrained_answers(conversation)
        seen = (*self._moves_system(conversation.messages), *self._thoughts_in_text(messages))
        try:
            if text is not None:
                turns, cores = skeleton(messages)
                frame = self._frame(turns)
                filled, spans = frame.fill(cores)
                if filled == text:
                    seen += (*self._forms_in_text(messages, text), *frame.remarks)
                    return Located(messages, text, spans, untrained, seen)
            located = self._by_prefixes(messages, conversation.tools, untrained)
            tools = () if "tools-hidden" in located.remarks else conversation.tools
            seen += (*self._forms_in_text(messages, located.text, tools), *located.remarks)
            return replace(located, remarks=seen, tools=conversation.tools)
        except RowError as fault:
            return fault

    def _moves_system(self, messages: Messages) -> tuple[str, ...]:
        """A remark if a system turn that does not begin the conversation is put in front of it."""
        begun = next((turn for turn, message in enumerate(messages) if message["role"] != "system"), 0)
        later = any(message["role"] == "system" and message["content"].strip() for message in messages[begun:])
        return ("turns-moved",) if later and not self._template.takes_system else ()

    def _thoughts_in_text(self, messages: Messages) -> list[str]:
        """A remark for each answer that begins with reasoning which the template takes for the answer's words."""
        if not self._template.leaves_thoughts_in_text:
            return []
        texts = [message["content"] for message in messages if message["role"] == "assistant"]
        return ["thought-in-text" for text in texts if begins_with_thought(text)]

    def _forms_in_text(self, messages: Messages, text: str, tools: Messages = ()) -> list[str]:
        """Remarks on each turn that writes out a special token (it becomes one), another template's form, or media.

        Looked for in all that the template shows of a turn: reasoning, names and calls too. Tools count as a turn.
        """
        remarks = []
        for message in messages:
            shown = _shown(message, text)
            if any(map(_MEDIA_PLACES.search, shown)):
                remarks.append("media-in-text")
            if self._special is not None and any(map(self._special.search, shown)):
                remarks.append("control-tokens")
            elif message["role"] != "tool" and any(map(_FORMS.search, shown)):
                remarks.append("template-in-text")
        if self._special is not None and any(map(self._special.search, _strings(tools))):
            remarks.append("control-tokens")
        return remarks

    # ---- by the frame

    def _frame(self, turns: Skeleton) -> Frame:
        frame = self._frames.get(turns)
        if frame is None:
            try:
                frame = self._build(turns)
            except RowError as fault:
                frame = fault
            if len(self._frames) >= _MAX_FRAMES:
                self._frames.clear()
            self._frames[turns] = frame
        if isinstance(frame, RowError):
            raise frame
        return frame

    def _build(self, turns: Skeleton) -> Frame:
        messages = messages_of_skeleton(turns)
        text = self._template.render(messages)
        found = places(text, turns)
        ends = [0, *(place.end for place in found)]
        begins = [*(place.begin for place in found), len(text)]
        pieces = tuple(text[end:begin] for end, begin in zip(ends, begins, strict=True))
        assistant = [turn for turn, message in enumerate(messages) if message["role"] == "assistant"]
        marks = tuple(self._mark(messages, turn, found, pieces) for turn in assistant)
        cores = tuple(place.core for place in found)
        return Frame(pieces=pieces, cores=cores, marks=marks, remarks=remarks_on(found, turns))

    def _mark(
        self, messages: list[dict[str, Any]], turn: int, found: tuple[TextPlace, ...], pieces: tuple[str, ...]
    ) -> tuple[tuple[int, int], tuple[int, int]]:
        """Begin and end of one answer, as places in the pieces."""
        own = [gap for gap, place in enumerate(found) if place.turn == turn]
        before, after = own[0], own[-1] + 1
        previous = found[before - 1].core if before else None
        begin = self._begin(messages[:turn], previous, pieces[before])
        return (before, begin), (after, self._end(messages[: turn + 1], found[own[-1]].core, pieces[after]))

    def _begin(self, earlier: list[dict[str, Any]], previous: int | None, header: str) -> int:
        """Where in the header, the literal text before an answer, the prompt ends and the answer begins."""
        if not earlier:
            return len(header)
        prompt = self._template.render(earlier, generation_prompt=True)
        tail = _after(prompt, previous)
        if not self._honours_generation_prompt and header.removeprefix(tail).strip():
            # the template never shows the header alone: none of it is the answer, save white space of the answer's
            known = tail + self._header
            return len(known) if header.startswith(known) else len(header.rstrip(" "))
        return _common_prefix(tail, header)

    def _end(self, through: list[dict[str, Any]], core: int, after: str) -> int:
        """How much of `after`, the literal text after an answer, is its end of turn."""
        if after.startswith(self.end_of_turn):
            return len(self.end_of_turn)
        closing = self._closing_of(_after(self._template.render(through), core))
        return len(closing) if after.startswith(closing) else 0

    def _closing_of(self, tail: str) -> str:
        """The end of turn at the head of what follows the last answer: up to its first row of special tokens."""
        match = self._special.search(tail) if self._special else None
        return tail[: match.end()] if match else tail.rstrip()

    # ---- by the row's own prefixes: tool calls, and templates that look into the texts

    def _by_prefixes(
        self, messages: tuple[dict[str, Any], ...], tools: Messages, untrained: frozenset[int] = frozenset()
    ) -> Located:
        text = self._template.render(messages, tools)
        disguise = Disguise.of(self._template, messages, tools)
        spans: list[Stretch] = []
        left_out: set[int] = set()
        answers = -1
        for turn, message in enumerate(messages):
            if message["role"] == "assistant":
                answers += 1
                span = self._span_or_none(messages, turn, tools, text, disguise, needed=answers not in untrained)
                if span is None:
                    continue
                self._refuse_unshown(message, turn, text[span[0] : span[1]].removesuffix(self.end_of_turn))
                if answers in untrained:
                    left_out.add(len(spans))
                spans.append(span)
            elif message["role"] == "tool":
                until, through = (self._template.render(messages[:n], tools) for n in (turn, turn + 1))
                self._refuse_unshown(message, turn, "" if until == through else through)
        remarks = (*parts_left_out(disguise, untrained), *self._unshown(messages, tools, text))
        return Located(messages, text, tuple(spans), frozenset(left_out), remarks)

    def _span_or_none(
        self,
        messages: tuple[dict[str, Any], ...],
        turn: int,
        tools: Messages,
        text: str,
        disguise: Disguise,
        *,
        needed: bool,
    ) -> Stretch | None:
        """The span of an answer; None where it cannot be told and need not be, since it is not trained on."""
        try:
            return self._span(messages, turn, tools, text, disguise)
        except RowError:
            if needed:
                raise
            return None

    def _unshown(self, messages: Messages, tools: Messages, text: str) -> list[str]:
        """Remarks for what stands beside the turns and is not in the text: tools, and names of speakers."""
        others = [message for message in messages if message["role"] != "tool" and message.get("name")]
        remarks = ["names-hidden" for message in others if message["name"] not in text]
        if tools and self._template.render_many([messages]) == [text]:  # some refuse a call without its tools
            remarks.append("tools-hidden")
        return remarks

    def _refuse_unshown(self, message: dict[str, Any], turn: int, shown: str) -> None:
        """Many templates leave tool calls and results out without a word; nothing may be trained on what is left."""
        calls = [call.get("function", call).get("name", "") for call in message.get("tool_calls", ())]
        if not shown.strip() or any(name not in shown for name in calls):
            what = f"turn {turn + 1} ({message['role']}{', a tool call' if calls else ''})"
            raise RowError("template-omits-turn", f"the chat template does not show {what}")

    def _span(
        self, messages: tuple[dict[str, Any], ...], turn: int, tools: Messages, text: str, disguise: Disguise
    ) -> Stretch:
        begin = self._begin_by_prefix(messages[:turn], tools, text)
        through = self._template.render(messages[: turn + 1], tools)
        if text.startswith(through.rstrip()):
            if through.endswith(self._tail):
                return begin, len(through) - len(self._tail) + len(self.end_of_turn)
            return begin, len(through.rstrip())
        # the turn changes once others follow; a special token that no text holds still shows where it ends
        end = text.find(self.end_of_turn, begin)
        special = self._special and self._special.search(self.end_of_turn)
        told = special and end >= 0 and not _mentions(messages, special[0])
        if told and stands_alone(disguise, turn, self.end_of_turn):
            return begin, end + len(self.end_of_turn)
        raise _rewritten(turn)

    def _begin_by_prefix(self, earlier: tuple[dict[str, Any], ...], tools: Messages, text: str) -> int:
        if not earlier:
            raise RowError("template-unclear", "nothing comes before the first answer that would show where it begins")
        prompt = self._template.render(earlier, tools, generation_prompt=True)
        if not self._honours_generation_prompt:
            prompt += self._header
        if not text.startswith(prompt):
            return self._shared_header(earlier, tools, prompt, text)
        begin = len(prompt)
        # after a tool's result some templates leave the header out of the prompt, and show it all the same
        return begin + len(self._prompt_header) if text.startswith(self._prompt_header, begin) else begin

    def _shared_header(self, earlier: tuple[dict[str, Any], ...], tools: Messages, prompt: str, text: str) -> int:
        """Where an answer begins whose header goes another way than the prompt's: where the two part.

        Prompts that open a block of reasoning do so where the answer shows none. A tag that both begin is the answer's.
        """
        bare = self._template.render(earlier, tools)
        shared = _common_prefix(prompt, text)
        if not (text.startswith(bare) and prompt.startswith(bare) and prompt[len(bare) : shared].strip()):
            raise _rewritten(len(earlier))
        begun = _OPEN_TAG.search(text, len(bare), shared)
        return begun.start() if begun else shared


def _untrained_answers(conversation: Conversation) -> frozenset[int]:
    """Which of a conversation's answers, counted from 0, are not trained on."""
    answers = [turn for turn, message in enumerate(conversation.messages) if message["role"] == "assistant"]
    return frozenset(number for number, turn in enumerate(answers) if turn in conversation.untrained)


def _any_of(tokens: Sequence[str]) -> re.Pattern[str] | None:
    """A pattern for one of the tokens, or several that follow one another directly."""
    longest_first = sorted(filter(None, tokens), key=len, reverse=True)
    return re.compile(f"(?:{'|'.join(map(re.escape, longest_first))})+") if longest_first else None


def _common_prefix(one: str, other: str) -> int:
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _only_texts(messages: Messages) -> bool:
    return all(not (message.keys() - {"role", "content", "reasoning_content"}) for message in messages)


def _after(text: str, core: int | None) -> str:
    """What follows the last appearance of a core's sentinel; the whole text if it is not there."""
    return text if core is None else text.rpartition(sentinel(core))[2]


def _mentions(value: Any, token: str) -> bool:
    return any(token in text for text in _strings(value))


def _strings(value: Any) -> Iterator[str]:
    """Every text in a value, at any depth, names of fields too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from _strings([*value.keys(), *value.values()])
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _strings(item)


def _shown(message: Mapping[str, Any], text: str) -> list[str]:
    """The texts of a turn that a rendered conversation shows; those of its calls are taken to be shown."""
    names = [*REASONING_FIELDS, "name"]
    beside = [value for name in names if isinstance(value := message.get(name), str) and value.strip() in text]
    return [message["content"], *beside, *_strings(message.get("tool_calls", ()))]


def _rewritten(turn: int) -> RowError:
    return RowError(
        "template-rewrites-turns",
        f"the chat template shows turn {turn + 1}, or what comes before it, differently once more turns follow",
    )
