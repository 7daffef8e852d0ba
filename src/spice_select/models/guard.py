"""What every door asks of a model: is it whole, is it what it says, and can it read all that its tokenizer writes?

`select`, `train`, `evaluate`, `transfer`, `check model` and warm-ups come through `load_model`, which asks all of this;
`find_…` functions ask the first question before anything is loaded; the gradients of a model that someone else made
(online selection) ask of it what can be asked of a model in memory.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from spice_select.errors import InputError, SpiceError, fault_words
from spice_select.models.probe import is_causal

_SIDE_FILES = ("quantize_config.json", "quant_config.json", "hf_quant_config.json")
"""Where tools put what they did to the weights, beside config.json or in its place."""
_QUANTISING = frozenset(
    {
        *("bitsandbytes", "gptqmodel", "auto_gptq", "awq", "hqq", "eetq", "aqlm", "vptq", "quanto", "torchao"),
        *("compressed_tensors", "quark", "fbgemm_gpu", "flute", "spqr_quant", "fp_quant", "auto_round", "sinq"),
    }
)
"""Packages whose layers and tensors hold numbers of a few bits."""
_QUANTISED_CLASS = re.compile(
    r"Linear(4bit|8bit\w*)$|^(Q|Quant\w*|Bit|AutoBit|FPQuant|Higgs|Eetq|Aqlm|Vptq|SpQR|Metal|WQ|HQQ)Linear(_\w+)?$|"
    r"(FP8|Fp8|Mxfp[48]|NVFP4|Nvfp4|FP4)\w*(Linear|Experts?)$"
)
"""Layers that transformers itself brings, and those of packages that copy their code."""
_EIGHT_BITS = 8
_BUFFERS = re.compile(r"(^|\.)(inv_freq|masked_bias|attn\.bias|attention\.bias|position_ids)$")
"""What older versions saved beside the weights, and newer ones compute."""
_QUANTISED_REMEDY = (
    "Its layers would not compute W x from the weights they show, and gradients come out wrong with no word. Give the "
    "unquantised model, or dequantise this one and save it again; a plain LoRA trained on it goes with its unquantised "
    "base"
)


def refuse_quantised_settings(name: str, settings: Mapping[str, Any], folder: Path | None = None) -> None:
    """Refuse a model whose configuration says that its weights are quantised, whatever the method.

    Args:
        name: of the model.
        settings: its config.json.
        folder: where tools may have left a file of their own.

    Raises:
        InputError: it names the method and its bits.
    """
    for part in (settings, *(value for value in settings.values() if isinstance(value, Mapping))):
        for key in ("quantization_config", "compression_config"):
            if part.get(key):
                raise InputError(f"model {name}: it is quantised ({_method(part[key])}). {_QUANTISED_REMEDY}")
    for side in _SIDE_FILES:
        if folder is not None and (folder / side).is_file():
            raise InputError(f"model {name}: it is quantised, as its {side} says. {_QUANTISED_REMEDY}")


def settings_of(folder: Path) -> Mapping[str, Any]:
    """A folder's config.json; empty where it is none, which whoever loads it will say."""
    try:
        content = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def refuse_unusable(model: nn.Module, name: str | None = None) -> None:
    """Refuse a model in memory whose layers are quantised, or whose weights are not there.

    Raises:
        InputError: it names the layer and its class, or the weight.
    """
    shown = f"model {name}" if name else type(model).__name__
    for place, module in model.named_modules():
        if kind := _quantised(module):
            raise InputError(f"{shown}: it is quantised ({place or 'the model'} is a {kind}). {_QUANTISED_REMEDY}")
        hook = getattr(module, "_hf_hook", None)
        if getattr(hook, "offload", False):
            raise InputError(
                f"{shown}: the weights of {place or 'the model'} are offloaded and come only when it is called. Load "
                "the model whole on one device, or a smaller one"
            )
    for place, tensor in _tensors(model):
        if tensor.is_meta:
            raise InputError(
                f"{shown}: {place} holds no values (it is on the meta device). Load the weights before the model is "
                "used"
            )


def refuse_lost(name: str, model: nn.Module, found: Mapping[str, Any]) -> None:
    """Refuse weights that do not fill the model, or that the model has no place for.

    transformers draws what is missing at random, anew in each process, and passes over what it has no place for: layers
    beyond the number in config.json, biases that it says are not there, scales of quantised weights. Weights of other
    parts than there are in a causal language model (towers for images, heads of other tasks) are no loss.

    Args:
        name: of the model.
        model: as loaded.
        found: the loading information of ``from_pretrained``, with mismatched sizes passed over.

    Raises:
        InputError: it names up to three of the weights.
    """
    kind = type(model).__name__
    unfit = [f"{place} ({list(there)}, not {list(due)})" for place, there, due in found["mismatched_keys"]]
    for names, fault in ((found["missing_keys"], "its files lack"), (unfit, "its config.json does not fit")):
        if names:
            raise InputError(
                f"model {name}: {fault} {len(names)} of the weights of {kind}: {_some(names)}. They would be drawn at "
                "random; give the whole causal language model (a classifier or an encoder has no output head), or save "
                "it again"
            )
    lost = _without_place(model, found["unexpected_keys"])
    if lost:
        raise InputError(
            f"model {name}: its files hold {len(lost)} weights that {kind} has no place for under its config.json: "
            f"{_some(lost)}. They would be left out in silence; give the config.json that belongs to the weights"
        )


def refuse_foreign_adapter(name: str, model: nn.Module) -> None:
    """Refuse a model that came with adapters in it: transformers puts them in where a hub id names an adapter."""
    if getattr(model, "_hf_peft_config_loaded", False) or getattr(model, "peft_config", None):
        raise InputError(
            f"model {name}: it is a PEFT adapter, which was loaded with its base. Give the base as the model, and the "
            "adapter's folder with --adapter"
        )


def called_is_causal(name: str, model: nn.Module) -> bool:
    """Whether a model that was just loaded is causal; the first time that it is called.

    Raises:
        InputError: it cannot be called as one of transformers is.
    """
    try:
        return is_causal(model, vocabulary_rows(model))
    except (SpiceError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # code that comes with a model may raise anything
        raise InputError(
            f"model {name}: {type(model).__name__} cannot be called on token numbers, as `model(input_ids=ids, "
            f"use_cache=False).logits` ({fault_words(error)}). Mend its config.json or the code that it brings, or "
            "give another model"
        ) from error


def refuse_acausal(model: nn.Module, name: str | None = None, *, causal: bool) -> None:
    """Refuse a model whose tokens see what follows: an answer's loss would be taken with the answer in sight.

    Args:
        model: to be named by its class.
        name: as it was asked for.
        causal: whether it is, as `spice_select.models.probe` found.

    Raises:
        InputError: it names the class.
    """
    if not causal:
        shown = f"model {name}: " if name else ""
        raise InputError(
            f"{shown}{type(model).__name__} is not causal: the logits of a token change with the tokens after it, so "
            "it would see the answers that it is to predict, and a row's gradient would depend on its padding. Give a "
            "causal language model (of BERT's kind: one whose config says is_decoder)"
        )


def refuse_marks_without_rows(name: str, model: nn.Module, tokenizer: Any) -> None:
    """Refuse a tokenizer whose padding, begin or end of text has no row in the model's embedding or output head.

    Trainers and benchmarks pad with such a token, which ends in an index error deep inside the model. Others of its
    tokens may be beyond the rows (Gemma 3's 1B has one for images): they are refused where a row of data has them, by
    `spice_select.gradients.lengths`.

    Raises:
        InputError: it names the token, and how many rows there are.
    """
    rows = vocabulary_rows(model)
    for kind in ("pad", "bos", "eos"):
        number = getattr(tokenizer, f"{kind}_token_id", None)
        if rows is not None and isinstance(number, int) and number >= rows:
            token = getattr(tokenizer, f"{kind}_token", kind)
            raise InputError(
                f"model {name}: the tokenizer's {kind} token {token!r} is {number}, and the model knows {rows}: its "
                "tokenizer has tokens that the embedding has no rows for. Give the tokenizer that belongs to the model "
                f"or resize the embeddings (`resize_token_embeddings({number + 1})`) and save it again"
            )


def vocabulary_rows(model: nn.Module) -> int | None:
    """Tokens that a model can both read and predict; None where it does not say."""
    counts = []
    for ask in ("get_input_embeddings", "get_output_embeddings"):
        find = getattr(model, ask, None)
        try:
            weight = getattr(find() if callable(find) else None, "weight", None)
        except (NotImplementedError, AttributeError):
            continue
        if isinstance(weight, torch.Tensor) and weight.ndim == 2:
            counts.append(int(weight.shape[0]))
    return min(counts, default=None)


def _method(said: Any) -> str:
    """How weights were quantised, in a few words."""
    if not isinstance(said, Mapping):
        said = said.to_dict() if hasattr(said, "to_dict") else {}
    widths = {"load_in_4bit": "4 bit", "load_in_8bit": "8 bit"}
    bits = [text for key, text in widths.items() if said.get(key)]
    bits += [f"{said[key]} bit" for key in ("bits", "w_bit", "nbits", "weight_bits") if isinstance(said.get(key), int)]
    # older bitsandbytes configurations name no method
    method = said.get("quant_method") or ("bitsandbytes" if bits else "by a method it does not name")
    return ", ".join([str(method), *bits[:1]])


def _quantised(module: nn.Module) -> str | None:
    """The class of a module that computes with numbers of a few bits, else None."""
    kind = type(module)
    if _package(kind) in _QUANTISING or _QUANTISED_CLASS.search(kind.__name__):
        return kind.__name__
    for weight in module.parameters(recurse=False):
        narrow = weight.ndim >= 2 and (not weight.dtype.is_floating_point or _bits(weight.dtype) <= _EIGHT_BITS)
        if narrow or {_package(type(weight)), _package(type(weight.data))} & _QUANTISING:
            return f"{kind.__name__} of {str(weight.dtype).removeprefix('torch.')}"
    return None


def _bits(dtype: torch.dtype) -> int:
    return 8 * dtype.itemsize


def _package(kind: type) -> str:
    first, _, rest = kind.__module__.partition(".")
    return rest.partition(".")[0] if first == "optimum" else first


def _tensors(model: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    yield from model.named_parameters()
    yield from model.named_buffers()


def _without_place(model: nn.Module, names: Iterable[str]) -> list[str]:
    """Of weights that were passed over, those of layers that the model has, or has fewer of."""
    modules = {place for place, _ in model.named_modules() if place}
    shapes = {_unnumbered(place) for place, _ in _tensors(model)}
    return sorted(
        name
        for name in names
        if not _BUFFERS.search(name) and (name.rpartition(".")[0] in modules or _unnumbered(name) in shapes)
    )


def _unnumbered(name: str) -> str:
    return re.sub(r"\.\d+(?=\.)", ".*", name)


def _some(names: Iterable[str]) -> str:
    ordered = sorted(names)
    return ", ".join(ordered[:3]) + (" …" if len(ordered) > 3 else "")
