"""lm-eval's own model class around a loaded model, with our progress in place of its bars."""

import contextlib
from collections.abc import Iterator
from typing import Any

from spice_select.evaluation.subjects import Opened
from spice_select.progress import Progress


def reporting_model(opened: Opened, batch_size: int, progress: Progress, name: str) -> Any:
    """lm-eval's own Hugging Face model around a loaded one, telling our progress of each request that is done.

    Its `cut` counts the prompts that were longer than the model's context: lm-eval drops what they begin with.
    """
    from lm_eval.models.huggingface import HFLM

    class Reporting(HFLM):  # type: ignore[misc]
        cut = 0

        def loglikelihood(self, requests: Any, disable_tqdm: bool = False) -> Any:
            with self._reported(requests):
                return super().loglikelihood(requests, disable_tqdm=True)

        def loglikelihood_rolling(self, requests: Any, disable_tqdm: bool = False) -> Any:
            with self._reported(requests):
                return super().loglikelihood_rolling(requests, disable_tqdm=True)

        def generate_until(self, requests: Any, disable_tqdm: bool = False) -> Any:
            with self._reported(requests):
                return super().generate_until(requests, disable_tqdm=True)

        def _loglikelihood_tokens(self, requests: Any, *rest: Any, **named: Any) -> Any:
            longest = self.max_length + 1
            self.cut += sum(len(before) + len(after) > longest for _, before, after in requests)
            return super()._loglikelihood_tokens(requests, *rest, **named)

        def tok_batch_encode(
            self, strings: Any, padding_side: str = "left", left_truncate_len: int | None = None, **named: Any
        ) -> Any:
            if left_truncate_len:
                self.cut += sum(len(self.tok_encode(text)) > left_truncate_len for text in strings)
            return super().tok_batch_encode(
                strings, padding_side=padding_side, left_truncate_len=left_truncate_len, **named
            )

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
