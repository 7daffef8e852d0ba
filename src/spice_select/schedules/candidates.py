"""Rows with what is known of them, as a method sees them."""

from collections.abc import Mapping

import numpy as np

from spice_select.data.records import PairExample, Sample
from spice_select.data.samples import PickedSamples, in_order
from spice_select.features.row_weights import ROW_WEIGHTS, row_scales
from spice_select.methods import Candidates
from spice_select.methods.base import GRADIENTS
from spice_select.methods.target import TargetSet
from spice_select.run.settings import SelectSettings
from spice_select.store import FeatureBlock


def candidates_of(
    examples: Mapping[int, Sample],
    blocks: Mapping[str, FeatureBlock],
    settings: SelectSettings,
    target: TargetSet | None = None,
) -> Candidates:
    """The examples that the features are of, in their order; all, in ascending order, where there are no features.

    By the lengths of all examples, not of these alone, a row has its weight.
    """
    rows = next((block.rows for block in blocks.values()), np.array(sorted(examples), np.int64))
    known = PickedSamples(examples, rows)
    supervised = np.array([example.num_supervised for example in known], np.int64)
    corpus = np.array([example.num_supervised for example in in_order(examples)], np.int64)
    limited = settings.selection.max_per_prompt is not None
    prompts = [example.prompt for example in known if isinstance(example, PairExample)] if limited else []
    return Candidates(
        rows=rows,
        tokens=np.array([example.num_tokens for example in known], np.int64),
        supervised=supervised,
        sources=[example.source for example in known],
        features=blocks,
        normalise=settings.selection.normalise,
        scales=row_scales(ROW_WEIGHTS[settings.selection.row_weight], supervised, corpus, blocks.get(GRADIENTS)),
        examples=known,
        prompts=prompts,
        target=target,
        one_sided=settings.gradients.pair_gradient == "chosen",
    )
