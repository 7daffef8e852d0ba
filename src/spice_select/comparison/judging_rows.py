"""What of the rows that judge can be used by the model that is tuned: told, and refused where too few are left."""

from collections.abc import Iterator
from typing import Any

from spice_select.comparison.grounds import Grounds, as_one
from spice_select.comparison.settings import CompareSettings
from spice_select.data.encoding import Encoder, encode_rows
from spice_select.errors import InputError
from spice_select.models.load import load_tokenizer
from spice_select.settings.counted import counted

_LEAST = 2
"""Rows, or prompts of pairs: of one nothing can be said about others."""


def unused_rows(grounds: Grounds, settings: CompareSettings) -> Iterator[str]:
    """A sentence for each set of which rows cannot be used, or are cut, as the model to tune has them.

    Raises:
        InputError: a set of which less than two rows can.
    """
    encoder = Encoder(_tokenizer(grounds, settings), max_length=settings.data.max_length)
    for name, rows in grounds.judges.items():
        found = encode_rows(rows.rows, rows.format, encoder)
        reasons = ", ".join(f"{count} {reason}" for reason, count in found.reasons.items())
        left = len({as_one(example) for example in found.examples})
        if left < _LEAST:
            why = f" ({reasons})" if reasons else ""
            raise InputError(
                f"{name}: {left} of its {counted(len(rows.rows), 'row')} can judge{why}, and of fewer "
                "than two nothing can be said. Give more rows, of pairs with other prompts."
            )
        if reasons:
            yield f"{counted(len(found.drops), 'row')} of {name} cannot be used to judge: {reasons}."
        if found.truncated:
            cut = counted(found.truncated, "row")
            yield f"{cut} of {name} cut at {settings.data.max_length:,} tokens (--max-length) when judging."


def _tokenizer(grounds: Grounds, settings: CompareSettings) -> Any:
    model, access = settings.tuning.train_model, settings.proxy
    if model is None:
        return grounds.proxy.tokenizer
    return load_tokenizer(model, allow_network=access.allow_network, trust_remote_code=access.trust_remote_code)
