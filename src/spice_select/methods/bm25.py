"""BM25: rows that share their rare words with the target's (Robertson and Zaragoza 2009)."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from spice_select.data.records import Example
from spice_select.methods.base import Candidates, Choice, Method
from spice_select.methods.budget import Allowance
from spice_select.methods.ranked import best_ranked
from spice_select.methods.round_robin import round_robin
from spice_select.progress import Progress

K1, B = 1.5, 0.75


class Bm25(Method):
    """Each row of the target in turn takes the candidate that scores best for it and is left; tasks before rows.

    Terms are the tokens of the proxy's tokenizer, of prompt and answer alike; the query is the whole row of the target.
    The template's own tokens count nothing, for every candidate has them. Loads no model.
    """

    name: ClassVar[str] = "bm25"
    summary: ClassVar[str] = "nearest the target's rows by the rare tokens they share, each in turn; loads no model"
    source: ClassVar[str] = "Robertson and Zaragoza 2009"
    no_pairs: ClassVar[str] = "it chooses for a target, whose rows have one answer each"
    no_marks: ClassVar[str] = "it chooses for a target, whose answers are all to be learnt"
    takes_target: ClassVar[bool] = True
    requires_target: ClassVar[bool] = True

    def choose(
        self, candidates: Candidates, allowance: Allowance, *, seed: int | tuple[int, ...], progress: Progress
    ) -> Choice:
        """See `Method.choose`; nothing is drawn. The choice knows each pick's ``bm25`` for the row it is for."""
        target = candidates.target
        assert target is not None, "a run without a target is refused before"
        scores = bm25_scores(candidates.answers, target.examples)
        order, known = round_robin(scores, target.groups, candidates.rows)
        return best_ranked(order, candidates, allowance, path=self.name, known={"bm25": known})


def bm25_scores(documents: Sequence[Example], queries: Sequence[Example]) -> NDArray[np.float32]:
    """The BM25 score of every document for every query, float32 ``[n, m]``.

    score = Σ over the query's tokens of idf·f·(k₁+1) / (f + k₁·(1 − b + b·length/mean length)), f times a document has
    the token, idf = log(1 + (n − df + ½)/(df + ½)) for df documents with it; k₁ = 1.5, b = 0.75. A token that all
    documents have is left out, of lengths too. Cost: O(all tokens · log), and for a query the documents of its tokens.
    """
    n = len(documents)
    terms, places = np.unique(_joined(documents), return_inverse=True)
    owners = np.repeat(np.arange(n), [document.num_tokens for document in documents])
    pairs, counts = np.unique(places * n + owners, return_counts=True)  # by term, then by document
    of_term, of_document = pairs // n, pairs % n
    holders = np.bincount(of_term, minlength=len(terms))
    counts = np.where(holders[of_term] < n, counts, 0)
    lengths = np.bincount(of_document, counts, n)
    scale = lengths / lengths.mean() if lengths.any() else lengths
    idf = np.log1p((n - holders + 0.5) / (holders + 0.5))
    weights = idf[of_term] * counts * (K1 + 1) / (counts + K1 * (1 - B + B * scale[of_document]))
    begins = np.concatenate([[0], np.cumsum(holders)])
    scores = np.zeros((n, len(queries)), np.float32)
    for number, query in enumerate(queries):
        asked, times = np.unique(query.input_ids, return_counts=True)
        where = np.searchsorted(terms, asked)
        there = np.flatnonzero(np.isin(asked, terms))
        total = np.zeros(n)
        for term, count in zip(where[there].tolist(), times[there].tolist(), strict=True):
            own = slice(begins[term], begins[term + 1])
            total[of_document[own]] += count * weights[own]
        scores[:, number] = total
    return scores


def _joined(examples: Sequence[Example]) -> NDArray[np.int64]:
    return np.concatenate([example.input_ids for example in examples]).astype(np.int64)
