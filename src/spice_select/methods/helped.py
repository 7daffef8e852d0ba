"""How far a prompt helps its response, and rows in that order: IFD (Li et al., NAACL 2024, arXiv 2308.12032)."""

import numpy as np
from numpy.typing import NDArray

from spice_select.methods.base import Candidates

PROMPTED, ALONE = "losses", "unprompted-losses"
"""The features that tell: two forward passes, the second of the responses alone."""
_NOTHING = 1e-6
"""A loss (nats a token) below which a response alone leaves nothing to be helped with."""
_MANY = 0.2


def ratios(candidates: Candidates) -> NDArray[np.float64]:
    """Loss given the prompt over loss without it, float64 ``[n]``; infinite where the response has none by itself."""
    prompted, alone = (candidates.features[name] for name in (PROMPTED, ALONE))
    something = alone.losses >= _NOTHING
    return np.divide(prompted["loss_sum"], alone["loss_sum"], out=np.full(len(candidates), np.inf), where=something)


def least_helped_first(ratio: NDArray[np.float64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Every position: ratios below 1, the largest first, then all others, the smallest first; equal ones by row."""
    helped = ratio < 1
    return np.lexsort((rows, np.where(helped, -ratio, ratio), ~helped))


def unhelped_notes(candidates: Candidates) -> tuple[str, ...]:
    """Where more than a fifth of the rows have a ratio of 1 or more: the proxy or its template is in doubt."""
    unhelped = float(np.mean(ratios(candidates) >= 1))
    if unhelped <= _MANY:
        return ()
    return (
        f"IFD is 1 or more for {unhelped:.0%} of the rows: their prompts make the response no likelier to this "
        "proxy. They come after all others. A proxy that does not know the chat template does this: try "
        "--warmup-rows, or an instruct model.",
    )
