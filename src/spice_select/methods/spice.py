"""SPICE: greedy by information less conflict (arXiv 2601.23155, Algorithm 1)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from spice_select.errors import InputError
from spice_select.methods.agreement import disagreeing
from spice_select.methods.base import GRADIENTS, Candidates, Choice, Method
from spice_select.methods.budget import Allowance, Budget
from spice_select.methods.greedily import allowed, work
from spice_select.methods.over_shards import shard_faults
from spice_select.methods.select_modes import SELECT_MODES, CertifiedMode, ExactMode, RelaxedMode
from spice_select.methods.spice_carried import SpiceCarried
from spice_select.methods.steps import step_scales
from spice_select.methods.target import TargetSet
from spice_select.progress import Progress
from spice_select.selection import Conflict, GainRatio, LogDet, MatchedStep, Objective, Penalty, TargetConflict
from spice_select.selection.objectives import OBJECTIVES, POOL_VARIANCES, DistinctVariance
from spice_select.selection.objectives.base import Scaled
from spice_select.settings.base import Group
from spice_select.settings.table import literal

if TYPE_CHECKING:
    ObjectiveName = str
    SelectModeName = str
else:
    ObjectiveName = literal(OBJECTIVES.names)
    SelectModeName = literal(SELECT_MODES.names)

AUTO: Literal["auto"] = "auto"
Auto = Literal["auto"]


class SpiceSettings(Group):
    """The criterion of `--method information` and `spice`."""

    objective: ObjectiveName | None = Field(
        None,
        description=f"What a choice is worth. {OBJECTIVES.described()}. Default: "
        "target-information with a --target; without one distinct-variance, or log-det with --method spice and for "
        "preference pairs and marked answers.",
    )
    alpha: Annotated[float, Field(gt=0)] | Auto = Field(
        1.0, description="Scale α of the Fisher term in log det(I + αΣ g gᵀ); `auto`: by the spectrum of the rows."
    )
    conflict_weight: Annotated[float, Field(ge=0)] | Auto | None = Field(
        None,
        description="Weight λ of the penalty on gradient conflict with the mean of the picks and, with a --target, of "
        "its rows; 0 turns it off; `auto`: the least that makes picks conflict no more than random ones. Default: 0, "
        "or with --method spice and no target, and for preference pairs and marked answers, 0.1 (the paper's).",
    )
    stop_ratio: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Early stop ω: end when the gain falls to this share of the first (SPICE+; paper: 0.5).",
    )
    agreeing: float = Field(
        0.5,
        gt=0,
        le=1,
        description="Share of the pool that is chosen from where the objective aims at a --target: the rows whose "
        "gradients agree most with the mean of a task's rows, by cosine; 1 for all. More where the budget needs more; "
        "all under shares of sources, and with matched-step, which is signed itself.",
    )
    token_price: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Exponent γ of a row's tokens T: rows are compared by score / T^γ (0: the score, 1: the score per "
        "token). Default: the score; under a budget in tokens the better of two runs, with 0 and with 1.",
    )

    select_mode: SelectModeName = Field("exact", description=f"How log det is chosen by. {SELECT_MODES.described()}.")
    candidates: float = Field(
        1.6, ge=1, description="With --select-mode certified: rows that greedy looks at, for each row to choose."
    )
    tangent_passes: int | None = Field(
        None,
        ge=1,
        description="With --select-mode certified or relaxed: passes over all rows that weigh them. Default: "
        f"{CertifiedMode.usual}, or {RelaxedMode.usual}.",
    )

    select_device: str = Field(
        "cpu",
        description="Where the products with all rows are taken: `cpu`, `cuda`, `cuda:1`, or `auto` for a GPU where "
        "there is one; the picks are the same. Log det's are float32; those of the default without a target float64, "
        "and of no more rows than numbers taken on the CPU.",
    )
    select_shards: int | None = Field(
        None,
        ge=1,
        description="With --engine ray: choose over rows on so many actors, each with its part of them; the picks are "
        "the same. Default: this process chooses.",
    )

    @property
    def scale(self) -> float:
        """α as a number. Raises InputError where it is still left to the data."""
        return _number("alpha", self.alpha)

    @property
    def weight(self) -> float:
        """λ as a number, 0 where nothing was asked. Raises InputError where it is still left to the data."""
        return _number("conflict_weight", self.conflict_weight or 0.0)


_PLACED = (LogDet.name, *(one.name for one in POOL_VARIANCES))
"""Objectives that another device than the CPU can choose by."""
USUAL = {name: field.default for name, field in SpiceSettings.model_fields.items()}
"""What each setting of the criterion is where nobody asks."""


def agreeing_faults(settings: Mapping[str, Any], objective: str, *, quotas: bool) -> list[str]:
    """What is wrong with a share of the rows that agree where all are chosen from: nothing would go by it.

    Args:
        settings: flat.
        objective: what is chosen by.
        quotas: whether all rows are chosen from under shares of sources.
    """
    asked = settings["agreeing"]
    if asked in (1.0, USUAL["agreeing"]):
        return []
    shares = [f"--{name.replace('_', '-')}" for name in ("per_source_min", "per_source_max") if settings[name]]
    if not settings["target"]:
        cause = "without --target: there is nothing to agree with. Name the target's file, or leave it out."
    elif not OBJECTIVES[objective].aimed or OBJECTIVES[objective].signed:
        cause = f"with --objective {objective}: that chooses from all rows. Leave one of them out."
    elif quotas and shares:
        cause = f"with {' and '.join(shares)}: shares of sources are chosen from all rows. Leave one of them out."
    else:
        return []
    return [f"--agreeing {asked:g} {cause}"]


def _number(name: str, value: float | Auto) -> float:
    if value == AUTO:
        raise InputError(
            f"{name}='auto': no gradients have said yet what it comes to. `spice select` and `spice_select.select` "
            "find it; anywhere else give the number."
        )
    return value


def _absence(device: str, objective: str) -> list[str]:
    """What is wrong with a device that is not here, or too coarse: told before gradients are computed, not after."""
    from spice_select.models.precision import choose_device

    try:
        found = choose_device(device)
    except InputError as error:
        return [f"--select-device: {error}"]
    if found.type == "mps" and objective != LogDet.name:
        return [
            f"--select-device {device} with --objective {objective}: {found} has no float64. Leave it out, or "
            "give --objective log-det."
        ]
    return []


def _path_on(device: str, objective: type[Scaled]) -> Any:
    """The path of `greedy` on a device. Raises InputError where that is not there."""
    from spice_select.models.precision import choose_device
    from spice_select.selection.paths.blocked.on_device import blocked_on
    from spice_select.selection.paths.eager_on_device import eager_on

    return (blocked_on if objective is LogDet else eager_on)(str(choose_device(device)))


class Spice(Method):
    """Greedy by marginal gain of an objective less the conflict penalty, with or without early stop.

    With a target the objective may aim at its rows, and a conflict is one with their mean gradient too.

    Attributes:
        objective: what a choice is worth.
        alpha: its scale α; "auto" where it is still to be found, and nothing can be chosen.
        weight: λ of the conflict penalty; 0 for none, "auto" likewise.
        agreeing: share of the pool that is chosen from where the objective aims at a target.
        stop: rules that may end a run (in pools: a pool) early.
        price: γ of the score / tokensᵞ that rows are compared by; see `allowed`.
        summed: whether the gradients are sums over a row's tokens, not means.
        mode: how log det is chosen by.
        device: where products with all rows are taken.
    """

    name: ClassVar[str] = "spice"
    summary: ClassVar[str] = "greedily what adds most log det, less a penalty on gradient conflict: as published"
    source: ClassVar[str] = "arXiv 2601.23155"
    reads: ClassVar[frozenset[str]] = frozenset(
        {
            "objective",
            "alpha",
            "conflict_weight",
            "agreeing",
            "stop_ratio",
            "token_price",
            "normalise",
            "row_weight",
            "carry_state",
            "select_mode",
            "candidates",
            "tangent_passes",
            "select_device",
            "select_shards",
        }
    )
    takes_target: ClassVar[bool] = True
    untargeted: ClassVar[tuple[str, float]] = ("log-det", 0.1)
    """Objective and λ where there is no target, unless they are named."""
    among_pairs: ClassVar[tuple[str, float]] = ("log-det", 0.1)
    """The same among pairs and marked answers: only the penalty sees which answers are good, and it is log det's."""

    def __init__(
        self,
        objective: type[Scaled] = LogDet,
        *,
        alpha: float | Auto = 1.0,
        weight: float | Auto = 0.0,
        agreeing: float = 0.5,
        stop: tuple[GainRatio, ...] = (),
        price: float | None = None,
        summed: bool = False,
        mode: ExactMode | None = None,
        device: str = "cpu",
    ) -> None:
        self.objective, self.alpha, self.weight, self.agreeing = objective, alpha, weight, agreeing
        self.stop, self.price, self.summed = stop, price, summed
        self.mode, self.device = mode or ExactMode(), device

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Method:
        """With `--carry-state` the picker that carries Fisher state and mean from pool to pool."""
        asked = SpiceSettings(**{name: settings[name] for name in SpiceSettings.model_fields})
        spice = cls.settled(asked, targeted=bool(settings["target"]))
        stop = () if spice.stop_ratio is None else (GainRatio(spice.stop_ratio),)
        objective, weight = OBJECTIVES[spice.objective or ""], spice.conflict_weight or 0.0
        if settings["carry_state"] and objective is LogDet and AUTO not in (spice.alpha, weight):
            return SpiceCarried(LogDet(alpha=spice.scale), spice.weight, stop, price=spice.token_price)
        return cls(
            objective,
            alpha=spice.alpha,
            weight=weight,
            agreeing=spice.agreeing,
            stop=stop,
            price=spice.token_price,
            summed=settings["loss"] == "sum",
            mode=SELECT_MODES[spice.select_mode](passes=spice.tangent_passes, over=spice.candidates),
            device=spice.select_device,
        )

    @classmethod
    def settled(cls, asked: SpiceSettings, *, targeted: bool, pairs: bool = False) -> SpiceSettings:
        """The criterion with what was left open: `untargeted`, or where there is a target the one that aims at it.

        `pairs`: whether the rows are preference pairs or marked answers, which have no target.
        """
        objective, weight = ("target-information", 0.0) if targeted else cls.untargeted
        if pairs:
            objective, weight = cls.among_pairs
        found = {
            "objective": asked.objective or objective,
            "conflict_weight": weight if asked.conflict_weight is None else asked.conflict_weight,
        }
        return asked.model_copy(update=found)

    @classmethod
    def clashes(cls, settings: Mapping[str, Any]) -> list[str]:
        """Only log det can be carried from pool to pool; what aims at a target needs one."""
        faults, asked, targeted = [], settings["objective"], bool(settings["target"])
        if asked is not None and OBJECTIVES[asked].aimed and not targeted:
            faults.append(f"--objective {asked} without --target: it aims at a target's rows. Name their file.")
        if settings["carry_state"] and (targeted or asked not in (None, "log-det")):
            other = "--target" if targeted else f"--objective {asked}"
            faults.append(
                f"--carry-state with {other}: only log det can be carried from pool to pool exactly. Leave one of them "
                "out."
            )
        return [
            *faults,
            *cls._device_faults(settings),
            *cls._mode_faults(settings),
            *agreeing_faults(settings, cls._asked_objective(settings), quotas=True),
            *shard_faults(settings, cls._asked_objective(settings), cls._asked_weight(settings)),
        ]

    @classmethod
    def _device_faults(cls, settings: Mapping[str, Any]) -> list[str]:
        """Log det, chosen from one pool after another anew, and the variances are made for another device."""
        device, objective = settings["select_device"], cls._asked_objective(settings)
        if device == "cpu":
            return []
        if objective not in _PLACED:
            return [
                f"--select-device {device} with --objective {objective}: that is chosen on the CPU; only "
                f"{', '.join(_PLACED)} are chosen there. Leave it out."
            ]
        hindrances = {
            "--carry-state": settings["carry_state"],
            "--conflict-weight and --target": settings["target"] and settings["conflict_weight"],
        }
        faults = [
            f"--select-device {device} with {name}: that is chosen on the CPU. Leave one of them out."
            for name, there in hindrances.items()
            if there
        ]
        return faults or _absence(device, objective)

    @classmethod
    def _asked_weight(cls, settings: Mapping[str, Any]) -> float | Auto:
        asked: float | Auto | None = settings["conflict_weight"]
        return (0.0 if settings["target"] else cls.untargeted[1]) if asked is None else asked

    @classmethod
    def _asked_objective(cls, settings: Mapping[str, Any]) -> str:
        return str(settings["objective"] or ("target-information" if settings["target"] else cls.untargeted[0]))

    @classmethod
    def _mode_faults(cls, settings: Mapping[str, Any]) -> list[str]:
        """Only log det has a relaxation, and that is of a choice of so many rows among all."""
        mode, faults = settings["select_mode"], list[str]()
        if mode == ExactMode.name:
            unread = [name for name in ("candidates", "tangent_passes") if settings[name] != USUAL[name]]
            return [f"--{name.replace('_', '-')} with --select-mode exact: it looks at all rows." for name in unread]
        objective = cls._asked_objective(settings)
        if objective != LogDet.name:
            faults.append(
                f"--select-mode {mode} with --objective {objective}: only log-det has a relaxation; {objective} is not "
                "submodular, so every row is looked at for every pick. Give --objective log-det, or --method spice."
            )
        hindrances = {
            "--schedule " + settings["schedule"]: settings["schedule"] != "global",
            "a budget in tokens": Budget.parse(settings["budget"]).tokens is not None,
            "shares of sources": settings["per_source_min"] is not None or settings["per_source_max"] is not None,
            "--token-price": settings["token_price"] is not None,
            "--stop-ratio": mode == RelaxedMode.name and settings["stop_ratio"] is not None,
        }
        named = [name for name, there in hindrances.items() if there]
        if named:
            faults.append(
                f"--select-mode {mode} with {' and '.join(named)}: it weighs all rows for a choice of so many rows. "
                "Leave that out, or take --select-mode exact."
            )
        return faults

    def needs(self) -> tuple[str, ...]:
        """Gradients."""
        return (GRADIENTS,)

    def notes(self, candidates: Candidates, choice: Choice) -> tuple[str, ...]:
        """Whether a target that was given has no part in the choice; of pairs, what sees which answer was preferred."""
        said = (self.mode.said,) if self.mode.said else ()
        if candidates.of_pairs and not candidates.one_sided:
            return (*said, self._on_signs("Pairs", "Which answer was preferred", "a pair with its labels swapped"))
        if candidates.of_marks:
            return (*said, self._on_signs("Marked answers", "Good or bad", "an answer with the other mark"))
        if candidates.target is None or self.objective.aimed or self.weight:
            return said
        return (
            *said,
            f"--objective {self.objective.name} does not aim at the target, and λ is 0: the target judges the choice, "
            "and rows that stand in it left the pool, but the picks are not for it. Leave --objective out to aim.",
        )

    def _on_signs(self, rows: str, label: str, other: str) -> str:
        sees = f"only the penalty λ = {self.weight:g} sees that" if self.weight else "λ is 0, so nothing here sees that"
        return (
            f"{rows} were chosen by {self.objective.name} with λ = {self.weight:g}. {label} changes the sign of a "
            f"gradient, and {self.objective.name} is blind to signs: {other} adds as much, and {sees}."
        )

    def choose(
        self, candidates: Candidates, allowance: Allowance, *, seed: int | tuple[int, ...], progress: Progress
    ) -> Choice:
        """See `Method.choose`; nothing is drawn. Cost: one greedy run, two under a budget in tokens without a price."""
        candidates = self.prepared(candidates, progress)
        options = allowed(candidates, allowance, price=self.price)
        options |= {
            "objective": self.objective_for(candidates),
            "penalty": self.penalty_for(candidates.target),
            "stop": self.stop,
            "excluded": self.opposing(candidates, allowance),
        }
        if self.device != "cpu":
            options["path"] = _path_on(self.device, self.objective)
        with progress.task("Selection", *work(allowance, self.price)) as advance:
            rows = candidates.matrix if candidates.apart is None else candidates.apart
            return Choice.of(self.mode.pick(rows, options, advance))

    def opposing(self, candidates: Candidates, allowance: Allowance) -> list[int]:
        """Positions that agree too little with the target to be chosen from; see `disagreeing`."""
        aimed = self.objective.aimed and not self.objective.signed
        if candidates.target is None or not aimed or allowance.quotas:
            return []
        return disagreeing(candidates, candidates.target, self.agreeing, allowance)

    def prepared(self, candidates: Candidates, progress: Progress) -> Candidates:
        """With copies counted, where they count once."""
        return candidates.counted(progress) if self.objective is DistinctVariance else candidates

    def objective_for(self, candidates: Candidates) -> Objective:
        """What these candidates are worth. Raises InputError where it aims at a target, and they have none."""
        alpha, target = _number("alpha", self.alpha), candidates.target
        if self.objective is DistinctVariance:
            return self.objective(alpha=alpha, counts=candidates.counts)
        if not self.objective.aimed:
            return self.objective(alpha=alpha)
        if target is None:
            raise InputError(f"objective {self.objective.name}: it aims at a target, and none was given.")
        wanted, parts = target.matrix.dense, dict[str, Any]()
        if self.objective is MatchedStep:
            wanted = wanted * step_scales(target, summed=self.summed)[:, None]
            parts = {"scales": step_scales(candidates, summed=self.summed)}
        return self.objective(target=wanted, tasks=target.tasks, alpha=alpha, **parts)

    def penalty_for(self, target: TargetSet | None) -> Penalty | None:
        """What is subtracted from a gain; None for nothing."""
        weight = _number("conflict_weight", self.weight)
        if not weight:
            return None
        return Conflict(weight) if target is None else TargetConflict(target.matrix.dense, weight)
