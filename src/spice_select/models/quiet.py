"""transformers held in check while a model loads: no bars or notices of its own, and no network unless allowed."""

import functools
from collections.abc import Iterator
from contextlib import contextmanager

import huggingface_hub.constants as hub_settings


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Errors only and no progress bars, for the time of the block; the caller's settings are put back."""
    from transformers import modeling_gguf_pytorch_utils as gguf_reader
    from transformers.utils import logging

    level, bars, gguf_bar = logging.get_verbosity(), logging.is_progress_bar_enabled(), gguf_reader.tqdm
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    gguf_reader.tqdm = functools.partial(gguf_bar, disable=True)  # this one heeds no setting
    try:
        yield
    finally:
        logging.set_verbosity(level)
        gguf_reader.tqdm = gguf_bar
        if bars:
            logging.enable_progress_bar()


@contextmanager
def network(allowed: bool) -> Iterator[None]:
    """Hub requests fail at once inside the block unless allowed, whatever a library's own look-ups ask for.

    The environment variable HF_HUB_OFFLINE is read when the library is imported, which may be long past.
    """
    before = hub_settings.HF_HUB_OFFLINE
    hub_settings.HF_HUB_OFFLINE = before or not allowed
    try:
        yield
    finally:
        hub_settings.HF_HUB_OFFLINE = before
