"""The model to train: found, with a chat template settled, its weights not yet loaded."""

from dataclasses import dataclass
from typing import Any

from spice_select.data.encoding.template import ChatTemplate
from spice_select.errors import InputError
from spice_select.models.identify import ModelIdentity, identify_model
from spice_select.models.load import load_tokenizer
from spice_select.models.precision import choose_device, choose_precision
from spice_select.run.finished import Run
from spice_select.training.settings import TrainSettings


@dataclass(frozen=True, kw_only=True)
class Target:
    """A target model.

    Attributes:
        name: directory or hub id; None for the embedded proxy.
        access: what loading it may do, and its revision, as `load_model` takes them.
        identity: its name and content.
        tokenizer: its tokenizer, which has a chat template.
        device: where it will be trained, e.g. ``cpu``.
        dtype: precision of the computation.
        reason: why this precision.
    """

    name: str | None
    access: dict[str, Any]
    identity: ModelIdentity
    tokenizer: Any
    device: str
    dtype: str
    reason: str


def find_target(run: Run, settings: TrainSettings) -> Target:
    """The target that the settings name, or the run's proxy.

    Raises:
        InputError: as `load_model` does, for a tokenizer without a chat template, and for float16 on a CPU.
    """
    proxy = run.settings.proxy
    name = settings.model or proxy.model
    access = settings.keywords()
    if not settings.model:
        access["revision"] = settings.model_revision or proxy.model_revision
    place = choose_device(settings.device)
    precision = choose_precision(settings.dtype, place)
    dtype = str(precision.dtype).removeprefix("torch.")
    if dtype == "float16" and place.type == "cpu":
        raise InputError("--dtype float16 on a CPU: training in it needs a GPU. Use --dtype float32.")
    tokenizer = load_tokenizer(name, **access)
    if tokenizer.pad_token is None and tokenizer.eos_token is None:
        raise InputError(
            f"model {name}: its tokenizer names neither a padding nor an end-of-sequence token, and batches are padded "
            "with one of them. Name one in its tokenizer_config.json (eos_token)."
        )
    _settle_template(name, tokenizer, settings)
    return Target(
        name=name,
        access=access,
        identity=identify_model(name, allow_pickle=settings.allow_pickle, **access),
        tokenizer=tokenizer,
        device=place.type,
        dtype=dtype,
        reason=precision.reason,
    )


def _settle_template(name: str | None, tokenizer: Any, settings: TrainSettings) -> None:
    """Refuse a target without a chat template, or give its tokenizer the plain one if that was asked for."""
    if tokenizer.chat_template:
        return
    if not settings.plain_template:
        raise InputError(
            f"model {name}: its tokenizer has no chat template, so nobody could tell how to talk to the result. Give "
            "a model that has one (an instruct variant), or train with plain headings: --plain-template."
        )
    tokenizer.chat_template = ChatTemplate(tokenizer).text
