"""Trained parameters and their optimiser's moments: one safetensors file, whole or absent, with its sum beside it.

A tensor is named by its kind and its parameter, ``exp_avg:layers.0.q.lora_A``. The facts that belong to them lie in
one entry of the file's metadata: several would come in an order of their own each time, and the bytes would differ.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spice_select.store.atomic import atomic, make_folder, sha256
from spice_select.store.sums import is_whole, write_sum

if TYPE_CHECKING:
    from torch import Tensor

PARAMETER = "parameter"
FIRST_MOMENT = "exp_avg"
SECOND_MOMENT = "exp_avg_sq"
"""The kinds; the moments as torch's Adam names them."""
_FACTS = "facts"


def as_kind(kind: str, tensors: "Mapping[str, Tensor]") -> "dict[str, Tensor]":
    """Tensors by parameter, under the names that a file gives them."""
    return {f"{kind}:{name}": tensor for name, tensor in tensors.items()}


def of_kind(kind: str, tensors: "Mapping[str, Tensor]") -> "dict[str, Tensor]":
    """Those of a file's tensors that are of a kind, by parameter."""
    found = (name.partition(":") for name in tensors)
    return {parameter: tensors[f"{kind}:{parameter}"] for own, _, parameter in found if own == kind}


def save_tensors(path: Path, tensors: "Mapping[str, Tensor]", facts: Mapping[str, Any]) -> None:
    """Write tensors and facts, the sum last; the same give the same bytes. Raises InputError when the disk refuses."""
    from safetensors.torch import save_file

    make_folder(path.parent)
    with atomic(path) as aside:
        plain = {name: tensor.detach().contiguous().cpu() for name, tensor in tensors.items()}
        save_file(plain, aside, {_FACTS: json.dumps(facts)})
        digest = sha256(aside)
    write_sum(path, digest)


def whole_facts(path: Path) -> dict[str, Any] | None:
    """What a file says of itself; None where it is missing, damaged or no such file. Cost: its bytes are hashed."""
    return read_facts(path) if is_whole(path) else None


def read_facts(path: Path) -> dict[str, Any] | None:
    """The same, whether or not the sum beside it matches or is there."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            facts = _facts(file)
    except (SafetensorError, ValueError, OSError):
        return None
    return facts if isinstance(facts, dict) else None


def load_tensors(path: Path) -> "tuple[dict[str, Tensor], dict[str, Any]]":
    """A file's tensors, on the CPU, and its facts: {} where it holds none. Raises as safetensors and json do."""
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, _facts(file)  # noqa: SIM118 - not a mapping


def _facts(file: Any) -> Any:
    return json.loads((file.metadata() or {}).get(_FACTS, "{}"))
