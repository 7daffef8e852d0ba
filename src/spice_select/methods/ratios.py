"""How little a prompt helps with its answer: the response's loss given the prompt, over its loss alone."""

import numpy as np
from numpy.typing import NDArray

from spice_select.methods.base import Candidates

PROMPTED, ALONE = "losses", "unprompted-losses"
"""The two features, by their names in `spice_select.features.FEATURES`."""
_NOTHING = 1e-6
"""A loss (nats a token) below which a response alone leaves nothing to be helped with."""


def ratios(candidates: Candidates) -> NDArray[np.float64]:
    """Loss given the prompt over loss without it, float64 ``[n]``; infinite where the response has none by itself."""
    prompted, alone = (candidates.features[name] for name in (PROMPTED, ALONE))
    something = alone.losses >= _NOTHING
    return np.divide(prompted["loss_sum"], alone["loss_sum"], out=np.full(len(candidates), np.inf), where=something)
