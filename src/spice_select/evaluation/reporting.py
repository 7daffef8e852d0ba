"""lm-eval's own model class around a loaded model, with our progress in place of its bars."""

import contextlib
from collections.abc import Iterator
from typing import Any

from spice_select.evaluation.subjects import Opened
from spice_select.progress import Progress


def reporting_model(opened: Opened, batch_size: int, progress: Progress, name: str) -> Any:
    """lm-eval's own Hugging Face model around a loaded one, telling our progress of each request that is done."""
    from lm_eval.models.huggingface import HFLM

    class Reporting(HFLM):  # type: ignore[misc]
        def loglikelihood(self, requests: Any, disable_tqdm: bool = False) -> Any:
            with self._reported(requests):
                return super().loglikelihood(requests, disable_tqdm=True)

        def loglikelihood_rolling(self, requests: Any, disable_tqdm: bool = False) -> Any:
            with self._reported(requests):
                return super().loglikelihood_rolling(requests, disable_tqdm=True)

        def generate_until(self, requests: Any, disable_tqdm: bool = False) -> Any:
            with self._reported(requests):
                return super().generate_until(requests, disable_tqdm=True)

        @contextlib.contextmanager
        def _reported(self, requests: Any) -> Iterator[None]:
            with progress.task(name, len(requests), "requests") as advance:
                self.set_cache_hook(_Hook(advance))
                yield

    return Reporting(pretrained=opened.model, tokenizer=opened.tokenizer, batch_size=batch_size)


class _Hook:
    """What lm-eval calls after each finished request, to cache it: here, to show it."""

    def __init__(self, advance: Any) -> None:
        self._advance = advance

    def add_partial(self, attribute: str, request: Any, result: Any) -> None:
        self._advance(1)
