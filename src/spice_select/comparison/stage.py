"""The way of a comparison on one screen: grounds that all share → each arm chooses → what is known of the choices."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spice_select.comparison.arms import Contender, contenders_of, refuse_contenders
from spice_select.comparison.choosing import ARMS, ArmChoice, Chooser
from spice_select.comparison.costs import Ledger
from spice_select.comparison.facts import ArmFacts, CommonGradients, facts_of
from spice_select.comparison.grounds import Grounds, read_grounds, token_budget
from spice_select.comparison.result import RESULTS_FILE, ArmFailure, MethodsCompared
from spice_select.comparison.settings import LEAST_SEEDS_TO_TRAIN, CompareSettings, seeds_of
from spice_select.errors import InputError, SpiceError
from spice_select.methods.budget import Budget
from spice_select.models.size import count_weights
from spice_select.progress import Progress, Silent
from spice_select.run.feasible import refuse_rows
from spice_select.run.finished import Run
from spice_select.run.folder import MANIFEST, open_run
from spice_select.run.identity import package_version
from spice_select.settings.access import Opening
from spice_select.store import write_json
from spice_select.training.trainer import require

_DECISIVE = ("spice-select", "torch", "transformers", "tokenizers", "numpy")
_NEVER_DECIDE = ("methods", "seeds", "control_seeds", "keep_models", *Opening.model_fields)
"""Settings that add arms or seeds to a comparison, or say what may be done: they make it no other."""


def compare(
    pool: str | Path,
    *,
    out: str | Path | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    **settings: Any,
) -> MethodsCompared:
    """Let several methods choose under one budget, and judge their choices.

    Args:
        pool: as `spice_select.select` takes a corpus.
        out: the folder; by default ``runs/compare-<pool>-<hash of what was asked>``. What is finished there is not done
            again, so that the same call resumes, and methods and seeds can be added.
        overwrite: throw away what a different comparison left in `out`.
        progress: shown how far the work is; silent by default.
        **settings: any of `CompareSettings` by name, e.g. ``methods=("random", "spice", "less-rr"), budget="5%",
            target="dev.jsonl"``.

    Returns:
        What is known of every choice; also as JSON in the folder. An arm that failed is named in `.failures`; the
        others stand.

    Raises:
        InputError: anything that the caller can mend, before an arm has chosen.
    """
    return run_compare(str(pool), CompareSettings.from_flat(settings), out=out, overwrite=overwrite, progress=progress)


def run_compare(
    pool: str,
    settings: CompareSettings,
    *,
    out: str | Path | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> MethodsCompared:
    """`compare` with the settings as one object."""
    progress = progress or Silent()
    _refuse_training(settings)
    contenders = contenders_of(settings)
    refuse_contenders(contenders, settings)
    grounds = read_grounds(pool, settings, progress)
    _refuse_budget(contenders, grounds, settings)
    for note in grounds.notes:
        progress.note(note)
    identity = _identity(grounds, settings)
    folder = _default_folder(pool, identity) if out is None else Path(out)
    with open_run(folder, identity, overwrite=overwrite) as opened:
        grounds.write(opened)
        work = _Work(Chooser(folder=folder, grounds=grounds, settings=settings, progress=progress))
        choices = work.choices(contenders)
        found = _found(pool, work, choices)
        write_json(folder / RESULTS_FILE, found.to_json())
        return found


@dataclass
class _Work:
    """A comparison under way, and what of it failed."""

    chooser: Chooser
    failures: list[ArmFailure] = field(default_factory=list)

    def choices(self, contenders: Sequence[Contender]) -> list[ArmChoice]:
        """What each arm chose, with each of its seeds; those that failed are not among them."""
        seeds, found = seeds_of(self.chooser.settings.arms.seeds), list[ArmChoice]()
        for one in contenders:
            for seed in seeds if one.draws else seeds[:1]:
                with self.attempt(one, seed, "choice"):
                    found.append(self.chooser.choose(one, seed))
        return found

    @contextmanager
    def attempt(self, arm: Contender, seed: int, what: str) -> Iterator[None]:
        """Keep the failure of one arm from taking the others with it; an interruption is none."""
        try:
            yield
        except Exception as error:
            cause = str(error) if isinstance(error, SpiceError) else f"{type(error).__name__}: {error}"
            failure = ArmFailure(
                arm=arm.label,
                seed=seed,
                what=what,
                cause=" ".join(cause.split()),
                mendable=isinstance(error, InputError),
            )
            self.failures.append(failure)
            self.chooser.progress.note(f"{arm.label}, seed {seed}: failed ({failure.cause})")


def _found(pool: str, work: _Work, choices: Sequence[ArmChoice]) -> MethodsCompared:
    chooser = work.chooser
    grounds, settings = chooser.grounds, chooser.settings
    common = CommonGradients.of(choices)
    budget = None
    if settings.arms.equal == "tokens":
        budget = token_budget(Budget.parse(settings.arms.budget), grounds)
    notes = list(grounds.notes)
    if common is None:
        notes.append("No arm took gradients, so none is measured by them. Add spice to --methods to see more.")
    return MethodsCompared(
        path=chooser.folder,
        pool=pool,
        rows=len(grounds),
        budget=settings.arms.budget,
        supervised=budget,
        curvature=None if common is None else common.curvature.value,
        facts=_facts(choices, chooser, budget, common),
        overlap=_overlap(choices),
        failures=tuple(work.failures),
        notes=notes,
    )


def _facts(
    choices: Sequence[ArmChoice], chooser: Chooser, budget: int | None, common: CommonGradients | None
) -> list[ArmFacts]:
    places = sorted(path.parent for path in (chooser.folder / ARMS).glob(f"*/{MANIFEST}"))
    weights = count_weights(chooser.settings.proxy.model, chooser.settings.proxy)
    ledger = Ledger(chooser.grounds, weights, [Run(place) for place in places])
    with chooser.progress.task("Measuring the choices", len(choices), "choices") as advance:
        facts = []
        for choice in choices:
            facts.append(facts_of(choice, chooser.grounds, ledger.cost(choice), budget, common))
            advance(1)
    return facts


def _overlap(choices: Sequence[ArmChoice]) -> dict[str, dict[str, float]]:
    first = dict[str, set[int]]()
    for choice in choices:
        first.setdefault(choice.arm.label, set(choice.rows.tolist()))
    return {
        one: {other: len(rows & theirs) / len(rows) for other, theirs in first.items() if other != one}
        for one, rows in first.items()
    }


def _refuse_training(settings: CompareSettings) -> None:
    """Raise InputError where nothing could be tuned, or nothing said of it."""
    if not settings.tuning.train:
        return
    require("trl", "train")
    seeds = seeds_of(settings.arms.seeds)
    if len(seeds) < LEAST_SEEDS_TO_TRAIN:
        raise InputError(
            f"--train with --seeds {settings.arms.seeds}: a difference between single tunings may be the order of "
            f"their rows; two are the least, five or more are judged. Give --seeds 0,1,2,3,4."
        )


def _refuse_budget(contenders: Sequence[Contender], grounds: Grounds, settings: CompareSettings) -> None:
    """Raise InputError where the pool cannot meet the budget, or an arm's shares of it."""
    budget = Budget.parse(settings.arms.budget)
    if settings.arms.equal == "rows" and budget.tokens is not None:
        raise InputError(f"--budget {budget} with --equal rows: a number of tokens. Give rows, or --equal tokens.")
    rows = round(len(grounds) * token_budget(budget, grounds) / int(grounds.supervised.sum()))
    lengths = grounds.tokens.tolist()
    for one in contenders:
        asked = one.asks(settings, seed=0, budget=str(max(1, rows)), target=None)
        try:
            refuse_rows(asked, grounds.sources, lengths)
        except InputError as error:
            raise InputError(f"{one.label}: {error}") from error


def _identity(grounds: Grounds, settings: CompareSettings) -> dict[str, Any]:
    """What decides every arm's result; methods and seeds can be added to a comparison."""
    asked = {name: value for name, value in settings.flat().items() if name not in _NEVER_DECIDE}
    named = {name: value for name, value in asked.items() if name not in ("target", "held_out", "outside")}
    versions = {f"version_{package}": package_version(package) for package in _DECISIVE}
    return {"kind": "comparison", **named, **grounds.facts, **versions}


def _default_folder(pool: str, identity: Mapping[str, Any]) -> Path:
    """``runs/compare-<pool>-<8 hex digits of the identity>``: the same question finds its folder again."""
    stem = re.sub(r"[^A-Za-z0-9_-]", "_", Path(pool).name.split(".")[0]) or "pool"
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    return Path("runs") / f"compare-{stem}-{digest[:8]}"
