"""Held-out rows: read, less those that a run saw, and judged by a model's response loss."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spice_select.data.encoding import Encoder, encode_rows
from spice_select.data.formats import MARKED, Format, PreferencePairs, detect_reader
from spice_select.data.records import Example, Row
from spice_select.data.settings import DataSettings
from spice_select.data.sources import read_source
from spice_select.errors import InputError
from spice_select.numerics.estimates import Estimate, row_difference, row_mean, token_difference, token_mean
from spice_select.progress import Progress, Silent
from spice_select.run.alike import rows_in_both, texts_of
from spice_select.run.corpus import reread_corpus
from spice_select.run.finished import Run, load
from spice_select.run.identity import rows_hash

WHOLE = "all"
"""Every source together."""


@dataclass(frozen=True)
class HeldOutRows:
    """The rows to judge models on.

    Attributes:
        name: the file, as named.
        rows: those that are left.
        format: how they are read.
        left_out: rows left out because a run saw them.
        notes: what lay there and was not read, a sentence each.
    """

    name: str
    rows: Sequence[Row]
    format: Format | PreferencePairs
    left_out: int
    notes: tuple[str, ...] = ()

    @property
    def are_pairs(self) -> bool:
        """Whether they are preference pairs."""
        return isinstance(self.format, PreferencePairs)

    @property
    def identity(self) -> dict[str, Any]:
        """What decides the numbers, beside the model; and where the rows stand, by which models are paired."""
        numbers = np.array([row.number for row in self.rows], np.int64)
        return {
            "rows_sha256": rows_hash(self.rows),
            "numbers_sha256": hashlib.sha256(numbers.tobytes()).hexdigest(),
            "rows": len(self.rows),
            "format": self.format.name,
        }


def read_held_out(
    name: str,
    settings: DataSettings,
    *,
    without: Sequence[Path] = (),
    allow_network: bool = False,
    progress: Progress | None = None,
) -> HeldOutRows:
    """Read held-out rows and leave out all that stand in the corpus of a run.

    Args:
        name: any corpus that `spice select` reads.
        settings: how it is read; where splits are named and none is asked for, ``test`` is read.
        without: run folders; rows that say what one of their corpora's rows (chosen or not) says, word for word or
            nearly, are left out, whatever else their records have. Of pairs the prompts are compared.
        allow_network: may read a hub data set.
        progress: shown how many rows of these corpora are compared, some 0.2 ms each.

    Raises:
        InputError: as `read_source`; nothing is left; the corpus of a run is gone or was changed since.
    """
    read = read_source(
        name,
        split=settings.split,
        subset=settings.subset,
        revision=settings.revision,
        allow_network=allow_network,
        default_split="test",
    )
    rows = read.rows
    reader = detect_reader(rows, settings.format)
    seen = {number for run in without for number in _seen(rows, reader, load(run), allow_network, progress or Silent())}
    kept = [row for row in rows if row.number not in seen] if seen else rows
    if not kept:
        raise InputError(
            f"held-out {name}: all of its {len(rows)} rows are in the corpus of {', '.join(map(str, without))}, word "
            "for word or nearly. Give rows that the run did not see."
        )
    if reader is MARKED:
        raise InputError(
            f"held-out {name}: answers marked good or bad, which nothing judges models by. Give preference pairs; or "
            "judge by the good answers with --format prompt/completion, which leaves out those marked false."
        )
    return HeldOutRows(name, kept, reader, len(rows) - len(kept), read.notes)


def _seen(
    rows: Sequence[Row], reader: Format | PreferencePairs, run: Run, allow_network: bool, progress: Progress
) -> set[int]:
    """Numbers of the rows that stand among those a run chose from: by what they say, and where nobody reads it whole.

    Another ``id``, another format or a ``source`` of its own makes no new row.
    """
    theirs = reread_corpus(run, allow_network=allow_network)
    digests = {row.content_hash for row in theirs}
    whole = {row.number for row in rows if row.content_hash in digests}
    texts = texts_of([row for row in rows if row.number not in whole], reader)
    known = texts_of(theirs, detect_reader(theirs, run.settings.data.format))
    with progress.task(f"Comparing with the corpus of {run.path}", len(known), "rows") as advance:
        return whole | {row for row, _, _ in rows_in_both(texts, known, advance)}


@dataclass(frozen=True, kw_only=True)
class RowLosses:
    """One model on the held-out rows.

    Attributes:
        rows: int64 ``[n]``, row numbers, ascending.
        sources: the group of each row.
        sums: float64 ``[n]``, response loss summed over the supervised tokens (nats).
        tokens: int64 ``[n]``, supervised tokens.
        truncated: how many rows were cut at the maximum length.
        dropped: how many rows could not be used, by reason.
        tokenizer: hash of the tokenizer's vocabulary: losses per token compare only where it is the same.
    """

    rows: NDArray[np.int64]
    sources: tuple[str, ...]
    sums: NDArray[np.float64]
    tokens: NDArray[np.int64]
    truncated: int
    dropped: dict[str, int]
    tokenizer: str

    def to_json(self) -> dict[str, Any]:
        return {
            "rows": self.rows.tolist(),
            "sources": list(self.sources),
            "sums": self.sums.tolist(),
            "tokens": self.tokens.tolist(),
            "truncated": self.truncated,
            "dropped": self.dropped,
            "tokenizer": self.tokenizer,
        }

    @staticmethod
    def from_json(content: dict[str, Any]) -> "RowLosses":
        return RowLosses(
            rows=np.array(content["rows"], np.int64),
            sources=tuple(content["sources"]),
            sums=np.array(content["sums"], np.float64),
            tokens=np.array(content["tokens"], np.int64),
            truncated=content["truncated"],
            dropped=content["dropped"],
            tokenizer=content["tokenizer"],
        )


@dataclass(frozen=True, kw_only=True)
class SourceLoss:
    """Held-out loss of one model on one source.

    Attributes:
        source: the group, or ``all``; ``(none)`` of rows without one, and ``(all)`` where one is called so.
        tokens: supervised tokens.
        per_token: loss per token: Σ loss / Σ tokens.
        per_row: mean over the rows of their own loss per token.
        per_token_difference, per_row_difference: less that of the first model, on the rows both could use; None for
            the first model itself.
    """

    source: str
    tokens: int
    per_token: Estimate
    per_row: Estimate
    per_token_difference: Estimate | None = None
    per_row_difference: Estimate | None = None


def encode_held_out(held_out: HeldOutRows, encoder: Encoder) -> tuple[list[Example], dict[str, int]]:
    """The rows under a model's own template, masked as a selection masks them; and the drops by reason."""
    encoded = encode_rows(held_out.rows, held_out.format, encoder)
    return [example for example in encoded.examples if isinstance(example, Example)], encoded.reasons


def row_losses(
    examples: Sequence[Example], sums: NDArray[np.float64], dropped: dict[str, int], tokenizer: str
) -> RowLosses:
    """The record of a model's losses; rows whose loss is not a finite number are dropped.

    Raises:
        InputError: no row has a finite loss.
    """
    finite = np.isfinite(sums)
    if not finite.any():
        raise InputError(
            f"the loss is not a finite number on any of the {len(sums)} held-out rows: the weights may be damaged, "
            "or the precision too low. Try --dtype float32."
        )
    if not finite.all():
        dropped = {**dropped, "non-finite": int((~finite).sum())}
    kept = [example for example, good in zip(examples, finite, strict=True) if good]
    return RowLosses(
        rows=np.array([example.row for example in kept], np.int64),
        sources=tuple(example.source for example in kept),
        sums=sums[finite],
        tokens=np.array([example.num_supervised for example in kept], np.int64),
        truncated=sum(example.truncated > 0 for example in kept),
        dropped=dropped,
        tokenizer=tokenizer,
    )


def by_source(losses: RowLosses, first: RowLosses | None = None) -> tuple[SourceLoss, ...]:
    """Losses by source, all together first; with the differences to another model where one is given."""
    names = sorted(set(losses.sources))
    groups = np.array(losses.sources)
    found = [_source(WHOLE, losses, np.ones(len(groups), np.bool_), first)]
    if names != [""]:
        found += [_source(_LIKE.get(name, name), losses, groups == name, first) for name in names]
    return tuple(found)


_LIKE = {"": "(none)", WHOLE: f"({WHOLE})"}
"""What a source is called whose own name would be taken for something else."""


def _source(name: str, losses: RowLosses, where: NDArray[np.bool_], first: RowLosses | None) -> SourceLoss:
    sums, tokens = losses.sums[where], losses.tokens[where].astype(np.float64)
    loss = SourceLoss(
        source=name,
        tokens=int(tokens.sum()),
        per_token=token_mean(sums, tokens),
        per_row=row_mean(sums / tokens),
    )
    if first is None:
        return loss
    _, own, other = np.intersect1d(losses.rows[where], first.rows, return_indices=True)
    sums, tokens = sums[own], tokens[own]
    first_sums, first_tokens = first.sums[other], first.tokens[other].astype(np.float64)
    return SourceLoss(
        source=loss.source,
        tokens=loss.tokens,
        per_token=loss.per_token,
        per_row=loss.per_row,
        per_token_difference=token_difference(sums, tokens, first_sums, first_tokens),
        per_row_difference=row_difference(sums / tokens, first_sums / first_tokens),
    )
