"""What is looked at in a pool of preference pairs: repeats, contradictions, lengths and labels."""

from collections.abc import Sequence

import numpy as np

from spice_select.data.contradictions import Retold
from spice_select.data.duplicates import duplicate_groups
from spice_select.data.formats import PreferencePairs
from spice_select.data.records import Conversation, Pair, PairExample, Row
from spice_select.data.texts import whole_text
from spice_select.diagnosis.opposing import opposes_the_others
from spice_select.diagnosis.suspects.near import ALIKE
from spice_select.methods import Candidates
from spice_select.methods.base import GRADIENTS
from spice_select.outlook.texts import DUPLICATE, MOST_TEXTS, NEAR_DUPLICATE, Texts
from spice_select.progress import Progress

CONTRADICTION = "contradicting"


def look_at_pairs(
    pairs: Sequence[PairExample], rows: Sequence[Row], reader: PreferencePairs, *, seed: int, progress: Progress
) -> Texts:
    """Pairs that repeat an earlier one, word for word or nearly, and those that contradict one; see `look_at_texts`."""
    if len(pairs) > MOST_TEXTS:
        drawn = np.random.default_rng((seed, 7)).choice(len(pairs), MOST_TEXTS, replace=False)
        pairs = [pairs[int(place)] for place in np.sort(drawn)]
    retold = Retold.among(pairs)
    once = [pair for pair in pairs if pair.row not in retold.repeats and pair.row not in retold.contradictions]
    with progress.task("Comparing pairs", len(once), "pairs") as advance:
        groups = duplicate_groups([_said(reader.read(rows[pair.row])) for pair in once], ALIKE, advance)
    near = sum(len(group) - 1 for group in groups)
    counts = {DUPLICATE: len(retold.repeats), NEAR_DUPLICATE: near, CONTRADICTION: len(retold.contradictions)}
    return Texts(rows=len(pairs), counts=counts, repeated=len(retold.repeats) + near)


def _said(pair: object) -> str:
    """The words of the prompt and of both answers."""
    assert isinstance(pair, Pair), "it was read before"
    turns = (*pair.prompt, *pair.chosen, *pair.rejected)
    return whole_text(Conversation(pair.row, turns, pair.source))


def pair_sentence(candidates: Candidates) -> str:
    """Lengths and labels of a sample, which nothing else here sees."""
    pairs = [example for example in candidates.examples if isinstance(example, PairExample)]
    longer = np.mean([pair.chosen.num_supervised > pair.rejected.num_supervised for pair in pairs])
    likelier = np.mean(candidates.features[GRADIENTS]["margin_mean"] > 0)
    opposing = opposes_the_others(candidates.matrix).mean()
    return (
        f"Of the sample's pairs the preferred answer is the longer one in {longer:.1%}, and the one the proxy finds "
        f"likelier (by the mean token) in {likelier:.1%}; {opposing:.1%} oppose all others together."
    )
