"""The model that an export's configurations name, and what of its template the exported files have to know."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from spice_select.data.encoding.spans import SpanFinder
from spice_select.data.encoding.template import ChatTemplate
from spice_select.errors import InputError
from spice_select.models.embedded import conversion_due
from spice_select.models.load import load_tokenizer
from spice_select.models.recorded import lasting_name
from spice_select.run.finished import Run

EMBEDDED_ON_HUB = "HuggingFaceTB/SmolLM2-135M-Instruct"
"""What the hub calls the embedded proxy."""


@dataclass(frozen=True)
class Trainee:
    """The model to train.

    Attributes:
        name: as the configurations name it: a folder or file by its whole path, since the configurations lie in a
            folder of their own; a hub id as it is.
        found: what its tokenizer is loaded by; None for the embedded proxy.
        revision: commit, tag or branch of a hub id.
    """

    name: str
    found: str | None
    revision: str | None = None

    @property
    def is_local(self) -> bool:
        """Whether the name is a path on this machine."""
        return Path(self.name).is_absolute()

    @cached_property
    def tokenizer(self) -> Any:
        """Its tokenizer where that is on this machine, else None; nothing is downloaded and no code of its own run."""
        if self.found is None:
            return _embedded_tokenizer()
        try:
            return load_tokenizer(self.found, revision=self.revision)
        except InputError:
            return None

    @cached_property
    def template(self) -> ChatTemplate | None:
        """Its chat template; None where its tokenizer is not here, or has none that shows an exchange."""
        if self.tokenizer is None or not self.tokenizer.chat_template:
            return None
        try:
            return ChatTemplate(self.tokenizer)
        except InputError:
            return None

    def shown(self, messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """The messages as the selection shows them to this template: system turns where it takes none moved, the fields
        of reasoning and calls as it reads them. As they are, where the template is not here.
        """
        if self.template is None:
            return list(messages)
        return self.template.manner.take(self.template.prepare(messages))

    @cached_property
    def end_of_turn(self) -> "EndOfTurn | None":
        """What closes its answers; None where the tokenizer is not here, or its template shows no plain exchange."""
        tokenizer, template = self.tokenizer, self.template
        if tokenizer is None or template is None:
            return None
        special = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
        names = sorted({*special, *tokenizer.all_special_tokens})
        try:
            closing = SpanFinder(template, names).end_of_turn
        except InputError:
            return None
        found = min((name for name in names if name in closing), key=closing.index, default=None)
        return EndOfTurn(token=found, eos=tokenizer.eos_token, literal=found is not None and found in template.text)

    @property
    def wants_text_arguments(self) -> bool:
        """Whether its template takes the arguments of tool calls as JSON text alone, as DeepSeek's do."""
        return self.template is not None and self.template.manner.text_arguments


@dataclass(frozen=True, kw_only=True)
class EndOfTurn:
    """What closes an answer under a chat template.

    Attributes:
        token: the first special token there; None where plain text closes it.
        eos: the tokenizer's end-of-sequence token.
        literal: whether the template itself spells the token out.
    """

    token: str | None
    eos: str | None
    literal: bool


def find_trainee(run: Run, model: str | None) -> Trainee:
    """The model that was asked for, or the run's proxy."""
    proxy = run.settings.proxy
    if model is not None and not model.strip():
        raise InputError("--model is empty: name the model to train, or leave it out to name the run's proxy.")
    name = model or proxy.model
    if name is None:
        return Trainee(EMBEDDED_ON_HUB, None)
    return Trainee(lasting_name(name), name, None if model else proxy.model_revision)


@cache
def _embedded_tokenizer() -> Any:
    return None if conversion_due() is not None else load_tokenizer(None)
