"""Parameters, moments and their facts in one file."""

from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from spice_select.store import is_whole, sha256, write_sum
from spice_select.store.tensors import (
    FIRST_MOMENT,
    PARAMETER,
    as_kind,
    load_tensors,
    of_kind,
    save_tensors,
    whole_facts,
)

WEIGHTS = {f"layer.{number}:half": torch.full((2, 3), float(number)) for number in range(4)}
FACTS = {"origin": "x", "steps": [{"loss": 0.5}]}


def save(path: Path) -> Path:
    moments = {name: weight.t() for name, weight in WEIGHTS.items()}  # not contiguous
    save_tensors(path, as_kind(PARAMETER, WEIGHTS) | as_kind(FIRST_MOMENT, moments), FACTS)
    return path


def test_what_is_saved_comes_back_by_its_kind(tmp_path: Path) -> None:
    tensors, facts = load_tensors(save(tmp_path / "deep" / "a.safetensors"))
    assert facts == whole_facts(tmp_path / "deep" / "a.safetensors") == FACTS
    found = of_kind(PARAMETER, tensors)
    assert found.keys() == WEIGHTS.keys()
    assert all(torch.equal(found[name], WEIGHTS[name]) for name in found)
    assert all(torch.equal(moment, WEIGHTS[name].t()) for name, moment in of_kind(FIRST_MOMENT, tensors).items())
    assert of_kind("exp", tensors) == {}


def test_the_same_gives_the_same_bytes(tmp_path: Path) -> None:
    assert len({save(tmp_path / f"{number}.safetensors").read_bytes() for number in range(8)}) == 1


def test_a_damaged_file_says_nothing(tmp_path: Path) -> None:
    path = save(tmp_path / "a.safetensors")
    path.write_bytes(path.read_bytes()[:-1])
    assert whole_facts(path) is None
    assert whole_facts(tmp_path / "none.safetensors") is None


@pytest.mark.parametrize("facts", ["{", "[1]"])
def test_facts_that_are_none_are_not_taken_for_some(tmp_path: Path, facts: str) -> None:
    path = tmp_path / "a.safetensors"
    save_file(WEIGHTS, path, {"facts": facts})
    write_sum(path, sha256(path))
    assert is_whole(path)
    assert whole_facts(path) is None


def test_a_file_of_another_make_has_no_facts_and_what_is_no_such_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file(WEIGHTS, path)
    assert load_tensors(path)[1] == {}
    path.write_bytes(b"no tensors")
    write_sum(path, sha256(path))
    assert whole_facts(path) is None
    with pytest.raises(SafetensorError):
        load_tensors(path)
