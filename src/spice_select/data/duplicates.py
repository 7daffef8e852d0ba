"""Texts that say nearly the same: Jaccard similarity of their shingles, found by MinHash and verified exactly.

Two texts are alike by J = |A ∩ B| / |A ∪ B| of their sets of shingles. MinHash with locality-sensitive hashing (Broder
1997; Indyk and Motwani 1998; library `datasketch`) names candidates without comparing every text with every other;
each candidate is then compared exactly. So no pair below the threshold is ever named, and a pair at the threshold is
missed about once in 500 (`_MISSED`), nearer ones less often.
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spice_select.errors import InputError
from spice_select.progress import Advance

if TYPE_CHECKING:  # half a second, for those alone who look for duplicates
    from datasketch import MinHash

SHINGLE = 3
"""Tokens in a shingle."""
_TOKEN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+|[^\w\s]")
"""A word, a sign, or one character of a script that sets no spaces between words."""
_PERMUTATIONS, _SEED, _MISSED = 128, 1, 0.002


def canonical_text(text: str) -> str:
    """The text without what does not change what it says: case, width (Unicode NFKC), kind and amount of space."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def shingles(text: str) -> frozenset[str]:
    """Every run of three tokens (words, signs) of the normalised text; fewer tokens make one shingle, none make none.

    Cost: linear in the text.
    """
    tokens = _TOKEN.findall(canonical_text(text))
    if len(tokens) <= SHINGLE:
        return frozenset([" ".join(tokens)]) if tokens else frozenset()
    return frozenset(" ".join(tokens[i : i + SHINGLE]) for i in range(len(tokens) - SHINGLE + 1))


def jaccard(left: str, right: str) -> float:
    """|A ∩ B| / |A ∪ B| of two texts' shingles, 0 to 1; 0 where either has none."""
    return _similarity(_hashed(left), _hashed(right))


def duplicate_groups(texts: Sequence[str], threshold: float = 0.8, advance: Advance | None = None) -> list[list[int]]:
    """Groups of texts that nearly repeat the first of their group.

    Texts are taken in their order. One that is at least `threshold` alike to an earlier text that begins a group (or
    stands alone so far) joins the group of the most alike of them, of equals the first; any other begins its own. So
    every member is alike to the first of its group: groups do not grow along chains.

    Args:
        texts: in the order in which the first is to be kept.
        threshold: least Jaccard similarity, above 0, at most 1.
        advance: told of each text.

    Returns:
        Groups of two or more positions, ascending in themselves and by their first.

    Raises:
        InputError: a threshold out of range.

    Cost: some 0.2 ms a text of 100 words, 1.5 kB a group; more where many texts are nearly alike but not enough.
    """
    index, groups = _Index(threshold), dict[int, list[int]]()
    for position, text in enumerate(texts):
        found = index.matches(sketched := _Sketched(text))
        if found:
            first = max(found, key=lambda match: (match[1], -match[0]))[0]
            groups[first].append(position)
        else:
            index.add(position, sketched)
            groups[position] = [position]
        if advance:
            advance(1)
    return [group for group in groups.values() if len(group) > 1]


def near_matches(
    left: Sequence[str], right: Sequence[str], threshold: float = 0.8, advance: Advance | None = None
) -> list[tuple[int, int, float]]:
    """Every pair of a text on the left and a text on the right that are nearly the same.

    Args:
        left, right: the texts; memory goes by the left, so let that be the shorter list.
        threshold: least Jaccard similarity, above 0, at most 1.
        advance: told of each text on the right.

    Returns:
        ``(i, j, jaccard)`` with ``left[i]`` and ``right[j]``, ascending.

    Raises:
        InputError: a threshold out of range.
    """
    index = _Index(threshold)
    for position, text in enumerate(left):
        index.add(position, _Sketched(text))
    pairs = []
    for position, text in enumerate(right):
        pairs += [(match, position, value) for match, value in index.matches(_Sketched(text))]
        if advance:
            advance(1)
    return sorted(pairs)


class _Sketched:
    """A text as the index needs it: its shingles' hashes, sorted, and their MinHash."""

    def __init__(self, text: str) -> None:
        self.hashes = _hashed(text)
        self.minhash = _empty().copy()
        self.minhash.update_batch((self.hashes & np.uint64(0xFFFFFFFF)).tolist())


@cache
def _empty() -> "MinHash":
    """The MinHash of no shingles; its permutations are drawn once."""
    from datasketch import MinHash

    return MinHash(num_perm=_PERMUTATIONS, seed=_SEED, hashfunc=int)


class _Index:
    """Texts to be found again by what is alike to them."""

    def __init__(self, threshold: float) -> None:
        if not 0 < threshold <= 1:
            raise InputError(
                f"threshold={threshold}: a Jaccard similarity lies above 0 and at most at 1. Give 0.8, say."
            )
        from datasketch import MinHashLSH

        self._threshold, self._hashes = threshold, dict[int, NDArray[np.uint64]]()
        self._lsh = MinHashLSH(num_perm=_PERMUTATIONS, params=_bands(threshold))

    def add(self, key: int, text: _Sketched) -> None:
        """Keep a text under a key of its own; one without shingles resembles nothing and is not kept."""
        if len(text.hashes):
            self._lsh.insert(key, text.minhash, check_duplication=False)
            self._hashes[key] = text.hashes

    def matches(self, text: _Sketched) -> list[tuple[int, float]]:
        """Key and similarity of every kept text that is alike enough, verified exactly."""
        return list(self._verified(text)) if len(text.hashes) else []

    def _verified(self, text: _Sketched) -> Iterator[tuple[int, float]]:
        for key in sorted(self._lsh.query(text.minhash)):
            value = _similarity(self._hashes[key], text.hashes)
            if value >= self._threshold:
                yield key, value


def _bands(threshold: float) -> tuple[int, int]:
    """(bands, rows of a band): the longest rows, so the fewest idle candidates, that miss `_MISSED` at the threshold.

    A pair of similarity J shares a band with probability 1 − (1 − J^r)^b.
    """
    for rows in range(16, 1, -1):
        bands = _PERMUTATIONS // rows
        if (1 - threshold**rows) ** bands <= _MISSED:
            return bands, rows
    return _PERMUTATIONS, 1


def _hashed(text: str) -> NDArray[np.uint64]:
    """64 bits of each shingle, sorted; two shingles of one corpus share them about once in 10⁵ corpora of 10⁷."""
    digests = [
        hashlib.blake2b(shingle.encode("utf-8", "surrogatepass"), digest_size=8).digest() for shingle in shingles(text)
    ]
    return np.unique(np.frombuffer(b"".join(digests), np.uint64)) if digests else np.empty(0, np.uint64)


def _similarity(left: NDArray[np.uint64], right: NDArray[np.uint64]) -> float:
    if not len(left) or not len(right):
        return 0.0
    common = len(np.intersect1d(left, right, assume_unique=True))
    return common / (len(left) + len(right) - common)
