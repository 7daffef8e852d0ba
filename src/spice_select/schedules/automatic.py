"""The settings that were left to the data (`auto`) as numbers, found from the gradients of all candidates."""

from collections.abc import Callable

from spice_select.diagnosis.least_weight import CHANCE, GRID, least_weight
from spice_select.diagnosis.saturation import half_saturation
from spice_select.methods import METHODS, Budget, Candidates, Choice, Method
from spice_select.methods.pool_shares import windows_of
from spice_select.methods.spice import AUTO, Spice
from spice_select.progress import Progress, Silent
from spice_select.run.outcome import Automatic
from spice_select.run.settings import SelectSettings
from spice_select.selection import Selection
from spice_select.selection.objectives import OBJECTIVES

_Choose = Callable[[Method, Candidates, Budget, SelectSettings, Progress], Choice]
"""How a schedule chooses from candidates that are known."""

_AIMED_ALPHA = 1.0


def with_numbers(
    settings: SelectSettings, candidates: Candidates, budget: Budget, choose: _Choose, progress: Progress
) -> tuple[SelectSettings, tuple[Automatic, ...]]:
    """The settings with a number for each `auto`, and what these are; α first, as λ is found at that α.

    Cost: nothing where nothing is `auto`; see `half_saturation` and `least_weight`.
    """
    found = list[Automatic]()
    if settings.spice.alpha == AUTO:
        found.append(_alpha(settings, candidates, budget))
        settings = settings.numbered({"alpha": found[-1].value})
    if settings.spice.conflict_weight == AUTO:
        found.append(_conflict_weight(settings, candidates, budget, choose, progress))
        settings = settings.numbered({"conflict_weight": found[-1].value})
    return settings, tuple(found)


def _alpha(settings: SelectSettings, candidates: Candidates, budget: Budget) -> Automatic:
    """By the pool's spectrum; 1 where the choice aims at a target.

    There the rule would speak of directions that the target does not ask about; the default is kept.
    """
    objective = settings.spice.objective if issubclass(METHODS[settings.selection.method], Spice) else None
    if candidates.target is not None and (objective is None or OBJECTIVES[objective].aimed):
        why = f"{_AIMED_ALPHA:g}: the rule is about the pool alone, and this choice is for a target"
        return Automatic(name="alpha", value=_AIMED_ALPHA, why=why)
    found = half_saturation(candidates.matrix, _picks(settings, candidates, budget), seed=settings.selection.seed)
    return Automatic(name="alpha", value=found.alpha, why=found.sentence)


def _picks(settings: SelectSettings, candidates: Candidates, budget: Budget) -> float:
    """Rows that are picked before the state starts empty again, by the mean length under a budget in tokens."""
    chosen, n = settings.selection, len(candidates)
    whole = budget.allowance(n)
    rows = min(n, whole.mean_rows(candidates))
    pools = len(windows_of(n, chosen.pool_size, chosen.seed)) if chosen.schedule == "pools" else 1
    return rows / pools


def _conflict_weight(
    settings: SelectSettings, candidates: Candidates, budget: Budget, choose: _Choose, progress: Progress
) -> Automatic:
    """0 for a target or another objective than log det: what a sign is worth is theirs to say. Else `least_weight`."""
    if candidates.target is not None or settings.spice.objective != "log-det":
        why = "0: the penalty is log det's, and this choice is "
        why += "for a target" if candidates.target is not None else f"by --objective {settings.spice.objective}"
        return Automatic(name="conflict_weight", value=0.0, why=why)

    def picks(method: str, other: SelectSettings) -> Selection:
        found = choose(METHODS[method].of(other.flat()), candidates, budget, other, Silent()).worth
        assert found is not None, "a choice from gradients says what it is worth"
        return found

    def draw(number: int) -> Selection:
        selection = settings.selection.model_copy(update={"seed": settings.selection.seed + 1 + number})
        return picks("random", settings.model_copy(update={"selection": selection}))

    with progress.task("Conflict weight", len(GRID) + CHANCE, "choices at most") as advance:
        found = least_weight(
            candidates.matrix,
            lambda weight: picks(settings.selection.method, settings.numbered({"conflict_weight": weight})),
            draw,
            alpha=settings.spice.scale,
            progress=advance,
        )
    return Automatic(name="conflict_weight", value=found.weight, why=found.sentence)
