"""Rows that a model has no positions for, or no tokens, are refused before anything is computed."""

from collections.abc import Sequence

from torch import nn

from spice_select.data.records import Sample
from spice_select.errors import InputError
from spice_select.gradients.batch import check_tokens
from spice_select.models.guard import vocabulary_rows
from spice_select.models.positions import RowLimit, row_limit, table_limit


def refuse_long_rows(model: nn.Module, examples: Sequence[Sample]) -> None:
    """Refuse what the model cannot read.

    Raises:
        InputError: a row is longer than the model has positions (the message says how to have it cut), or has a token
            that the model has no row for.
    """
    check_lengths(examples, row_limit(model))
    refuse_unknown_tokens(model, examples)


def refuse_unreadable_rows(model: nn.Module, examples: Sequence[Sample]) -> None:
    """Refuse what ends in an index error: rows that training has no positions or no tokens for.

    Rows beyond the length at which frequencies depend on a batch's longest row are trained on as they are elsewhere.

    Raises:
        InputError: as `refuse_long_rows`.
    """
    check_lengths(examples, table_limit(model))
    refuse_unknown_tokens(model, examples)


def refuse_unknown_tokens(model: nn.Module, examples: Sequence[Sample]) -> None:
    """Raise InputError where a row has a token that the model's embedding, or its output head, has no row for."""
    check_tokens([sequence for example in examples for sequence in example.sequences], vocabulary_rows(model))


def check_lengths(examples: Sequence[Sample], limit: RowLimit | None) -> None:
    """`refuse_long_rows` for a limit that is known."""
    shown = [sequence for example in examples for sequence in example.sequences]
    long = [] if limit is None else [sequence for sequence in shown if sequence.num_tokens > limit.tokens]
    if limit is None or not long:
        return
    others = f" ({len(long) - 1:,} more of {len(shown):,} are too long)" if len(long) > 1 else ""
    raise InputError(
        f"row {long[0].row} has {long[0].num_tokens} tokens: beyond {limit.tokens} {limit.reason}{others}. Give "
        f"--max-length {limit.tokens}"
    )
