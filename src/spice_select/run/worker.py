"""A process that helps with a run's gradients: it needs the run folder, nothing else.

`open_ticket` is the way from that folder to the work, whoever asks: an actor of a cluster, `spice worker`, or
`python -m spice_select.run.worker RUN --rank 1 --world 4 --device cuda:1`, which computes every fourth part and ends;
`spice select` starts one of these for each further GPU.
"""

import argparse
import contextlib
import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spice_select.data.contradictions import without_contradictions
from spice_select.data.corpus import read_corpus
from spice_select.data.encoding import Encoder, encode_rows
from spice_select.data.formats import detect_reader
from spice_select.data.records import Sample
from spice_select.errors import InputError, SpiceError
from spice_select.executors import ProcessPlace, SharedExecutor
from spice_select.features.proxy import Proxy, find_proxy
from spice_select.features.stage import FeatureParts
from spice_select.methods import METHODS
from spice_select.progress import Silent
from spice_select.run import files as outputs
from spice_select.run.exclusion import evidence_features
from spice_select.run.folder import IDENTITY, LOCK, MANIFEST, RunFolder, as_json
from spice_select.run.identity import identity_of
from spice_select.run.parts import parts_of_feature, parts_of_target
from spice_select.run.settings import SelectSettings, read_config
from spice_select.run.target import TargetRows, read_target
from spice_select.store import is_held

PATIENCE = 900.0
"""Seconds to wait for the first process to begin; where locks tell nothing of it, for anything new in the folder."""
_AT_MOST = 60.0
"""Seconds that a first process which holds the run may take to throw away what another run left there."""


def help_with(folder: Path, place: ProcessPlace, *, device: str = "auto") -> None:
    """Compute this process's share of the parts of a run that another process has begun.

    Raises:
        InputError: no run there, or the corpus, model or versions found here are not those of the run.
    """
    found = found_again(folder, device)
    compute_share(folder, found.identity, found.examples, found.settings, found.proxy, place)


def open_ticket(folder: Path, feature: str, *, of_target: bool = False, device: str = "auto") -> FeatureParts:
    """The parts of a feature of a run that another process has begun, from the run's folder alone.

    Args:
        folder: of the run.
        feature: its name.
        of_target: whether they are those of the target's rows.
        device: where they are computed.

    Raises:
        InputError: as `help_with`.
    """
    found = found_again(folder, device)
    pool = _parts(feature, folder, found.identity, found.examples, found.settings, found.proxy)
    return found.of_target(pool, feature, folder) if of_target else pool


@dataclass(frozen=True, kw_only=True)
class FoundAgain:
    """What a run's folder names, found again."""

    identity: Mapping[str, Any]
    examples: Sequence[Sample]
    settings: SelectSettings
    proxy: Proxy
    target: TargetRows | None

    def of_target(self, pool: FeatureParts, feature: str, folder: Path) -> FeatureParts:
        """The same feature of the target's rows. Raises InputError where there is none."""
        if self.target is None:
            raise InputError(f"{folder} has no target: there is no feature of its rows")
        plain = METHODS[self.settings.selection.method].of(self.settings.flat()).plain_target
        return parts_of_target(pool, feature, RunFolder(folder), self.target, plain=plain, progress=Silent())


def found_again(folder: Path, device: str) -> FoundAgain:
    """Corpus, model and settings of a run."""
    _wait_for_beginning(folder)
    corpus, settings = read_config(folder / outputs.CONFIG)
    if corpus is None:
        raise InputError(f"{folder / outputs.CONFIG} names no corpus: it is not the config of a run")
    settings = settings.model_copy(update={"proxy": settings.proxy.model_copy(update={"device": device})})
    rows = read_corpus(corpus, settings.data, allow_network=settings.proxy.allow_network).rows
    row_format = detect_reader(rows, settings.data.format)
    proxy = find_proxy(settings.request)
    encoder = Encoder(proxy.tokenizer, max_length=settings.data.max_length)
    encoded = encode_rows(rows, row_format, encoder)
    examples = without_contradictions(encoded, keep=settings.data.keep_contradictions).examples
    target = read_target(settings, encoder, Silent())
    identity = identity_of(
        rows, settings, proxy, template_hash=encoder.template_hash, row_format=row_format.name, target=target
    )
    return FoundAgain(identity=identity, examples=examples, settings=settings, proxy=proxy, target=target)


def compute_share(
    folder: Path,
    identity: Mapping[str, Any],
    examples: Sequence[Sample],
    settings: SelectSettings,
    proxy: Proxy,
    place: ProcessPlace,
) -> None:
    """What `help_with` does once the corpus is read and encoded. Raises InputError as it does."""
    refuse_moving(settings)
    for feature in needed_features(settings):
        parts = _parts(feature, folder, identity, examples, settings, proxy)
        parts.compute(SharedExecutor(folder=parts.store.folder, place=place))


def refuse_moving(settings: SelectSettings) -> None:
    """Raise InputError where the proxy moves while it selects."""
    if settings.selection.schedule == "interleaved":
        raise InputError(
            "--schedule interleaved: its pools follow from one another, so no parts of it are handed out beforehand. "
            "Start it under torchrun, or on a machine with several GPUs."
        )


def needed_features(settings: SelectSettings) -> tuple[str, ...]:
    """What must be known of the rows of a run."""
    needs = METHODS[settings.selection.method].of(settings.flat()).needs()
    return (*needs, *evidence_features(settings.suspects, needs))


def _parts(
    feature: str,
    folder: Path,
    identity: Mapping[str, Any],
    examples: Sequence[Sample],
    settings: SelectSettings,
    proxy: Proxy,
) -> FeatureParts:
    _wait_for_beginning(folder)
    parts = parts_of_feature(feature, folder, same_identity(folder, identity), examples, settings, proxy)
    wait_for(parts.prepared, folder)
    return parts


def _wait_for_beginning(folder: Path) -> None:
    """Return when the first process has written what the run is, where its parts lie, and how it is replayed."""
    wait_for(lambda: (folder / IDENTITY).is_file() and (folder / outputs.CONFIG).is_file(), folder)


def wait_for_end(folder: Path) -> None:
    """Return when the first process has finished the run. Raises SpiceError when it died instead."""
    wait_for(lambda: (folder / MANIFEST).is_file(), folder)


def wait_for(ready: Callable[[], bool], folder: Path, *, poll: float = 0.2) -> None:
    """Wait for something the first process does.

    Raises:
        SpiceError: it has not begun for `PATIENCE` seconds, or let go of the run before that something was there; where
            the file system has no locks, nothing new came into the folder for as long.
    """
    last, seen, news = time.monotonic(), False, 0.0
    while not ready():
        held = is_held(folder / LOCK)
        if seen and held is False and not ready():
            raise SpiceError(f"{folder}: the first process ended before it was done; start the same command again")
        seen = seen or held is True
        blind = held is None and (folder / LOCK).is_file()
        if blind and (found := _last_news(folder)) > news:
            last, news = time.monotonic(), found
        if not seen and time.monotonic() - last > PATIENCE:
            raise SpiceError(
                f"{folder}: nothing new for {PATIENCE:.0f} seconds, and no locks there to tell whether the first "
                "process lives; start the same command again"
                if blind
                else f"{folder}: no process has begun this run for {PATIENCE:.0f} seconds"
            )
        time.sleep(poll)


def _last_news(folder: Path) -> float:
    """When a file last came into the folder or went, or into one in it."""
    times = [0.0]
    for place in (folder, *folder.glob("*/"), *folder.glob("*/*/")):
        with contextlib.suppress(OSError):  # gone since
            times.append(place.stat().st_mtime)
    return max(times)


def wait_for_run(folder: Path, identity: Mapping[str, Any]) -> None:
    """Return when the run that is there is the one of this identity, or when no more can be expected of it.

    Another run may lie there that the first process has yet to throw away (`--overwrite`).
    """
    _wait_for_beginning(folder)
    began, held_since = time.monotonic(), math.inf
    while not _is_there(folder, identity):
        now = time.monotonic()
        if is_held(folder / LOCK):
            held_since = min(held_since, now)
        if now - held_since > _AT_MOST or now - began > PATIENCE:
            return
        time.sleep(0.2)


def _is_there(folder: Path, identity: Mapping[str, Any]) -> bool:
    try:
        same_identity(folder, identity)
    except InputError:
        return False
    return True


def same_identity(folder: Path, identity: Mapping[str, Any]) -> Mapping[str, Any]:
    """The identity of the run that is there, if it is that of this process. Raises InputError if not."""
    there, here = RunFolder(folder).identity, as_json(identity)
    # weights that have a sum are known by it, whatever path they are called by from here
    by_sum = ("model", "adapter") if there.get("model_weights_sha256") else ()
    names = sorted((there.keys() | here.keys()) - set(by_sum))
    differ = [name for name in names if there.get(name) != here.get(name)]
    if differ:
        shown = "; ".join(f"{name}: there {there.get(name)!r}, here {here.get(name)!r}" for name in differ[:6])
        raise InputError(f"{folder} is another run than this process would help with: {shown}")
    return there


def run_worker(name: str, about: str | None, help_run: Callable[..., None], argv: Sequence[str] | None = None) -> None:
    """The command line of a helping process; ends with SystemExit: 0 done, 2 bad input.

    Args:
        name, about: for its help.
        help_run: called with the run folder, this process's place and ``device=``.
        argv: its arguments; those of the process by default.
    """
    parser = argparse.ArgumentParser(prog=name, description=about)
    parser.add_argument("run", type=Path, help="folder of a run that `spice select` has begun")
    parser.add_argument("--rank", type=int, required=True, help="number of this process, from 1")
    parser.add_argument("--world", type=int, required=True, help="how many processes there are, the first included")
    parser.add_argument("--device", default="auto")
    options = parser.parse_args(argv)
    try:
        help_run(options.run, ProcessPlace(rank=options.rank, world=options.world), device=options.device)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


def main(argv: Sequence[str] | None = None) -> None:
    """The command; ends with SystemExit: 0 done, 2 bad input."""
    run_worker("python -m spice_select.run.worker", __doc__, help_with, argv)


if __name__ == "__main__":
    main()
