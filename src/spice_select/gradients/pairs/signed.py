"""The signed weights of a batch of pairs, by which one backward pass gives each pair's difference of gradients."""

from torch import Tensor

from spice_select.gradients.batch import PaddedBatch
from spice_select.gradients.pairs.base import PairGradient


def signed_weights(batch: PaddedBatch, gradient: PairGradient) -> Tensor:
    """What each token's cross-entropy is multiplied by, float32 ``[n]``: −w in chosen answers, +w in rejected ones.

    Then the sum over a pair is Σ w log π(y⁺|x) − Σ w log π(y⁻|x), and its gradient v. Tokens that both answers begin
    with have equal gradients; where they weigh alike they cancel, and are given no weight, so that nothing is rounded.
    """
    assert batch.shared is not None, "only pairs have signs"
    own, other = batch.counts[batch.rows], batch.counts[batch.rows ^ 1]
    places, chosen = batch.places, batch.rows % 2 == 0
    weights = gradient.token_weights(places, own, other, chosen)
    others = gradient.token_weights(places, other, own, ~chosen)
    cancelled = (places < batch.shared[batch.owners]) & (weights == others)
    signs = 2 * (batch.rows % 2) - 1
    return (weights * signs).masked_fill(cancelled, 0.0)
