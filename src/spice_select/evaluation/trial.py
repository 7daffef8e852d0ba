"""One model and what is asked of it: what is finished already, and what decides each number."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from spice_select.data.batches import default_token_budget
from spice_select.data.encoding import Encoder
from spice_select.errors import InputError
from spice_select.evaluation.benchmarks import wanted
from spice_select.evaluation.deciding import deciding_files
from spice_select.evaluation.heldout import HeldOutRows, RowLosses
from spice_select.evaluation.preference import PairLogProbs
from spice_select.evaluation.results import Kept
from spice_select.evaluation.scores import TaskScore
from spice_select.evaluation.settings import EvaluateSettings
from spice_select.evaluation.subjects import Subject, open_tokenizer
from spice_select.models.family import vocabulary_hash
from spice_select.run.identity import package_version

if TYPE_CHECKING:
    from spice_select.evaluation.harness import Harness, Planned

HELD_OUT = "held-out"
"""What the held-out loss is called among the results."""
LOADING = "loading"
"""What the loading of a model is called among the failures."""
_DECISIVE = ("spice-select", "torch", "transformers", "tokenizers", "peft")


@dataclass(frozen=True)
class Trial:
    """One model and what is asked of it.

    Attributes:
        subject: the model.
        settings: of the evaluation.
        rows: the held-out rows, if any.
        harness: what runs benchmarks; None where none is asked for.
        kept: where results lie.
        notes: what a person should know of the model itself.
    """

    subject: Subject
    settings: EvaluateSettings
    rows: HeldOutRows | None
    harness: "Harness | None"
    kept: Kept
    notes: tuple[str, ...] = ()

    @cached_property
    def tokenizer(self) -> Any:
        return open_tokenizer(self.subject, self.settings.models)

    @cached_property
    def encoder(self) -> Encoder:
        return Encoder(self.tokenizer, max_length=self.settings.data.max_length)

    @cached_property
    def benchmarks(self) -> "list[tuple[Harness, Planned]]":
        """The tasks that stand for the benchmarks asked for, each with what runs it."""
        harness = self.harness
        if harness is None:
            return []
        names = wanted(self.settings.benchmarks.tasks)
        return [(harness, harness.plan(benchmark, chat=self.chat)) for benchmark in names]

    @property
    def chat(self) -> bool:
        asked = self.settings.benchmarks.apply_chat_template
        has = bool(self.tokenizer.chat_template)
        if asked == "yes" and not has:
            raise InputError(
                f"{self.subject.name}: its tokenizer has no chat template, so --apply-chat-template yes cannot be. "
                "Leave it out, or give a chat model."
            )
        return has if asked == "auto" else asked == "yes"

    @property
    def batch_tokens(self) -> int:
        return self.settings.models.batch_tokens or default_token_budget(self.subject.device)

    @cached_property
    def loss_identity(self) -> dict[str, Any]:
        rows = self.rows.identity if self.rows else {}
        return {
            **self._base,
            **rows,
            "max_length": self.settings.data.max_length,
            "batch_tokens": self.batch_tokens,
            "chat_template_sha256": self.encoder.template_hash,
        }

    def task_identity(self, harness: "Harness", planned: "Planned") -> dict[str, Any]:
        template = hashlib.sha256(str(self.tokenizer.chat_template or "").encode()).hexdigest()
        return {**self._base, **harness.identity(planned), "chat_template_sha256": template}

    @cached_property
    def _base(self) -> dict[str, Any]:
        versions = {f"version_{package}": package_version(package) for package in _DECISIVE}
        return {
            **self.subject.identity,
            **deciding_files(self.subject),
            "vocabulary_sha256": vocabulary_hash(self.tokenizer),
            **versions,
        }

    def losses(self) -> RowLosses | PairLogProbs | None:
        """The held-out losses, or log-probabilities of pairs, where they are finished."""
        found = self.kept.read(self.subject.name, HELD_OUT, self.loss_identity) if self.rows else None
        if found is None or self.rows is None:
            return None
        return PairLogProbs.from_json(found) if self.rows.are_pairs else RowLosses.from_json(found)

    def score(self, harness: "Harness", planned: "Planned") -> TaskScore | None:
        """The score on a benchmark, where it is finished."""
        found = self.kept.read(self.subject.name, planned.task, self.task_identity(harness, planned))
        return None if found is None else TaskScore.from_json(found)

    def check(self) -> None:
        """Everything that can be known to fail before a model is loaded."""
        if self.rows is not None:
            self.losses()
        due = [(harness, planned) for harness, planned in self.benchmarks if self.score(harness, planned) is None]
        for harness, planned in due:
            harness.permit(planned)
        for harness, planned in due:
            harness.check(planned)
