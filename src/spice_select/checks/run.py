"""What a finished run's own gradients say of it: the sceptic's questions, and what its settings do."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from spice_select.diagnosis.early_stop import EarlyStop, early_stops
from spice_select.diagnosis.sensitivity import Sensitivity, sensitivity
from spice_select.diagnosis.theory import CheckResult, run_checks
from spice_select.diagnosis.warning_signs import Sign, signs
from spice_select.errors import InputError
from spice_select.methods import METHODS, Budget
from spice_select.numerics.features import Features
from spice_select.progress import Silent
from spice_select.run import files as outputs
from spice_select.run.finished import Run, load
from spice_select.run.folder import RunFolder
from spice_select.run.settings import SelectSettings
from spice_select.schedules.static import choose_from, priced
from spice_select.selection import LogDet, Selection


@dataclass(frozen=True, kw_only=True)
class Examination:
    """What a run's own gradients say of it.

    Attributes:
        checks: does the theory hold? None asked where the run was not chosen by log det.
        sensitivity: what other λ and α would have chosen; None where that cannot be told.
        untold: why not, in a sentence; "" otherwise.
        stops: where other ω would have ended it; none where no greedy order was made, which alone has one.
        signs: what would explain poor tuning despite high information.
    """

    checks: list[CheckResult]
    sensitivity: Sensitivity | None
    untold: str
    stops: tuple[EarlyStop, ...]
    signs: list[Sign]


def check_run(path: str | Path, *, seed: int = 0) -> list[CheckResult]:
    """The sceptic's questions, asked of a finished run's own gradients: see `spice_select.diagnosis.run_checks`.

    Raises:
        InputError: the run was not chosen by log det, whose theory the questions are about.
    """
    _check_seed(seed)
    run = load(path)
    chosen = run.settings.spice
    if not run.settings.by_log_det:
        raise InputError(
            f"{path} was chosen by {_criterion(run.settings)}: the checks ask whether the theory of log det holds, so "
            "they need a run with --method spice or --objective log-det. Its gradients are taken from this one."
        )
    return run_checks(run.candidates.matrix, _recorded(run), LogDet(alpha=chosen.scale), seed=seed, **_priced(run))


def examine_run(path: str | Path, *, seed: int = 0) -> Examination:
    """`check_run`, and what the run's λ, α and ω do on its gradients.

    Cost: that of `run_checks`, `sensitivity` (nine selections) and `signs`.
    """
    _check_seed(seed)
    run = load(path)
    rows, selection, chosen = run.candidates.matrix, _recorded(run), run.settings.spice
    objective, untold = LogDet(alpha=chosen.scale), _untold(run.settings)
    asked = run.settings.by_log_det
    return Examination(
        checks=run_checks(rows, selection, objective, seed=seed, **_priced(run)) if asked else [],
        sensitivity=None if untold else _sensitivity(run, rows, selection),
        untold=untold,
        stops=early_stops(selection) if run.settings.greedy else (),
        signs=signs(rows, selection, objective, counts=run.candidates.repeated, seed=seed),
    )


def _priced(run: Run) -> dict[str, Any]:
    return priced(run.candidates, Budget.parse(run.settings.selection.budget))


def _check_seed(seed: int) -> None:
    if seed < 0:
        raise InputError(f"seed={seed}: a seed is 0 or above. Give another.")


def _recorded(run: Run) -> Selection:
    """The picks of a run, in one pool where one state was carried from first to last."""
    settings, selection = run.settings, run.selection
    if settings.selection.schedule == "interleaved" and settings.interleaved.carry_state:
        return replace(selection, pools=np.zeros_like(selection.pools))
    return selection


def _criterion(settings: SelectSettings) -> str:
    if settings.greedy:
        return f"--objective {settings.spice.objective}"
    return f"--method {settings.selection.method}"


def _untold(settings: SelectSettings) -> str:
    chosen = settings.selection
    if not settings.greedy:
        return (
            f"Chosen by {_criterion(settings)}: λ, α and ω had no part in it, and what is asked of log det alone is "
            "left out."
        )
    if not settings.by_log_det:
        return f"Chosen by {_criterion(settings)}: what is asked of log det alone is left out."
    if chosen.schedule == "interleaved":
        return "With another λ or α the proxy would have moved elsewhere: what it would choose takes a run of its own."
    if chosen.per_source_min is not None or chosen.per_source_max is not None:
        return "What another λ or α would choose under quotas takes a run of its own: sources are not kept."
    return ""


def _sensitivity(run: Run, rows: Features, selection: Selection) -> Sensitivity:
    """`Sensitivity` of the run's rule, on the gradients as the selector sees them, of rows that could be chosen."""
    settings, whole = run.settings, run.candidates
    open_rows = np.flatnonzero(~np.isin(whole.rows, sorted(outputs.read_dropped(RunFolder(run.path)))))
    candidates = whole.take(open_rows)
    budget = Budget.parse(settings.selection.budget)

    def select(alpha: float, weight: float) -> Selection:
        spice = settings.spice.model_copy(update={"alpha": alpha, "conflict_weight": weight})
        other = settings.model_copy(update={"spice": spice})
        method = METHODS[other.selection.method].of(other.flat())
        picked = choose_from(method, candidates, budget, other, Silent()).worth
        assert picked is not None, "a choice from gradients says what it is worth"
        return replace(picked, indices=open_rows[picked.indices])

    alpha, weight = settings.spice.scale, settings.spice.weight
    return sensitivity(rows, selection, select, alpha=alpha, conflict_weight=weight)
