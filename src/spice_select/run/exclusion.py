"""Rows that are suspected and may therefore not be chosen, where that was asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from spice_select.data.formats import Format, PreferencePairs
from spice_select.data.records import Conversation, Drop, Pair, Row, Sample
from spice_select.diagnosis.suspects import SUSPECTS, Evidence
from spice_select.diagnosis.suspects.look import look_for
from spice_select.diagnosis.suspects.settings import SuspectSettings
from spice_select.errors import InputError
from spice_select.methods.base import GRADIENTS, Candidates
from spice_select.progress import Progress, Silent
from spice_select.run.target import IN_TARGET
from spice_select.store import FeatureBlock

LOSSES, UNPROMPTED = "losses", "unprompted-losses"
"""Features that know losses, beside the gradients: of the answers after their questions, and alone."""


def evidence_features(settings: SuspectSettings, needs: Sequence[str]) -> tuple[str, ...]:
    """Features that suspects are told by, beside those that the method needs; none where no kind goes by losses.

    The losses of the answers alone find answers that were swapped far better than losses can by themselves, for a
    forward pass of each answer. A method that loads no model is not made to, unless the kind was named.

    Args:
        settings: the kinds.
        needs: features of the method.
    """
    by_losses = [kind.name for kind in SUSPECTS if kind.name in settings.kinds and "losses" in kind.needs]
    if not by_losses or not (needs or settings.without_suspects):
        return ()
    known = {GRADIENTS, LOSSES}.intersection(needs)
    wanted = (UNPROMPTED,) if known else (LOSSES, UNPROMPTED)
    return tuple(name for name in wanted if name not in needs)


@dataclass(frozen=True, kw_only=True)
class Exclusion:
    """Which rows of a corpus may not be chosen: none by default.

    Attributes:
        settings: the kinds.
        rows: the corpus.
        reader: how its rows are read.
        summed: whether the gradients' loss is the sum over a row's tokens, not their mean.
        progress: shown how far the search is.
    """

    settings: SuspectSettings
    rows: Sequence[Row]
    reader: Format | PreferencePairs
    summed: bool = False
    progress: Progress = field(default_factory=Silent)

    def found(self, examples: Mapping[int, Sample], blocks: Mapping[str, FeatureBlock] | None = None) -> "Excluded":
        """The rows to leave out, each once, for the first of its reasons.

        Args:
            examples: the rows as the proxy sees them, by number.
            blocks: what is known of them, by the feature's name. Kinds that need more than there is are passed over,
                and named in the notes.
        """
        if not self.settings.kinds:
            return Excluded()
        read = [self.reader.read(self.rows[row]) for row in examples]
        known = {} if isinstance(self.reader, PreferencePairs) else blocks or {}
        evidence = evidence_of(list(examples.values()), read, known, summed=self.summed)
        found = look_for(evidence, self.settings.kinds, self.progress)
        missed = [f"Suspects of the kind {kind} were not looked for: {why}." for kind, why in found.unavailable.items()]
        said = [f"Suspects of the kind {kind}: {one.note}" for kind, one in found.found.items() if one.note]
        return Excluded(drops=tuple(found.drops()), notes=(*missed, *said))


@dataclass(frozen=True, kw_only=True)
class Excluded:
    """Rows that may not be chosen.

    Attributes:
        drops: each with its reason.
        notes: what the reader of the summary should know.
    """

    drops: tuple[Drop, ...] = ()
    notes: tuple[str, ...] = ()


def all_gone(leaving: Sequence[Drop], excluded: Excluded) -> list[Drop]:
    """Rows that leave the pool whatever they are suspected of, and the suspects beside them: each once."""
    already = {drop.row for drop in leaving}
    return [*leaving, *(drop for drop in excluded.drops if drop.row not in already)]


def without(candidates: Candidates, drops: Sequence[Drop]) -> Candidates:
    """The candidates that are not among the dropped rows. Raises InputError if none is left."""
    if not drops:
        return candidates
    kept = np.flatnonzero(~np.isin(candidates.rows, [drop.row for drop in drops]))
    _refuse_none_left(len(kept), drops)
    return candidates.take(kept)


def without_rows(examples: Mapping[int, Sample], drops: Sequence[Drop]) -> dict[int, Sample]:
    """The examples that are not among the dropped rows, by number. Raises InputError if none is left."""
    dropped = {drop.row for drop in drops}
    kept = {row: example for row, example in examples.items() if row not in dropped}
    _refuse_none_left(len(kept), drops)
    return kept


def _refuse_none_left(rows: int, drops: Sequence[Drop]) -> None:
    if rows == 0:
        targets = sum(drop.reason == IN_TARGET for drop in drops)
        beside = f" or stand in the target ({targets})" if targets else ""
        raise InputError(
            f"--without-suspects: all {len(drops)} usable rows are suspects{beside}, so none is left to choose from. "
            "Name fewer kinds, or look at them: leave it out and run `spice suspects RUN`."
        )


def evidence_of(
    examples: Sequence[Sample],
    read: Sequence[Conversation | Pair | Drop],
    blocks: Mapping[str, FeatureBlock],
    *,
    summed: bool = False,
) -> Evidence:
    """What is known of encoded rows, in ascending order of their numbers; a loss that a feature lacks is NaN.

    Args:
        examples: the rows as the proxy sees them.
        read: the same rows as their format reads them.
        blocks: what is known of them, or of some, by the feature's name.
        summed: whether the gradients' loss is the sum over a row's tokens, not their mean.
    """
    there = {item.row.number: item for item in read if not isinstance(item, Drop)}
    examples = sorted(examples, key=lambda example: example.row)
    rows = np.array([example.row for example in examples], np.int64)
    losses = _spread(rows, blocks.get(LOSSES))
    if losses is None and GRADIENTS in blocks:
        losses = _spread(rows, blocks[GRADIENTS])
        if summed and losses is not None:
            losses = losses / np.array([example.num_supervised for example in examples])
    found = [there[example.row] for example in examples]
    return Evidence(
        examples=examples,
        conversations=[item.in_one if isinstance(item, Pair) else item for item in found],
        pairs=[item for item in found if isinstance(item, Pair)],
        losses=losses,
        unprompted=_spread(rows, blocks.get(UNPROMPTED)),
    )


def _spread(rows: NDArray[np.int64], block: FeatureBlock | None) -> NDArray[np.float64] | None:
    """A block's losses at the places of these rows, float64 ``[n]``, NaN for rows that it lacks."""
    if block is None:
        return None
    values = np.full(len(rows), np.nan)
    _, here, there = np.intersect1d(rows, block.rows, return_indices=True)
    values[here] = np.where(block.finite, block.losses, np.nan)[there]
    return values
