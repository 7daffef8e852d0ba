"""Families: one architecture and one set of tokens, or a warning."""

import shutil
from pathlib import Path

import pytest

from spice_select.errors import InputError
from spice_select.models.family import family_of, family_warning, kinship
from spice_select.testing.tokenizers import tiny_tokenizer
from tests.agreement.models import write_other


def test_a_model_is_of_its_own_family(tiny_proxy: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(tiny_proxy, copy)
    found = kinship(family_of(tiny_proxy), family_of(copy))
    assert found.same_family
    assert found.overlap == 1
    assert found.left.vocabulary_hash == found.right.vocabulary_hash
    assert family_warning(tiny_proxy, copy) is None


def test_another_architecture_and_tokenizer_are_another_family(tiny_proxy: Path, tmp_path: Path) -> None:
    other = write_other(tmp_path / "other")
    found = kinship(family_of(tiny_proxy), family_of(other))
    assert (found.left.model_type, found.right.model_type) == ("llama", "qwen2")
    assert found.overlap < 0.9
    warning = family_warning(tiny_proxy, other)
    assert warning is not None
    assert "is llama" in warning
    assert "is qwen2" in warning
    assert f"{found.overlap:.0%} of their tokens" in warning


def test_the_same_tokens_in_another_architecture_are_another_family(tiny_proxy: Path, tmp_path: Path) -> None:
    found = kinship(family_of(tiny_proxy), family_of(write_other(tmp_path / "other", metaspace=False)))
    assert found.same_tokens
    assert not found.same_architecture
    assert not found.same_family


def test_other_tokens_in_the_same_architecture_are_another_family(tiny_proxy: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(tiny_proxy, other)
    tiny_tokenizer(metaspace=True).save_pretrained(other)
    warning = family_warning(tiny_proxy, other)
    assert warning is not None
    assert "both are llama" in warning


def test_a_few_tokens_more_are_still_the_same_family(tiny_proxy: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(tiny_proxy, other)
    tokenizer = tiny_tokenizer()
    tokenizer.add_tokens(["<tool>", "</tool>"])
    tokenizer.save_pretrained(other)
    assert family_warning(tiny_proxy, other) is None


def test_of_a_model_that_is_not_here_nothing_is_said(tiny_proxy: Path) -> None:
    assert family_warning(tiny_proxy, "owner/not-in-the-cache") is None
    with pytest.raises(InputError, match="not in the local Hugging Face cache"):
        family_of("owner/not-in-the-cache")


def test_the_tokens_of_a_multimodal_model_count_by_its_text_model(tmp_path: Path) -> None:
    from transformers import Gemma3Config, Gemma3TextConfig

    folder = tmp_path / "gemma"
    tiny_tokenizer().save_pretrained(folder)
    Gemma3Config(text_config={"hidden_size": 16, "num_hidden_layers": 1}).save_pretrained(folder)
    assert family_of(folder).model_type == "gemma3"
    Gemma3TextConfig(hidden_size=16, num_hidden_layers=1).save_pretrained(folder)
    assert family_of(folder).model_type == "gemma3"
