"""Axolotl (0.19.0): marked answers as text, for its `rl: kto`."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from spice_select.data.formats.base import RowError
from spice_select.data.records import Conversation
from spice_select.errors import InputError
from spice_select.export.base import Origin, Record
from spice_select.export.folder import LINES, write_records
from spice_select.export.marked.parts import parts_of
from spice_select.export.marked.weights import FOR_KL, MarkWeights, one_mark
from spice_select.export.named import named_in_yaml
from spice_select.export.picks import Pick
from spice_select.export.preference.recipe import OF_REFERENCE, PairRecipe
from spice_select.export.recipe import axolotl_recipe
from spice_select.export.rehearsal import Rehearsal
from spice_select.export.trainee import Trainee
from spice_select.store import write_text

_CONFIG = "axolotl.yaml"


class AxolotlMarked:
    """The prompt as the model's chat template writes it, the answer up to its end of turn, and the mark.

    Axolotl knows no chat template for KTO: its ready-made layouts write ChatML, whatever the model, and its own one
    joins two texts. That one reads the answer from a column that is called ``chosen``.
    """

    name: ClassVar[str] = "axolotl"
    as_they_came: ClassVar[bool] = False
    reads_template: ClassVar[bool] = True

    def __init__(self, recipe: PairRecipe | None = None, *, trainee: Trainee | None = None) -> None:
        """`trainee`: the model to train; nothing can be written without it."""
        self._recipe = recipe or PairRecipe()
        self._trainee = trainee
        self._rehearsal = Rehearsal(trainee) if trainee is not None else None
        self._lengths: list[int] = []

    def fitted(self, picks: Sequence[Pick], trainee: Trainee) -> "AxolotlMarked":
        """Raises InputError where the model's tokenizer is not on this machine."""
        fitted = AxolotlMarked(self._recipe, trainee=trainee)
        if fitted._rehearsal is None or not fitted._rehearsal.possible:
            raise InputError(
                f"--to axolotl with answers marked good or bad: it reads them as text, which the chat template of "
                f"{trainee.name} would write, and no tokenizer of it with one is on this machine. Name a --model that "
                "is here, or export --to trl."
            )
        return fitted

    def record(self, pick: Pick) -> Record:
        conversation = pick.conversation
        parts = parts_of(conversation, self._trainee)
        if conversation.tools or any(turn.keys() - {"role", "content"} for turn in (*parts.prompt, parts.answer)):
            raise RowError("tools", "axolotl reads such a row as text alone; tools, calls and reasoning are not in it")
        prompt, answer = self._texts(conversation, parts.prompt, parts.answer)
        return {"prompt": prompt, "chosen": answer, "label": parts.label}

    def _texts(self, conversation: Conversation, prompt: list[Record], answer: Record) -> tuple[str, str]:
        """Prompt and answer, whose tokens, joined, are those of the template; a `RowError` where they are others."""
        rehearsal, trainee = self._rehearsal, self._trainee
        assert rehearsal is not None, "fitted before"
        assert trainee is not None, "fitted before"
        head, whole = rehearsal.text(prompt, prompt=True), rehearsal.text([*prompt, answer])
        if not whole.startswith(head):
            raise RowError("other-tokens", "the template writes the prompt otherwise where an answer follows")
        text, tokenizer = whole[len(head) :].rstrip(), trainee.tokenizer
        head = head.removeprefix(tokenizer.bos_token or "") if _begins_itself(tokenizer) else head
        due, asked, ids = rehearsal.render([*prompt, answer], ()), tokenizer(head)["input_ids"], tokenizer(head + text)
        theirs = ids["input_ids"]
        if due[: len(theirs)] != theirs or theirs[: len(asked)] != asked:
            raise RowError("other-tokens", "as text the row is other tokens than the template's")
        self._lengths.append(len(theirs))
        mask = [len(asked) <= place < len(theirs) for place in range(len(due))]
        rehearsal.compare(conversation, due, mask, "axolotl")
        return head, text

    def notes(self, picks: Sequence[Pick]) -> tuple[str, ...]:
        return (*one_mark(picks), *(self._rehearsal.note("axolotl") if self._rehearsal is not None else ()))

    def write(self, folder: Path, records: Sequence[Record], origin: Origin) -> tuple[str, ...]:
        write_records(folder / LINES, records)
        weights = MarkWeights.of([record["label"] for record in records])
        write_text(folder / _CONFIG, _config(origin, self._recipe, weights))
        steps = [
            f"Train: cd into the folder, then `axolotl train {_CONFIG}`.",
            f"The texts are those of {origin.model}'s chat template: export again for another model.",
        ]
        if long := sum(length > origin.max_length for length in self._lengths):
            steps.append(f"axolotl drops rows longer than sequence_len, which the selection cut: {long}.")
        return tuple(steps)


def _begins_itself(tokenizer: object) -> bool:
    """Whether a tokenizer puts its BOS token before any text."""
    ids = tokenizer("a")["input_ids"]  # type: ignore[operator]
    return ids[:1] == [tokenizer.bos_token_id]  # type: ignore[attr-defined]


def _config(origin: Origin, recipe: PairRecipe, weights: MarkWeights) -> str:
    return f"""\
# Axolotl on the marked answers of this folder. From within it: axolotl train {_CONFIG}
{named_in_yaml(origin, "axolotl")}

rl: kto
rl_beta: {recipe.beta}
kto_desirable_weight: {weights.good}  # as many pulls towards good answers as away from bad ones
kto_undesirable_weight: {weights.bad}
remove_unused_columns: false
datasets:
  - path: {LINES}
    ds_type: json
    split: train
    type:  # text that the model's chat template has written already
      field_prompt: prompt
      field_completion: chosen
      field_label: label
dataset_prepared_path: prepared
val_set_size: 0.0

sequence_len: {origin.max_length}  # as in the selection; axolotl drops longer rows, which the selection cut
sample_packing: false

{axolotl_recipe(recipe, adapter=OF_REFERENCE, batch=FOR_KL)}"""
