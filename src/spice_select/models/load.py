"""Proxies and targets by name: the embedded default, a local directory, a GGUF file, or a hub id."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import nn

from spice_select.errors import InputError, SpiceError, fault_words
from spice_select.models import guard
from spice_select.models.contents import PICKLED, files_sum, weight_files
from spice_select.models.dequantised import forget_quantisation
from spice_select.models.embedded import NAME, embedded_model
from spice_select.models.precision import choose_device, choose_precision
from spice_select.models.quiet import network, quiet_transformers


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A model ready for gradients: evaluation mode, no parameter requires a gradient, no generation cache.

    Attributes:
        model: the causal language model.
        tokenizer: its tokenizer.
        name: what to call it in summaries and manifests.
        weights_hash: SHA-256 (hex) over the weight files; "" for a model from the hub, which `revision` identifies.
        revision: commit of the hub repository; "" for local models.
        precision: one sentence: the dtype and why.
    """

    model: nn.Module
    tokenizer: Any
    name: str
    weights_hash: str
    revision: str
    precision: str


def load_model(
    name: str | Path | None = None,
    *,
    dtype: str = "auto",
    device: str = "auto",
    allow_network: bool = False,
    allow_pickle: bool = False,
    trust_remote_code: bool = False,
    revision: str | None = None,
) -> Loaded:
    """Load a causal language model and its tokenizer.

    On a GPU cuDNN's attention is turned off in this process (`without_plans`).

    Args:
        name: a local directory, a GGUF file, or a hub id; None for the embedded default.
        dtype: ``auto`` (see `choose_precision`), ``float32``, ``bfloat16`` or ``float16``.
        device: ``auto``, ``cpu``, ``cuda``, …
        allow_network: whether a hub id may be downloaded. Otherwise only what is already in the local cache serves.
        allow_pickle: whether weights may come from pickle files, which can run any code while they load.
        trust_remote_code: whether code that comes with the model may run.
        revision: commit, tag or branch of a hub id.

    Raises:
        InputError: there is no such model, or what it needs is not allowed; the message names the flag.
    """
    place, chosen = choose_device(device), choose_precision(dtype, choose_device(device))
    source = locate(name, allow_network, revision)
    check_source(source, allow_network, allow_pickle, trust_remote_code, revision)
    from transformers import AutoModelForCausalLM

    with quiet_transformers(), explained_load(source, allow_network, allow_pickle, trust_remote_code):
        options = source.options(allow_network, trust_remote_code, revision)
        if source.gguf is None:
            options["use_safetensors"] = None if allow_pickle else True
        model, found = AutoModelForCausalLM.from_pretrained(
            source.place, dtype=chosen.dtype, output_loading_info=True, ignore_mismatched_sizes=True, **options
        )
    if source.gguf is not None:
        forget_quantisation(model)
    guard.refuse_foreign_adapter(source.name, model)
    guard.refuse_lost(source.name, model, found)
    guard.refuse_unusable(model, source.name)
    tokenizer = load_tokenizer(
        name, allow_network=allow_network, trust_remote_code=trust_remote_code, revision=revision
    )
    guard.refuse_marks_without_rows(source.name, model, tokenizer)
    model.config.use_cache = False
    without_plans(place)
    model = _placed(source.name, model, place).eval().requires_grad_(False)
    guard.refuse_acausal(model, source.name, causal=guard.called_is_causal(source.name, model))
    return Loaded(
        model=model,
        tokenizer=tokenizer,
        name=source.name,
        weights_hash=hash_weights(source),
        revision="" if source.directory is not None else str(getattr(model.config, "_commit_hash", None) or ""),
        precision=chosen.reason,
    )


def _placed(name: str, model: nn.Module, place: torch.device) -> Any:
    """The model on its device. Raises InputError where it does not fit there."""
    try:
        return model.to(place)
    except torch.OutOfMemoryError as error:
        raise InputError(
            f"model {name}: its weights do not fit in the memory of {place}: give --dtype bfloat16, a smaller "
            "model, or --device cpu"
        ) from error


def without_plans(device: torch.device) -> None:
    """Have attention on a GPU done by kernels that take any shape.

    cuDNN's, which torch prefers on newer cards, is planned anew for every (rows, tokens) it meets, a quarter to half a
    second each; and every batch of a corpus is of a shape of its own.
    """
    if device.type == "cuda":
        torch.backends.cuda.enable_cudnn_sdp(False)


def load_tokenizer(
    name: str | Path | None = None,
    *,
    allow_network: bool = False,
    trust_remote_code: bool = False,
    revision: str | None = None,
) -> Any:
    """The tokenizer alone, without the weights; arguments and errors as for `load_model`."""
    source = locate(name, allow_network, revision)
    return read_tokenizer(source, allow_network=allow_network, trust_remote_code=trust_remote_code, revision=revision)


def read_tokenizer(source: "Source", *, allow_network: bool, trust_remote_code: bool, revision: str | None) -> Any:
    """The tokenizer at a place that is known. transformers reads config.json for it too, so either may be at fault."""
    from transformers import AutoTokenizer

    either = "its configuration or tokenizer"
    with quiet_transformers(), explained_load(source, allow_network, False, trust_remote_code, what=either):
        return AutoTokenizer.from_pretrained(source.place, **source.options(allow_network, trust_remote_code, revision))


@dataclass(frozen=True, slots=True)
class Source:
    """Where a model is: a directory, a GGUF file in one, or a hub id."""

    name: str
    place: str
    directory: Path | None
    gguf: str | None = None

    def options(self, allow_network: bool, trust_remote_code: bool, revision: str | None) -> dict[str, Any]:
        options: dict[str, Any] = {
            "local_files_only": self.directory is not None or not allow_network,
            "trust_remote_code": trust_remote_code,
        }
        if self.gguf is not None:
            options["gguf_file"] = self.gguf
        if self.directory is None and revision is not None:
            options["revision"] = revision
        return options


def locate(name: str | Path | None, allow_network: bool, revision: str | None) -> Source:
    """Where a model lies. Raises InputError where there is none, and for a revision of one that has none."""
    source = _located(name, revision)
    if revision is not None and source.directory is not None:
        raise InputError(
            f"--model-revision {revision}: {source.name} lies on this machine and has no revisions. Leave it out, or "
            "name a model of the hub."
        )
    return source


def _located(name: str | Path | None, revision: str | None) -> Source:
    if name is None:
        directory = embedded_model()
        return Source(NAME, str(directory), directory)
    path = Path(name).expanduser()
    if path.is_file():
        if path.suffix != ".gguf":
            raise InputError(f"model {name}: a file, but no GGUF; give the directory that holds config.json")
        return Source(str(name), str(path.parent), path.parent, path.name)
    if path.is_dir():
        _check_no_adapter(path)
        if not (path / "config.json").is_file():
            raise InputError(
                f"model directory {name}: it has no config.json, so it is no Hugging Face model; give the directory "
                "that `save_pretrained` wrote, a .gguf file, or a hub id"
            )
        return Source(str(name), str(path), path)
    text = str(name)
    if path.is_absolute() or text.startswith((".", "~")) or text.count("/") > 1:
        raise InputError(f"model {text}: no such directory; give one that exists, or a hub id such as owner/name")
    return Source(text + (f"@{revision}" if revision else ""), text, None)


def check_source(
    source: Source, allow_network: bool, allow_pickle: bool, trust_remote_code: bool, revision: str | None
) -> str:
    """Refuse what no weight needs to be read for: pickles that are not allowed, quantised models.

    Returns:
        The commit of a model from the hub; "" for a local one.
    """
    if source.gguf is not None:
        return ""  # transformers dequantises it as it reads
    if source.directory is not None:
        check_weights(source.directory, allow_pickle)
        guard.refuse_quantised_settings(source.name, guard.settings_of(source.directory), source.directory)
        return ""
    from transformers import AutoConfig

    with quiet_transformers(), explained_load(source, allow_network, allow_pickle, trust_remote_code):
        config: Any = AutoConfig.from_pretrained(
            source.place, **source.options(allow_network, trust_remote_code, revision)
        )
    guard.refuse_quantised_settings(source.name, config.to_dict())
    return str(getattr(config, "_commit_hash", None) or "")


def _check_no_adapter(directory: Path) -> None:
    if (directory / "adapter_config.json").is_file():
        raise InputError(
            f"model directory {directory}: it holds a PEFT adapter (adapter_config.json), and a whole model is asked "
            "for here. Give its base, or merge the adapter into the weights and save these alone; `spice select` and "
            "`spice check model` take the adapter beside its base (--adapter), `spice evaluate` as a model of its own"
        )


def check_weights(directory: Path, allow_pickle: bool) -> None:
    if any(directory.glob("*.safetensors")):
        _refuse_missing_shards(directory)
        return
    pickled = sorted(path.name for pattern in PICKLED for path in directory.glob(pattern))
    pickled = [name for name in pickled if name != "training_args.bin"]
    if not pickled:
        raise InputError(f"model directory {directory}: it holds no weights (*.safetensors); save the model again")
    if not allow_pickle:
        raise InputError(
            f"model directory {directory}: its weights are pickled only ({pickled[0]}), and a pickle can run any code "
            "while it loads; convert them to safetensors, or trust the file with --allow-pickle"
        )


def _refuse_missing_shards(directory: Path) -> None:
    """Shards that the index names and that are not there, before rows are read or anything is loaded."""
    index = directory / "model.safetensors.index.json"
    if (directory / "model.safetensors").is_file() or not index.is_file():
        return
    try:
        named = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        missing = sorted(name for name in named if not (directory / name).is_file())
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise InputError(
            f"model directory {directory}: its {index.name} is damaged ({fault_words(error)}); copy the model again"
        ) from error
    if missing:
        raise InputError(
            f"model directory {directory}: its {index.name} names {len(named)} files of weights, and {len(missing)} of "
            f"them are not there (e.g. {missing[0]}); copy or download the model again, whole"
        )


@contextmanager
def explained_load(
    source: Source, allow_network: bool, allow_pickle: bool, trust_remote_code: bool, *, what: str = "it"
) -> Iterator[None]:
    """Turn what transformers raises for a bad model into one sentence with its remedy.

    That is of any class: KeyError for an activation it does not know, one of its own for a field of another type.
    """
    try:
        with network(allow_network and source.directory is None):
            yield
    except (SpiceError, MemoryError):
        raise
    except Exception as error:
        cause = fault_words(error)
        raise InputError(_explanation(source, what, cause, allow_network, allow_pickle, trust_remote_code)) from error


def _explanation(
    source: Source, what: str, cause: str, allow_network: bool, allow_pickle: bool, trust_remote_code: bool
) -> str:
    first = cause[:300]
    if "trust_remote_code" in cause and not trust_remote_code:
        return f"model {source.name}: it brings code of its own; read that code, then allow it with --trust-remote-code"
    if source.directory is None and "safetensors" in cause and not allow_pickle:
        return f"model {source.name}: it has no safetensors weights; pickled ones need --allow-pickle ({first})"
    if source.directory is None and not allow_network:
        return (
            f"model {source.name}: not in the local Hugging Face cache, and the network is not used unless asked for: "
            "allow the download with --allow-network, or give a local directory"
        )
    if source.directory is None:
        return (
            f"model {source.name}: the hub has no such model, or it cannot be reached ({first}); check the id and "
            "--model-revision, log in if it is gated, or give a local directory"
        )
    kind = "as a causal language model " if what == "it" else ""
    return (
        f"model {source.name}: {what} cannot be loaded {kind}({first}); mend the file that this is about or copy the "
        f"model again, or upgrade transformers ({version('transformers')} here) if the model is newer"
    )


def hash_weights(source: Source) -> str:
    """SHA-256 over the weight files in the order of their names; about a second for each gigabyte."""
    if source.directory is None:
        return ""
    return files_sum(weight_files(source.directory, gguf=source.gguf))
