"""Counter-based randomness: each number is a function of (seed, name, purpose, position) alone.

Philox4x64-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011) is keyed by a SHA-256 of the
seed, the layer's name and the purpose. Only its raw 64-bit words are used, never NumPy's distributions, whose streams
may change between NumPy versions. So the numbers are the same on every platform and device, after every restart, and
in whatever order layers and blocks are asked for.
"""

import hashlib

import numpy as np
from numpy.typing import NDArray

_WORDS_PER_COUNT = 4
"""64-bit words that Philox4x64 yields for one value of its counter."""


class Stream:
    """An endless, randomly accessible sequence of 64-bit words.

    Args:
        seed: the run's seed; any Python integer.
        name: whom the numbers are for, e.g. a layer's name.
        purpose: what they are for, so that one layer's uses stay independent.
    """

    def __init__(self, seed: int, name: str, purpose: str) -> None:
        digest = hashlib.sha256(f"{seed}\0{name}\0{purpose}".encode()).digest()
        self._key = int.from_bytes(digest[:16], "little")

    def words(self, count: int, start: int = 0) -> NDArray[np.uint64]:
        """Words ``start … start+count−1`` of the sequence, uint64 ``[count]``. Cost: linear in `count` alone."""
        first, skip = divmod(start, _WORDS_PER_COUNT)
        bits = np.random.Philox(key=self._key, counter=first)
        return np.asarray(bits.random_raw(skip + count), dtype=np.uint64)[skip:]

    def bits(self, count: int, start_word: int = 0) -> NDArray[np.uint8]:
        """`count` fair bits (0 or 1), uint8 ``[count]``, from word `start_word` on, lowest bit of a word first."""
        words = self.words(-(-count // 64), start_word).astype("<u8", copy=False)
        return np.unpackbits(words.view(np.uint8), count=count, bitorder="little")

    def signs(self, count: int) -> NDArray[np.int8]:
        """`count` fair signs, int8 ``[count]`` of −1 and +1."""
        return (2 * self.bits(count).astype(np.int8) - 1).astype(np.int8)

    def uniform(self, count: int) -> NDArray[np.float64]:
        """`count` numbers uniform in [0, 1), float64 ``[count]``, with 53 random bits each."""
        return (self.words(count) >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def permutation(self, count: int) -> NDArray[np.int64]:
        """A uniformly random permutation of ``0 … count−1``, int64 ``[count]``. Cost: O(count log count)."""
        return np.argsort(self.words(count), kind="stable")
