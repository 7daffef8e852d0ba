"""What is looked at in a sample of preference pairs: lengths and labels."""

import numpy as np

from spice_select.data.records import PairExample
from spice_select.diagnosis.opposing import opposes_the_others
from spice_select.methods import Candidates
from spice_select.methods.base import GRADIENTS


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
