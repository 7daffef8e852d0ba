"""The target of a run as two models see it: the same rows of what matters, in the same tasks."""

from collections.abc import Sequence

import numpy as np

from spice_select.data.encoding import Encoder
from spice_select.data.records import Example
from spice_select.errors import InputError
from spice_select.features.proxy import Proxy
from spice_select.methods.base import GRADIENTS
from spice_select.methods.target import TargetSet
from spice_select.progress import Progress
from spice_select.run import files as outputs
from spice_select.run.finished import Run
from spice_select.run.folder import RunFolder
from spice_select.run.target import read_target
from spice_select.settings.counted import counted
from spice_select.store import FeatureBlock


def target_examples(run: Run, proxy: Proxy, progress: Progress) -> list[Example]:
    """The rows that a run chose for, as another model's template has them; none without a target.

    Raises:
        InputError: the target's files are gone or altered, or cannot be encoded with that template.
    """
    chosen = run.target
    if chosen is None:
        return []
    settings = run.settings
    whole = settings.model_copy(update={"target": settings.target.model_copy(update={"hold_out_target": False})})
    found = read_target(whole, Encoder(proxy.tokenizer, max_length=settings.data.max_length), progress)
    recorded = [line["sha256"] for line in outputs.read_target_rows(RunFolder(run.path))]
    if found is None or [row.content_hash for row in found.rows] != recorded:
        raise InputError(
            f"--target {', '.join(settings.target.target)}: its rows are no longer those that {run.path} chose for. "
            "Put the old file back, or select again."
        )
    return [example for example in found.examples if example.row in set(chosen.rows.tolist())]


def split_off(run: Run, block: FeatureBlock, sample: int) -> tuple[FeatureBlock, TargetSet | None]:
    """A block of the sample's rows and, after them, the target's, taken apart; rows without numbers leave the target.

    Args:
        run: whose target it is.
        block: of both, in the order of `features_of_sample`.
        sample: rows of the sample.
    """
    chosen, place = run.target, np.arange(len(block.rows))
    if chosen is None:
        return block, None
    own = block.take(place[sample:])
    own = own.take(np.flatnonzero(own.finite))
    tasks = dict(zip(chosen.rows.tolist(), chosen.tasks, strict=True))
    target = TargetSet(
        rows=own.rows,
        tasks=[tasks[int(row)] for row in own.rows],
        features={GRADIENTS: own},
        normalise=chosen.normalise,
    )
    return block.take(place[:sample]), target


def shared(targets: Sequence[TargetSet | None]) -> tuple[list[TargetSet | None], tuple[str, ...]]:
    """The targets with the rows that all of them have, and what is to be said of the others.

    Raises:
        InputError: a task has none.
    """
    there = [target for target in targets if target is not None]
    if not there:
        return list(targets), ()
    common = set(there[0].rows.tolist()).intersection(*(target.rows.tolist() for target in there[1:]))
    kept = [
        target if target is None else target.take(np.flatnonzero(np.isin(target.rows, sorted(common))))
        for target in targets
    ]
    for task in there[0].groups:
        if any(target is not None and task not in target.groups for target in kept):
            raise InputError(
                f"--target: no row of it{f' in task {task!r}' if task else ''} can be used with both models. Look at "
                "the rows with `spice preview TARGET --model …`."
            )
    lost = max(len(target) for target in there) - len(common)
    return kept, (f"{counted(lost, 'row')} of the target cannot be used with both models; left out.",) if lost else ()
