"""What a choice cost: stand-alone, with every feature it needs, and marginal, once the arms before it have theirs.

Operations are the usual estimate: 2 a weight and token forward, 4 backward through all weights, 2 backward where only
activations and a LoRA take gradients (Kaplan et al. 2020, arXiv 2001.08361, section 2.1).
"""

import functools
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from spice_select.comparison.choosing import ArmChoice
from spice_select.comparison.grounds import Grounds
from spice_select.features.poolings import STATES
from spice_select.features.rating_prompts import RatingPrompts
from spice_select.features.warm_plan import plan_warmup
from spice_select.methods import METHODS
from spice_select.methods.base import GRADIENTS
from spice_select.models.settings import ProxySettings
from spice_select.models.size import count_weights
from spice_select.run.finished import Run
from spice_select.run.folder import RunFolder
from spice_select.run.origin import origin_of
from spice_select.run.settings import SelectSettings
from spice_select.schedules.interleaved.adapter import STEPS

FORWARD = 2.0
BACKWARD: Mapping[str, float] = {"lora": 2.0, "full": 4.0, "last-layer": 0.0}
"""Operations for each weight and token."""
_ONE_PASS = ("losses", STATES, "token-states")
_ANSWERS_ALONE = "unprompted-losses"
_RATINGS = "ratings"
_ITS_OWN = ("selection", "training")
"""Stages of a run that no other run shares: the choice, and the steps of a proxy that moves."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a choice cost.

    Attributes:
        features: what it had to know of every row.
        seconds, flops: with all of its features, and with the steps of a proxy that moves.
        marginal_seconds, marginal_flops: with those alone that no arm before it had. Operations are None where a
            feature's are not known.
    """

    features: tuple[str, ...]
    seconds: float
    flops: float | None
    marginal_seconds: float
    marginal_flops: float | None


class CostLedger:
    """The costs of arms in the order they chose.

    Args:
        grounds: what features are of.
        runs: every run of the comparison: each feature was computed in one of them.
        weights: of the model that a proxy's settings name.
    """

    def __init__(
        self, grounds: Grounds, runs: Sequence[Run], weights: Callable[[ProxySettings], int] | None = None
    ) -> None:
        self._grounds, self._weights = grounds, weights or _weights_of
        self._spent, self._known = _seconds(runs), set[str]()

    def cost(self, choice: ArmChoice) -> Cost:
        """The cost of the next arm's choice."""
        asked = choice.run.settings
        needs = _origins(choice.run, METHODS[choice.arm.method].of(asked.flat()).needs())
        new = {name: origin for name, origin in needs.items() if origin not in self._known}
        self._known |= set(needs.values())
        spent = choice.run.summary.seconds
        own, steps = sum(spent.get(stage, 0.0) for stage in _ITS_OWN), self._steps(choice.run)
        return Cost(
            features=tuple(needs),
            seconds=own + self._total(needs),
            flops=self._operations(needs, choice.run, steps),
            marginal_seconds=own + self._total(new),
            marginal_flops=self._operations(new, choice.run, steps),
        )

    def _total(self, needs: Mapping[str, str]) -> float:
        return sum(self._spent.get(origin, 0.0) for origin in needs.values())

    def _operations(self, needs: Mapping[str, str], run: Run, steps: float) -> float | None:
        asked, seen = run.settings, run.summary
        found = [self._feature(name, asked, tokens=seen.tokens, supervised=seen.supervised) for name in needs]
        return None if None in found else steps + float(sum(one for one in found if one is not None))

    def _steps(self, run: Run) -> float:
        """Operations of the optimiser steps that a moving proxy made; 0 of one that stands still."""
        log = run.path / STEPS
        made = log.read_text(encoding="utf-8").splitlines() if log.is_file() else []
        trained = sum(json.loads(step)["tokens"] for step in made)
        return trained * (FORWARD + BACKWARD["lora"]) * self._weights(run.settings.proxy) if trained else 0.0

    def _feature(self, name: str, asked: SelectSettings, *, tokens: int, supervised: int) -> float | None:
        """Of the pool as this arm's proxy sees it, in tokens of its own."""
        weights = self._weights(asked.proxy)
        if name == GRADIENTS:
            once = FORWARD + BACKWARD[asked.gradients.parameters]
            passes = asked.interleaved.epochs if asked.selection.schedule == "interleaved" else 1
            read = tokens * passes * asked.gradients.warm_checkpoints + self._warmed(asked, tokens)
            return weights * once * read
        if name in _ONE_PASS:
            return weights * FORWARD * tokens
        if name == _ANSWERS_ALONE:
            return weights * FORWARD * supervised
        if name == _RATINGS:
            # by a proxy that keeps what it read: others read the row five times
            beside = len(self._grounds) * RatingPrompts(self._grounds.proxy.tokenizer).around
            return weights * FORWARD * (tokens + beside)
        return None

    def _warmed(self, asked: SelectSettings, tokens: int) -> float:
        """Tokens that a warm-up trained on, of rows of mean length."""
        plan = plan_warmup(asked.gradients, len(self._grounds))
        return 0.0 if plan is None else plan.rows * plan.passes * tokens / len(self._grounds)


@functools.cache
def _weights_of(proxy: ProxySettings) -> int:
    return count_weights(proxy.model, proxy)


def _origins(run: Run, names: Iterable[str]) -> dict[str, str]:
    """Feature → what it was made from: of equal ones only the first was computed. A moving proxy's are its own."""
    identity = RunFolder(run.path).identity
    return {name: origin_of(identity, feature=name) for name in names}


def _seconds(runs: Sequence[Run]) -> dict[str, float]:
    """Origin of a feature → seconds in the run that computed it; those that took it from there spent next to none."""
    spent = dict[str, float]()
    for run in runs:
        seconds = run.summary.seconds
        for name, origin in _origins(run, seconds).items():
            spent[origin] = max(spent.get(origin, 0.0), seconds[name])
    return spent
