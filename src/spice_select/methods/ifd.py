"""IFD: answers that their question helps least (Cherry: Li et al., NAACL 2024, arXiv 2308.12032)."""

from typing import ClassVar

from spice_select.methods.base import Candidates, Choice, Method
from spice_select.methods.budget import Allowance
from spice_select.methods.helped import ALONE, PROMPTED, least_helped_first, ratios, unhelped_notes
from spice_select.methods.ranked import best_ranked
from spice_select.progress import Progress


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
    no_pairs: ClassVar[str] = "it goes by the loss of single answers, and a pair has two"
    no_marks: ClassVar[str] = "it goes by how likely an answer is, as if every one were to be learnt"

    def needs(self) -> tuple[str, ...]:
        """Losses with and without the prompt: two forward passes, the second of the responses alone."""
        return (PROMPTED, ALONE)

    def notes(self, candidates: Candidates, choice: Choice) -> tuple[str, ...]:
        """See `unhelped_notes`."""
        return unhelped_notes(candidates)

    def choose(
        self, candidates: Candidates, allowance: Allowance, *, seed: int | tuple[int, ...], progress: Progress
    ) -> Choice:
        """See `Method.choose`; nothing is drawn. The choice knows the ``ifd`` of each pick."""
        ratio = ratios(candidates)
        order = least_helped_first(ratio, candidates.rows)
        return best_ranked(order, candidates, allowance, path=self.name, known={"ifd": ratio})
