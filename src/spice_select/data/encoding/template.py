"""The chat template of a tokenizer: what text a conversation becomes.

With `spans` (which part of that text the assistant wrote) and `mask` (which tokens that is) this is the only home of
chat template and loss mask.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jinja2

from spice_select.data.encoding.today import fixed_names, with_fixed_clock
from spice_select.data.formats.base import RowError
from spice_select.errors import InputError

Messages = Sequence[dict[str, Any]]

Marked = tuple[list[int], list[int]]
"""The tokens of a conversation, and 1 for each that the template marks as the assistant's, else 0."""

FALLBACK_NAME = "### Instruction / ### Response"
FALLBACK_TEMPLATE = """\
{%- for message in messages -%}
{%- if message['role'] == 'system' -%}{{ message['content'] + '\\n\\n' }}
{%- elif message['role'] == 'user' -%}{{ '### Instruction:\\n' + message['content'] + '\\n\\n' }}
{%- elif message['role'] == 'tool' -%}{{ '### Tool:\\n' + message['content'] + '\\n\\n' }}
{%- else -%}{{ '### Response:\\n' + message['content'] + (eos_token or '') + '\\n\\n' }}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '### Response:\\n' }}{%- endif -%}"""
"""For tokenizers without a template: plain headings, and the end-of-sequence token as the end of each answer."""

_GENERATION_MARKS = re.compile(r"\{%-?\s*generation\s*-?%\}")
_REFUSALS = (jinja2.exceptions.TemplateError, TypeError, ValueError, KeyError, AttributeError, IndexError)

REASONING_FIELDS = ("reasoning_content", "thinking", "reasoning")
"""What templates call the reasoning before an answer, the normal form first."""

_QUESTION = {"role": "user", "content": "question"}
_CALL_PARTS = ("nAmEpRoBe", "kEyPrObE", "vAlUePrObE")


@dataclass(frozen=True, slots=True)
class Manner:
    """How a template wants the answers of a conversation that is in the normal form.

    Attributes:
        reasoning: the field it reads the reasoning from.
        text_arguments: whether it wants the arguments of tool calls as JSON text (DeepSeek), not as objects.
        null_content: whether it wants null where nothing is said beside a call (DeepSeek), not "".
    """

    reasoning: str = REASONING_FIELDS[0]
    text_arguments: bool = False
    null_content: bool = False

    def take(self, messages: Messages) -> list[dict[str, Any]]:
        """The messages as the template wants them; those that stay as they are, are not copied."""
        return [self._turn(message) for message in messages]

    def _turn(self, message: dict[str, Any]) -> dict[str, Any]:
        if "reasoning_content" in message and self.reasoning != "reasoning_content":
            renamed = {"reasoning_content": self.reasoning}
            message = {renamed.get(name, name): value for name, value in message.items()}
        if message.get("tool_calls") and (self.text_arguments or self.null_content):
            calls = [self._call(call) for call in message["tool_calls"]] if self.text_arguments else None
            content = None if self.null_content and not message["content"] else message["content"]
            message = {**message, "content": content, "tool_calls": calls or message["tool_calls"]}
        return message

    def _call(self, call: dict[str, Any]) -> dict[str, Any]:
        function = call.get("function")
        if not isinstance(function, dict) or not isinstance(function.get("arguments"), dict):
            return call
        text = json.dumps(function["arguments"], ensure_ascii=False)
        return {**call, "function": {**function, "arguments": text}}


class ChatTemplate:
    """Renders conversations with a tokenizer's chat template, or with `FALLBACK_TEMPLATE` where it has none.

    Attributes:
        text: the template (JSON of all of them where the tokenizer has several).
        hash: SHA-256 (hex) of `text`.
        fallback: the name of the fallback where it is used, else None.
        marked: whether the template marks the assistant's parts with ``{% generation %}``.
        manner: how it wants reasoning and tool calls; `Manner.take` gives messages to it as `render` does.
        takes_system: whether it shows system turns; where it does not, they go in front of the first user turn.
        leaves_thoughts_in_text: whether it has a place of its own for reasoning, and shows ``<think>…</think>`` in the
            text of an answer as the answer's words all the same.

    Conversations come in one normal form: reasoning in ``reasoning_content``, arguments of tool calls as objects. What
    the template reads instead (another field, arguments as JSON text, null for the text beside a call) is found out
    once by showing it a call and a thought, and it is given that.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        own = tokenizer.chat_template
        self.fallback = None if own else FALLBACK_NAME
        self._override = None if own else _fallback_for(tokenizer)
        self.text: str = self._override or (own if isinstance(own, str) else json.dumps(own, sort_keys=True))
        self.hash = hashlib.sha256(self.text.encode("utf-8")).hexdigest()
        self.marked = _GENERATION_MARKS.search(self.text) is not None
        self.manner = Manner()
        self.takes_system = self._shows_system_turns()
        self.manner = self._learn_its_manner()
        self.leaves_thoughts_in_text = self._leaves_thoughts_in_text()

    def render(self, messages: Messages, tools: Messages = (), *, generation_prompt: bool = False) -> str:
        """The text of one conversation; a `RowError` ``template-refuses`` with the template's own words."""
        try:
            return self._apply(self.manner.take(messages), tools, generation_prompt)
        except _REFUSALS as error:
            raise RowError("template-refuses", f"the chat template refuses the conversation: {error}") from error

    def render_many(self, conversations: Sequence[Messages]) -> list[str | RowError]:
        """Many conversations without tools at once; those the template refuses come back as their fault."""
        try:
            return list(self._apply([self.manner.take(messages) for messages in conversations], (), False))
        except _REFUSALS:
            return [self._render_or_fault(messages) for messages in conversations]

    def beside(self, tools: Messages = ()) -> dict[str, Any]:
        """What `apply_chat_template` is given beside the conversation for it to be shown as here."""
        shown = self._override or self._tokenizer.get_chat_template(tools=list(tools) or None)
        return {"chat_template": with_fixed_clock(shown), **fixed_names(self.text)}

    def prepare(self, messages: Messages) -> tuple[dict[str, Any], ...]:
        """The messages as this template can take them: system turns moved where it shows none."""
        if self.takes_system or all(turn["role"] != "system" for turn in messages):
            return tuple(messages)
        system = "\n\n".join(turn["content"] for turn in messages if turn["role"] == "system" and turn["content"])
        rest = [turn for turn in messages if turn["role"] != "system"]
        first = next((i for i, turn in enumerate(rest) if turn["role"] == "user"), None)
        if system and first is not None:
            rest[first] = {**rest[first], "content": f"{system}\n\n{rest[first]['content']}"}
        return tuple(rest)

    def marked_tokens(self, conversations: Sequence[Messages], tools: Messages = ()) -> list[Marked | None]:
        """What the template's own ``{% generation %}`` marks say of conversations with these tools. Only if `marked`.

        None of those that it refuses.
        """
        if not conversations:
            return []
        try:
            encoded = self._tokenizer.apply_chat_template(
                [self.manner.take(messages) for messages in conversations],
                tools=list(tools) or None,
                return_dict=True,
                return_assistant_tokens_mask=True,
                tokenizer_kwargs={"verbose": False},
                **self.beside(tools),
            )
        except _REFUSALS:
            if len(conversations) == 1:
                return [None]
            return [found for messages in conversations for found in self.marked_tokens([messages], tools)]
        return list(zip(encoded["input_ids"], encoded["assistant_masks"], strict=True))

    def _apply(self, conversation: Any, tools: Messages, generation_prompt: bool) -> Any:
        return self._tokenizer.apply_chat_template(
            conversation,
            tools=list(tools) or None,
            add_generation_prompt=generation_prompt,
            tokenize=False,
            **self.beside(tools),
        )

    def _render_or_fault(self, messages: Messages) -> str | RowError:
        try:
            return self.render(messages)
        except RowError as fault:
            return fault

    def _shows_system_turns(self) -> bool:
        exchange = [{"role": "user", "content": "question"}, {"role": "assistant", "content": "answer"}]
        try:
            self.render(exchange)
        except RowError as fault:
            raise InputError(
                f"the tokenizer's chat template cannot show a question and its answer: {fault.detail}. "
                "Give a model whose tokenizer has a template for conversations."
            ) from fault
        rendered = self._render_or_fault([{"role": "system", "content": "sYsTeMpRoBe"}, *exchange])
        return isinstance(rendered, str) and "sYsTeMpRoBe" in rendered

    def _learn_its_manner(self) -> Manner:
        """How it wants reasoning and tool calls: the first manner that it shows, the normal form if it shows none."""
        field = next((f for f in REASONING_FIELDS if self._shows_thought(f)), REASONING_FIELDS[0])
        manners = [Manner(field, text, null) for text in (False, True) for null in (False, True)]
        return next((manner for manner in manners if self._shows_call(manner)), manners[0])

    def _shows_thought(self, field: str) -> bool:
        answer = {"role": "assistant", "content": "answer", "reasoning_content": "tHoUgHtPrObE"}
        return "tHoUgHtPrObE" in self._probe(Manner(field), [_QUESTION, answer])

    def _shows_call(self, manner: Manner) -> bool:
        function = {"name": "nAmEpRoBe", "arguments": {"kEyPrObE": "vAlUePrObE"}}
        call = {"type": "function", "id": "callprobe", "function": function}
        shown = self._probe(manner, [_QUESTION, {"role": "assistant", "content": "", "tool_calls": [call]}])
        # JSON in JSON has its quotes escaped; an object that is printed, not dumped, has Python's
        broken = ('\\"kEyPrObE', "'kEyPrObE", "\\u0022kEyPrObE")
        return all(part in shown for part in _CALL_PARTS) and not any(mark in shown for mark in broken)

    def _leaves_thoughts_in_text(self) -> bool:
        answer = {"role": "assistant", "content": "answer", "reasoning_content": "tHoUgHtPrObE"}
        written = {"role": "assistant", "content": "<think>\ntHoUgHtPrObE\n</think>\n\nanswer"}
        # templates differ in the white space around a thought
        own, text = ("".join(self._probe(self.manner, [_QUESTION, turn]).split()) for turn in (answer, written))
        return "tHoUgHtPrObE" in own and "<think>tHoUgHtPrObE</think>answer" in text and own != text

    def _probe(self, manner: Manner, messages: Messages) -> str:
        try:
            return str(self._apply(manner.take(messages), (), False))
        except _REFUSALS:
            return ""


def _fallback_for(tokenizer: Any) -> str:
    """The fallback template, begun with the BOS token if the tokenizer itself begins texts with it."""
    begins_with_bos = tokenizer.bos_token_id is not None and tokenizer("a").input_ids[0] == tokenizer.bos_token_id
    return ("{{- bos_token -}}" if begins_with_bos else "") + FALLBACK_TEMPLATE
