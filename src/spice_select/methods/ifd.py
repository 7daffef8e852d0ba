"""IFD: answers that their question helps least (Cherry: Li et al., NAACL 2024, arXiv 2308.12032)."""

from typing import ClassVar

import numpy as np

from spice_select.methods.base import Candidates, Choice, Method
from spice_select.methods.budget import Allowance
from spice_select.methods.ranked import best_ranked
from spice_select.methods.ratios import ALONE, PROMPTED, ratios
from spice_select.progress import Progress

_MANY = 0.2


class Ifd(Method):
    """The rows with the largest ratio of the response's loss given its prompt to its loss alone, among those below 1.

    Both losses are sums over a row's supervised tokens: of several turns each weighs by its tokens, with its true
    history above the line and behind the bare header below it. Where a prompt does not help at all (a ratio of 1 or
    more) the published rule drops the row; here such rows come after all others, the smallest ratio first, so that a
    budget is a share of all rows. A response of hardly any loss alone comes last. Equal ratios by row number.

    The published method first tunes the proxy on a few rows: `--warmup-rows` or `--adapter` does the like.
    """

    name: ClassVar[str] = "ifd"
    summary: ClassVar[str] = "answers that their prompt helps least: loss with the prompt over loss without, below 1"
    source: ClassVar[str] = "arXiv 2308.12032"

    def needs(self) -> tuple[str, ...]:
        """Losses with and without the prompt: two forward passes, the second of the responses alone."""
        return (PROMPTED, ALONE)

    def notes(self, candidates: Candidates) -> tuple[str, ...]:
        """Where more than a fifth of the rows have a ratio of 1 or more: the proxy or its template is in doubt."""
        unhelped = float(np.mean(ratios(candidates) >= 1))
        if unhelped <= _MANY:
            return ()
        return (
            f"IFD is 1 or more for {unhelped:.0%} of the rows: their prompts make the response no likelier to this "
            "proxy. They come after all others. A proxy that does not know the chat template does this: try "
            "--warmup-rows, or an instruct model.",
        )

    def choose(
        self, candidates: Candidates, allowance: Allowance, *, seed: int | tuple[int, ...], progress: Progress
    ) -> Choice:
        """See `Method.choose`; nothing is drawn. The choice knows the ``ifd`` of each pick."""
        ratio = ratios(candidates)
        helped = ratio < 1
        order = np.lexsort((candidates.rows, np.where(helped, -ratio, ratio), ~helped))
        return best_ranked(order, candidates, allowance, path=self.name, known={"ifd": ratio})
