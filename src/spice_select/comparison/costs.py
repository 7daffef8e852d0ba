"""What a choice cost: stand-alone, with every feature it needs, and marginal, once the arms before it have theirs.

Operations are the usual estimate: 2 a weight and token forward, 4 backward through all weights, 2 backward where only
activations and a LoRA take gradients (Kaplan et al. 2020, arXiv 2001.08361, section 2.1).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from spice_select.comparison.choosing import ArmChoice
from spice_select.comparison.grounds import Grounds
from spice_select.features.poolings import STATES
from spice_select.features.rating_prompts import QUESTIONS, RatingPrompts
from spice_select.features.warm_plan import plan_warmup
from spice_select.methods import METHODS
from spice_select.methods.base import GRADIENTS
from spice_select.run.finished import Run
from spice_select.run.folder import RunFolder
from spice_select.run.settings import SelectSettings

FORWARD = 2.0
BACKWARD: Mapping[str, float] = {"lora": 2.0, "full": 4.0, "last-layer": 0.0}
"""Operations for each weight and token."""
_ONE_PASS = ("losses", STATES, "token-states")
_ANSWERS_ALONE = "unprompted-losses"
_RATINGS = "ratings"


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a choice cost.

    Attributes:
        features: what it had to know of every row.
        seconds, flops: with all of its features.
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
        weights: of the proxy.
        runs: every run of the comparison: each feature was computed in one of them.
    """

    def __init__(self, grounds: Grounds, weights: int, runs: Sequence[Run]) -> None:
        self._grounds, self._weights = grounds, weights
        self._spent, self._known = _seconds(runs), set[tuple[str, int]]()

    def cost(self, choice: ArmChoice) -> Cost:
        """The cost of the next arm's choice."""
        asked = choice.run.settings
        needs = METHODS[choice.arm.method].of(asked.flat()).needs()
        seed = choice.seed
        new = [name for name in needs if (name, seed) not in self._known]
        self._known |= {(name, seed) for name in needs}
        own = choice.run.summary.seconds.get("selection", 0.0)
        return Cost(
            features=tuple(needs),
            seconds=own + self._total(needs, seed),
            flops=self._operations(needs, asked),
            marginal_seconds=own + self._total(new, seed),
            marginal_flops=self._operations(new, asked),
        )

    def _total(self, names: Sequence[str], seed: int) -> float:
        return sum(self._spent.get((name, seed), 0.0) for name in names)

    def _operations(self, names: Sequence[str], asked: SelectSettings) -> float | None:
        found = [self._feature(name, asked) for name in names]
        return None if None in found else float(sum(one for one in found if one is not None))

    def _feature(self, name: str, asked: SelectSettings) -> float | None:
        tokens = int(self._grounds.tokens.sum())
        if name == GRADIENTS:
            once = FORWARD + BACKWARD[asked.gradients.parameters]
            return self._weights * once * (tokens * asked.gradients.warm_checkpoints + self._warmed(asked))
        if name in _ONE_PASS:
            return self._weights * FORWARD * tokens
        if name == _ANSWERS_ALONE:
            return self._weights * FORWARD * int(self._grounds.supervised.sum())
        if name == _RATINGS:
            questions = len(self._grounds) * RatingPrompts(self._grounds.proxy.tokenizer).around
            return self._weights * FORWARD * (len(QUESTIONS) * tokens + questions)
        return None

    def _warmed(self, asked: SelectSettings) -> float:
        """Tokens that a warm-up trained on, of rows of mean length."""
        plan = plan_warmup(asked.gradients, len(self._grounds))
        return 0.0 if plan is None else plan.rows * plan.passes * float(self._grounds.tokens.mean())


def _seconds(runs: Sequence[Run]) -> dict[tuple[str, int], float]:
    """(feature, seed) → seconds in the run that computed it; those that took it from there spent next to none."""
    spent = dict[tuple[str, int], float]()
    for run in runs:
        seed = int(RunFolder(run.path).identity["seed"])
        for name, seconds in run.summary.seconds.items():
            spent[name, seed] = max(spent.get((name, seed), 0.0), seconds)
    return spent
