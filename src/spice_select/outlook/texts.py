"""Rows of a pool that repeat others, and what else their texts give reason to doubt."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from spice_select.data.formats import Format, PreferencePairs
from spice_select.data.records import Row, Sample
from spice_select.diagnosis.suspects import PAIR_SUSPECTS, SUSPECTS, Suspects
from spice_select.diagnosis.suspects.look import look_for
from spice_select.progress import Progress
from spice_select.run.exclusion import evidence_of

MOST_TEXTS = 100_000
"""Rows whose texts are compared at most: two to three minutes of a slow machine."""
DUPLICATE, NEAR_DUPLICATE = "duplicate", "near-duplicate"


@dataclass(frozen=True, kw_only=True)
class Texts:
    """What the texts of a pool show. They are compared in the whole pool, not in a sample, which splits pairs.

    Attributes:
        rows: rows whose texts were compared.
        counts: kind of suspect → rows listed; a row may be listed under several.
        repeated: rows that repeat an earlier row, exactly or nearly, each once.
    """

    rows: int
    counts: Mapping[str, int]
    repeated: int

    @classmethod
    def of(cls, found: Suspects) -> "Texts":
        """The counts of what was found."""
        repeats = {suspect.row for kind in (DUPLICATE, NEAR_DUPLICATE) for suspect in found.of(kind)}
        counts = {name: len(kind.suspects) for name, kind in found.found.items()}
        return cls(rows=len(found.rows), counts=counts, repeated=len(repeats))


def look_at_texts(
    examples: Sequence[Sample], rows: Sequence[Row], reader: Format | PreferencePairs, *, seed: int, progress: Progress
) -> Texts:
    """The suspects that texts alone tell, among all rows or, of more than `MOST_TEXTS`, among so many drawn ones.

    In a draw fewer rows meet their copies, so what is found there is a lower bound.

    Args:
        examples: the usable rows as the proxy sees them.
        rows: the corpus.
        reader: how its rows are read.
        seed: of the draw.
        progress: shown how far it is.
    """
    if len(examples) > MOST_TEXTS:
        drawn = np.random.default_rng((seed, 7)).choice(len(examples), MOST_TEXTS, replace=False)
        examples = [examples[int(place)] for place in np.sort(drawn)]
    read = [reader.read(rows[example.row]) for example in examples]
    kinds = PAIR_SUSPECTS if isinstance(reader, PreferencePairs) else SUSPECTS
    by_text = [kind.name for kind in kinds if not kind.needs]
    return Texts.of(look_for(evidence_of(examples, read, {}), by_text, progress))
