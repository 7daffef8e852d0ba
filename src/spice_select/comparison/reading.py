"""A comparison read back from its folder: what was measured from its JSON, what was judged from its records."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from spice_select.comparison.costs import Cost
from spice_select.comparison.facts import ArmFacts, InGradients
from spice_select.comparison.records import read_arm_runs
from spice_select.comparison.result import RESULTS_FILE, ArmFailure, MethodsCompared
from spice_select.comparison.ruling import Ruling, judge
from spice_select.comparison.terms import Terms, endpoints_of_pairs
from spice_select.comparison.tuning import RECORDS
from spice_select.comparison.work import REFERENCES
from spice_select.diagnosis.diversity import Diversity
from spice_select.diagnosis.diversity.log_det_distance import LogDetDistance
from spice_select.errors import InputError


def is_comparison(folder: Path) -> bool:
    """Whether a folder is that of a finished comparison."""
    return (folder / RESULTS_FILE).is_file()


def read_comparison(folder: Path) -> MethodsCompared:
    """A finished comparison; runs of single seeds that were tuned since are judged too.

    Raises:
        InputError: there is none, it is damaged, or another version of this package wrote it.
    """
    path = folder / RESULTS_FILE
    if not path.is_file():
        raise InputError(f"{folder}: no finished comparison, {RESULTS_FILE} is missing. Give `spice compare` again.")
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        return _comparison(folder, raw)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path}: not as this version writes it ({error}). Give the `spice compare` that made it again: what is "
            "there is not done again."
        ) from error


def _comparison(folder: Path, raw: dict[str, Any]) -> MethodsCompared:
    return MethodsCompared(
        path=folder,
        pool=raw["pool"],
        rows=raw["rows"],
        budget=raw["budget"],
        supervised=raw["supervised_tokens"],
        curvature=raw["curvature"],
        facts=[_facts(one) for one in raw["arms"]],
        overlap=raw["overlap"],
        diversity={arm: _diversity(one) for arm, one in raw["diversity"].items()},
        ruling=_ruling(folder, raw["ruling"]),
        scores=raw["scores"],
        failures=[ArmFailure(**one) for one in raw["failures"]],
        notes=raw["notes"],
        asked=raw.get("asked", ()),
    )


def _facts(raw: dict[str, Any]) -> ArmFacts:
    gradients = None if raw["gradients"] is None else InGradients(**raw["gradients"])
    return ArmFacts(**{**raw, "cost": Cost(**raw["cost"]), "gradients": gradients})


def _diversity(raw: dict[str, Any]) -> Diversity:
    return Diversity(**{**raw, "ldd": None if raw["ldd"] is None else LogDetDistance(**raw["ldd"])})


def _ruling(folder: Path, raw: dict[str, Any] | None) -> Ruling | None:
    """The records judged again, by the terms that were fixed; None where nothing was tuned."""
    if raw is None:
        return None
    terms, of_pairs = raw["terms"], endpoints_of_pairs()
    by = of_pairs if terms["endpoint"] == of_pairs["endpoint"].name else {}
    known = Terms(primary=terms["primary"], references=REFERENCES, **by)
    return judge(read_arm_runs(folder / RECORDS), replace(known, equal=terms.get("equal", known.equal)))
