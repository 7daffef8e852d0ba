"""Some parts of a run by number, for a process that nobody waits for: a job of an array, on any machine."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from spice_select.errors import InputError
from spice_select.executors import Receipt
from spice_select.features.stage import FeatureParts
from spice_select.run import files as outputs
from spice_select.run.folder import IDENTITY
from spice_select.run.parts import parts_of_feature
from spice_select.run.worker import found_again, needed_features, refuse_moving, same_identity


@dataclass(frozen=True, kw_only=True)
class Share:
    """What `compute_parts` did for one feature.

    Attributes:
        what: the feature, and whether of the target.
        computed: receipts of the parts that were computed.
        there: how many were there already.
        parts: how many there are in all.
        prepared: whether its warm-up was there; nothing was computed where it was not.
    """

    what: str
    computed: Sequence[Receipt] = ()
    there: int = 0
    parts: int
    prepared: bool = True


def compute_parts(folder: Path, numbers: range, *, device: str = "auto") -> Iterator[Share]:
    """Some parts of every feature that a run needs, of its corpus and of its target; waits for nobody.

    Args:
        folder: of a run that `spice select` has begun.
        numbers: of the parts; those beyond the last are passed over.
        device: where they are computed.

    Raises:
        InputError: as `help_with`, or the run is one whose parts follow from one another.
    """
    if not all((folder / name).is_file() for name in (IDENTITY, outputs.CONFIG)):
        raise InputError(
            f"{folder} is not a run that was begun (no {IDENTITY} or {outputs.CONFIG} in it). Begin it with `spice "
            "select … --engine parts`, and give the folder that --out named."
        )
    found = found_again(folder, device)
    refuse_moving(found.settings)
    for feature in needed_features(found.settings):
        pool = parts_of_feature(
            feature, folder, same_identity(folder, found.identity), found.examples, found.settings, found.proxy
        )
        yield _share(pool, feature, numbers)
        if found.target is not None:
            yield _share(found.of_target(pool, feature, folder), f"{feature} of the target", numbers)


def _share(parts: FeatureParts, what: str, numbers: range) -> Share:
    if not parts.prepared():
        return Share(what=what, parts=len(parts.parts), prepared=False)
    own = range(numbers.start, min(numbers.stop, len(parts.parts)))
    missing = [number for number in own if not parts.is_finished(number)]
    work = parts.open() if missing else None
    computed = [work(number) for number in missing] if work is not None else []
    return Share(what=what, computed=computed, there=len(own) - len(missing), parts=len(parts.parts))
