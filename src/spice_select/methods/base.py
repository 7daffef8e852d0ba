"""The port of a method: what it must know of the rows, and which of them it takes in which order."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from spice_select.data.records import Example, PairExample, Sample
from spice_select.features.normalise import normalised_as_read
from spice_select.methods.budget import Allowance
from spice_select.methods.moment import Moment
from spice_select.methods.target import GRADIENTS as GRADIENTS
from spice_select.methods.target import TargetSet
from spice_select.progress import Progress
from spice_select.selection import Features, Selection, Stats, Stop
from spice_select.selection.multiplicity import copies_counted
from spice_select.store import FeatureBlock


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidates:
    """The rows that may be chosen, aligned by position and in ascending order of their numbers.

    Attributes:
        rows: int64 ``[n]``, row numbers in the corpus.
        tokens, supervised: int64 ``[n]``, tokens of each example, and those trained on.
        sources: the group of each row, ``""`` where the corpus names none.
        features: what the method asked to know (`Method.needs`), by the feature's name; rows as here.
        normalise: how gradients are scaled before directions are compared: ``unit`` or ``none``.
        scales: float64 ``[n]``, what a gradient is multiplied by after that (`ROW_WEIGHTS`); None for nothing.
        examples: the rows as the proxy sees them, for methods that read tokens; may be empty for any other.
        prompts: the prompt of each pair (`PairExample.prompt`), where quotas are of prompts; else empty.
        target: what they are chosen for; None where no target was given.
        moment: where the proxy stands, on a schedule that trains it; None where it stands still.
        apart: `matrix` on shards, where it is to be chosen from there; None elsewhere.
        counts: int64 ``[n]``, how many rows share each one's direction, as `copies_counted` found it, maybe among more
            rows than these; None where nobody counted.
        one_sided: whether the gradients of pairs are those of their chosen answers alone.
    """

    rows: NDArray[np.int64]
    tokens: NDArray[np.int64]
    supervised: NDArray[np.int64]
    sources: Sequence[str]
    features: Mapping[str, FeatureBlock] = field(default_factory=dict)
    normalise: str = "unit"
    scales: NDArray[np.float64] | None = None
    examples: Sequence[Sample] = ()
    prompts: Sequence[str] = ()
    target: TargetSet | None = None
    moment: Moment | None = None
    apart: Features | None = None
    counts: NDArray[np.int64] | None = None
    one_sided: bool = False

    @classmethod
    def of_gradients(
        cls,
        block: FeatureBlock,
        *,
        normalise: str,
        scales: NDArray[np.float64] | None = None,
        sources: Sequence[str] | None = None,
        examples: Sequence[Sample] = (),
        target: TargetSet | None = None,
    ) -> "Candidates":
        """The rows of a block of gradients, and the gradients as what is known of them; no sources: ``""`` each."""
        return cls(
            rows=block.rows,
            tokens=block.tokens,
            supervised=block.supervised,
            sources=[""] * len(block.rows) if sources is None else sources,
            features={GRADIENTS: block},
            normalise=normalise,
            scales=scales,
            examples=examples,
            target=target,
        )

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def groups(self) -> Sequence[str]:
        """What each row is counted under where there are quotas: its prompt, else its source."""
        return self.prompts or self.sources

    @property
    def of_pairs(self) -> bool:
        """Whether the rows are preference pairs."""
        return any(isinstance(example, PairExample) for example in self.examples[:1])

    @property
    def of_marks(self) -> bool:
        """Whether the rows are answers marked good or bad."""
        return any(isinstance(example, Example) and example.label is not None for example in self.examples[:1])

    @property
    def answers(self) -> list[Example]:
        """The rows as the proxy sees them, those that are no pairs: for methods that take no pairs (`no_pairs`)."""
        return [example for example in self.examples if isinstance(example, Example)]

    @cached_property
    def matrix(self) -> Features:
        """The gradients ``[n, d]`` as the selector sees them. Made, checked and squared once, for all who judge them.

        The array itself is ``matrix.array``.
        """
        block = self.features[GRADIENTS]
        return Features(normalised_as_read(block.features, self.normalise, block.weights, self.scales))

    @property
    def repeated(self) -> NDArray[np.int64] | None:
        """`counts` where a row was found to have copies, else None."""
        return None if self.counts is None or self.counts.max(initial=1) == 1 else self.counts

    def counted(self, progress: Progress) -> "Candidates":
        """The same rows with their `counts`. Cost: see `copies_counted`; nothing where they are there."""
        if self.counts is not None:
            return self
        with progress.task("Copies", len(self), "rows") as advance:
            return self._with(counts=copies_counted(self.matrix, advance))

    def spread(self, apart: Features) -> "Candidates":
        """The same rows, to be chosen over shards."""
        return self._with(apart=apart)

    def aimed_at(self, target: TargetSet) -> "Candidates":
        """The same rows, to be chosen for another target."""
        return self._with(target=target)

    def _with(self, **parts: Any) -> "Candidates":
        """The same rows, their matrix not made again."""
        other = replace(self, **parts)
        other.__dict__["matrix"] = self.matrix
        return other

    def take(self, positions: NDArray[np.int64]) -> "Candidates":
        """Some of the candidates, in this order."""
        taken = Candidates(
            rows=self.rows[positions],
            tokens=self.tokens[positions],
            supervised=self.supervised[positions],
            sources=[self.sources[int(position)] for position in positions],
            features={name: block.take(positions) for name, block in self.features.items()},
            normalise=self.normalise,
            scales=None if self.scales is None else self.scales[positions],
            examples=[self.examples[int(position)] for position in positions] if self.examples else (),
            prompts=[self.prompts[int(position)] for position in positions] if self.prompts else (),
            target=self.target,
            moment=self.moment,
            counts=None if self.counts is None else self.counts[positions],
            one_sided=self.one_sided,
        )
        if "matrix" in self.__dict__:  # made already: the rows of it with their squares, not made again
            taken.__dict__["matrix"] = self.matrix.take(positions)
        return taken


@dataclass(frozen=True, kw_only=True, eq=False)
class Choice:
    """Rows in the order picked. All arrays have length k.

    Attributes:
        indices: int64, positions among the candidates.
        columns: name → float64, what the method knows of each pick; they become columns of ``selection.parquet``.
        pools: int64, the pool each was picked in; 0 where there are none.
        stop: why there are no more.
        stats: what it cost.
    """

    indices: NDArray[np.int64]
    columns: Mapping[str, NDArray[np.float64]]
    pools: NDArray[np.int64]
    stop: Stop
    stats: Stats

    @classmethod
    def of(cls, selection: Selection) -> Self:
        """A greedy selection, with the ε-decomposition of each pick."""
        return cls(
            indices=selection.indices,
            columns={
                "gain": selection.gains,
                "base": selection.bases,
                "epsilon": selection.epsilons,
                "conflict": selection.conflicts,
                "penalty": selection.penalties,
                "score": selection.scores,
            },
            pools=selection.pools,
            stop=selection.stop,
            stats=selection.stats,
        )

    @property
    def worth(self) -> Selection | None:
        """The picks with gain, base and conflict of each; None where no gradients said what a pick was worth."""
        if "gain" not in self.columns:
            return None
        return Selection(
            indices=self.indices,
            gains=self.columns["gain"],
            bases=self.columns["base"],
            conflicts=self.columns["conflict"],
            penalties=self.columns["penalty"],
            scores=self.columns["score"],
            pools=self.pools,
            stop=self.stop,
            stats=self.stats,
        )

    def __len__(self) -> int:
        return len(self.indices)


class Method(ABC):
    """Chooses rows. A new one is a file with a subclass, a line in ``METHODS`` and a row in ``tests/methods/cases.py``.

    Attributes:
        name: what `--method` calls it.
        summary: what it takes, in a few words, for `--help`.
        source: the paper, or "control" for what others are compared with.
        reads: the settings that change what it chooses, by name; any other that is not the schedule's is refused.
        draws: whether it draws at random, by the seed.
        by_number: whether row numbers decide all or the first of its picks: nothing else tells rows apart then.
        takes_target: whether it can choose for a target (`Candidates.target`).
        requires_target: whether it is undefined without one.
        plain_target: whether the target's gradients are taken without the preconditioner that the candidates' go
            through.
        no_pairs: why it cannot choose among preference pairs, in words; "" where it can.
        no_marks: the same of single answers that are marked good or bad.
        only_pairs: whether it is undefined but of preference pairs.
        in_loop: whether it lives on the proxy's training, and so on a schedule that trains it; what it needs beside
            gradients is then known of all rows before the proxy moves (`fresh`).
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    source: ClassVar[str]
    reads: ClassVar[frozenset[str]] = frozenset()
    draws: ClassVar[bool] = False
    by_number: ClassVar[bool] = False
    takes_target: ClassVar[bool] = False
    requires_target: ClassVar[bool] = False
    plain_target: ClassVar[bool] = False
    no_pairs: ClassVar[str] = ""
    no_marks: ClassVar[str] = ""
    only_pairs: ClassVar[bool] = False
    in_loop: ClassVar[bool] = False

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> "Method":
        """The method as these settings (by flat name) describe it."""
        return cls()

    @classmethod
    def clashes(cls, settings: Mapping[str, Any]) -> list[str]:
        """What it cannot honour among these settings: a sentence each, with the remedy; none by default."""
        return []

    def needs(self) -> tuple[str, ...]:
        """Names of the features it must know, of `spice_select.features.FEATURES`. None: no model is loaded."""
        return ()

    def notes(self, candidates: Candidates, choice: Choice) -> tuple[str, ...]:
        """What a reader of the result should know of this choice from them, a sentence each; none by default."""
        return ()

    def prepared(self, candidates: Candidates, progress: Progress) -> Candidates:
        """The candidates with what the method counts among all of them, before pools are cut; as they are by default.

        `choose` does it itself where nobody has.
        """
        return candidates

    def fresh(self, whole: Candidates) -> "Method":
        """The method at the beginning of a pass over the pools: itself, unless it carries a state from pool to pool.

        `whole`: all rows of the pass, with what is known of them by then.
        """
        return self

    def seen(self, candidates: Candidates) -> Features:
        """The gradients ``[n, d]`` as they count now, for judging: given what is carried, if anything is."""
        return candidates.matrix

    @abstractmethod
    def choose(
        self, candidates: Candidates, allowance: Allowance, *, seed: int | tuple[int, ...], progress: Progress
    ) -> Choice:
        """Choose.

        Args:
            candidates: one or more.
            allowance: how many rows or tokens, and how much of each source.
            seed: of whatever is drawn; a schedule of pools gives each pool its own, (seed, pool).
            progress: shown how far it is, where that takes long.

        Raises:
            InputError: an allowance that these candidates cannot meet.
        """
