"""What is evaluated: a base model, an adapter on one, a merged model, or the folder that training left."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from spice_select.errors import InputError
from spice_select.evaluation.settings import ModelSettings
from spice_select.models.adapters import put_on, refuse_unplain_settings
from spice_select.models.contents import ADAPTER_CONFIG, ADAPTER_WEIGHTS, contents
from spice_select.models.embedded import NAME as EMBEDDED_NAME
from spice_select.models.guard import refuse_marks_without_rows
from spice_select.models.identify import identify_model
from spice_select.models.load import Source, load_model, load_tokenizer, read_tokenizer
from spice_select.models.precision import choose_device, choose_precision
from spice_select.run.folder import IDENTITY, MANIFEST, RunFolder

EMBEDDED = "embedded"
"""How the embedded model is asked for by name."""
_SELECTION = "selected.jsonl"
_MOVED_PROXY = "proxy/adapter"
_TRAINED = "model"
"""Where a training's folder holds what it trained."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A model that is found, not yet loaded.

    Attributes:
        name: as the person called it.
        base: what `load_model` takes: a directory, a hub id, or None for the embedded model.
        revision: of a base from the hub; None for the newest that is here.
        adapter: directory of the PEFT adapter on it, if any.
        identity: content hashes, precision, device: JSON-ready facts that decide its numbers.
        dtype: precision it will run in.
        device: where it will run.
    """

    name: str
    base: str | None
    revision: str | None
    adapter: Path | None
    identity: dict[str, Any]
    dtype: str
    device: str

    def access(self, settings: ModelSettings) -> dict[str, Any]:
        """What opening its base may do, with its revision, as `spice_select.models` calls it."""
        return {**settings.keywords(), "revision": self.revision}

    @property
    def kind(self) -> str:
        """``adapter`` or ``model``."""
        return "adapter" if self.adapter else "model"


@dataclass(frozen=True)
class Opened:
    """A loaded subject.

    Attributes:
        model: the causal language model; with an adapter, its layers are in place inside it. In evaluation mode.
        tokenizer: the adapter's own where it has one, else the base's.
    """

    model: nn.Module
    tokenizer: Any


def find_subject(name: str, settings: ModelSettings, *, revision: str | None = None) -> Subject:
    """Find what a name means, and hash it.

    Args:
        name: a model directory, GGUF file, hub id or ``embedded``; a PEFT adapter's directory; or the folder of a
            finished training, which holds one of these.
        settings: precision, device, what is allowed, the base of adapters.
        revision: of a model from the hub; an adapter says itself which revision of its base it belongs to.

    Raises:
        InputError: there is no such thing, or it is unfinished, or its base is not known; as `load_model`.
    """
    if not name.strip():
        raise InputError("the name of a model is empty. Name a directory, a GGUF file, a hub id or `embedded`.")
    place = _inside(name)
    adapter = Path(place) if place is not None and (Path(place) / ADAPTER_CONFIG).is_file() else None
    base = place
    if adapter is not None:
        base, revision = _base_of(adapter, settings.base)
        refuse_unplain_settings(adapter, use="losses")
    device = choose_device(settings.device)
    dtype = str(choose_precision(settings.dtype, device).dtype).removeprefix("torch.")
    with _naming_base(adapter, base):
        known = identify_model(
            base, allow_pickle=settings.allow_pickle, **{**settings.keywords(), "revision": revision}
        )
    identity = {
        **{f"base_{name.removeprefix('model_')}": digest for name, digest in known.sums.items()},
        "base_generation_sha256": known.generation_hash,
        **(_adapter_sums(adapter) if adapter else {"adapter_weights_sha256": "", "adapter_files_sha256": ""}),
        "dtype": dtype,
        "device": device.type,
    }
    if not known.weights_hash:
        identity["base"] = known.name  # from the hub: its name and commit say what it is
    return Subject(
        name=name,
        base=base,
        revision=revision,
        adapter=adapter,
        identity=identity,
        dtype=dtype,
        device=device.type,
    )


def open_subject(subject: Subject, settings: ModelSettings) -> Opened:
    """Load a subject. Raises InputError as `load_model`, or when the adapter does not fit its base."""
    loaded = load_model(
        subject.base,
        dtype=settings.dtype,
        device=settings.device,
        allow_pickle=settings.allow_pickle,
        **subject.access(settings),
    )
    tokenizer = open_tokenizer(subject, settings)
    if subject.adapter is None:
        return Opened(loaded.model, tokenizer)
    model = _adapted(loaded.model, subject.adapter, subject.base)
    refuse_marks_without_rows(subject.name, model, tokenizer)
    return Opened(model, tokenizer)


def open_tokenizer(subject: Subject, settings: ModelSettings) -> Any:
    """The tokenizer alone: the adapter's own where it has one (training may have changed its template)."""
    if subject.adapter is None or not (subject.adapter / "tokenizer_config.json").is_file():
        return load_tokenizer(subject.base, **subject.access(settings))
    place = Source(str(subject.adapter), str(subject.adapter), subject.adapter)
    return read_tokenizer(place, allow_network=False, trust_remote_code=settings.trust_remote_code, revision=None)


def _adapted(model: nn.Module, adapter: Path, base: str | None) -> nn.Module:
    adapted = put_on(model, adapter, use="losses", base=f"its base {base or EMBEDDED_NAME}", flag="--base")
    inner: nn.Module = adapted.get_base_model().eval().requires_grad_(False)
    return inner


def _inside(name: str) -> str | None:
    """The model or adapter that a name stands for; a training folder is entered."""
    folder = Path(name).expanduser()
    if name == EMBEDDED and not folder.exists():
        return None
    if not folder.is_dir() or _is_model(folder):
        return name
    if (folder / _SELECTION).is_file():
        moved = folder / _MOVED_PROXY
        also = f" The proxy that it moved while it selected is {moved}." if _is_model(moved) else ""
        raise InputError(
            f"{name}: a run of `spice select`, which chose rows and trained no target. Train a model on them, and "
            f"evaluate the folder that this leaves.{also}"
        )
    if (folder / IDENTITY).is_file() and not (folder / MANIFEST).is_file():
        kind = RunFolder(folder).identity.get("kind", "selection")
        if kind != "training":
            raise InputError(
                f"{name}: the folder of a {kind}, which is no model. Give a model, or the folder of a finished "
                "training."
            )
        raise InputError(f"{name}: training is unfinished. Run the same `spice train` command again to resume it.")
    if _is_model(folder / _TRAINED):
        return str(folder / _TRAINED)
    found = [child for child in sorted(folder.iterdir()) if child.is_dir() and _is_model(child)]
    found = [child for child in found if not child.name.startswith("checkpoint")]
    if len(found) == 1:
        return str(found[0])
    if found:
        names = ", ".join(child.name for child in found)
        raise InputError(f"{name}: it holds several models ({names}). Name one of them: {found[0]}.")
    raise InputError(
        f"{name}: no model and no adapter in it (neither config.json nor {ADAPTER_CONFIG}). Give a directory that "
        "`save_pretrained` wrote, a folder that `spice train` finished, a .gguf file, or a hub id."
    )


def _is_model(folder: Path) -> bool:
    return (folder / ADAPTER_CONFIG).is_file() or (folder / "config.json").is_file()


def _base_of(adapter: Path, given: str | None) -> tuple[str | None, str | None]:
    """The base model an adapter belongs to, and its revision: as given, else as its config says."""
    if given is not None:
        return None if given == EMBEDDED else given, None
    try:
        config = json.loads((adapter / ADAPTER_CONFIG).read_text(encoding="utf-8"))
        named, revision = config.get("base_model_name_or_path"), config.get("revision")
    except (ValueError, AttributeError) as error:
        raise InputError(
            f"{adapter / ADAPTER_CONFIG}: not a PEFT configuration ({error}). Save the adapter again."
        ) from error
    if not named:
        raise InputError(f"adapter {adapter}: its {ADAPTER_CONFIG} names no base model. Give it with --base.")
    if named in (EMBEDDED, EMBEDDED_NAME):
        return None, None
    on_hub = isinstance(revision, str) and revision and not Path(str(named)).expanduser().exists()
    return str(named), revision if on_hub else None


@contextmanager
def _naming_base(adapter: Path | None, base: str | None) -> Iterator[None]:
    """An adapter's base that cannot be had: say whose it is, and the flag that helps."""
    try:
        yield
    except InputError as error:
        if adapter is None:
            raise
        raise InputError(
            f"adapter {adapter}: its base {base!r} cannot be used: {error}. Say where it is with --base (or "
            f"--base {EMBEDDED})."
        ) from error


def _adapter_sums(adapter: Path) -> dict[str, str]:
    """Sums over an adapter's weights, and over its configuration and the tokenizer it may bring."""
    if not (adapter / ADAPTER_WEIGHTS).is_file():
        raise InputError(
            f"adapter {adapter}: it has no {ADAPTER_WEIGHTS}. Pickled adapters are not read; save it again with "
            "`save_pretrained`, which writes safetensors."
        )
    sums = contents(adapter)
    return {f"adapter_{name}": sums[name] for name in ("weights_sha256", "files_sha256")}
