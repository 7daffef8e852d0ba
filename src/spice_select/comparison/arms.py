"""Who is compared: a method with settings of its own, and what a run of it asks."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from spice_select.comparison.settings import CompareSettings, seeds_of
from spice_select.comparison.terms import Terms
from spice_select.data.formats import MARKED, Format, PreferencePairs
from spice_select.data.settings import DataSettings
from spice_select.errors import InputError, refuse_all
from spice_select.gradients.settings import GradientSettings
from spice_select.methods import METHODS
from spice_select.models.settings import ProxySettings
from spice_select.run.feasible import refuse_settings, unread_settings
from spice_select.run.pairs import refuse_kind_of_rows
from spice_select.run.settings import SelectSettings
from spice_select.settings.places import place_names

CONTROL, STRATIFIED, ALL, UNTUNED = "random", "stratified", "full", "untuned"
"""What every other is compared with; a draw that no source and no length can upset; what is no choice at all; and the
model as it came."""
_LONGEST = 150
"""Characters of an arm in the name of its folder: file systems take 255, and a seed and a number of rows follow."""
_NOT_AN_ARMS = frozenset({"method", "budget", "seed", "target", "hold_out_target", *DataSettings.model_fields})


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A method with settings of its own.

    Attributes:
        text: as it was asked for.
        label: what it is called in tables: the name that it was given, else all of its text.
        method: its name in `METHODS`.
        own: settings of the choice that it alone has, by name.
    """

    text: str
    label: str
    method: str
    own: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> "Contender":
        """``spice``, ``spice:alpha=2``, or that with a name, ``twice=spice:alpha=2``. Raises InputError for others."""
        first, *pairs = text.split(":")
        label, named, method = first.rpartition("=")
        METHODS[method]  # refuses an unknown one, with the nearest
        if named:
            _refuse_name(label, text)
        own = dict[str, Any]()
        for pair in pairs:
            name, equals, value = pair.partition("=")
            name = name.strip().replace("-", "_")
            if not equals or name in own or name in _NOT_AN_ARMS:
                why = "is the same for all" if name in _NOT_AN_ARMS else "is not one name=value"
                raise InputError(f"--methods {text}: {pair!r} {why}. Write {method}:name=value, each name once.")
            own[name] = value.strip()
        return cls(text=text, label=label if named else text, method=method, own=own)

    @property
    def place(self) -> str:
        """All that it asks, fit for the name of a folder: what had another meaning before is not found there."""
        return _in_a_path(self.text)

    @property
    def is_named(self) -> bool:
        """Whether it was given a name."""
        return self.text != self.label

    @property
    def draws(self) -> bool:
        """Whether another seed chooses other rows: the method draws, or its schedule draws the pools."""
        return METHODS[self.method].draws or self.in_pools

    @property
    def in_pools(self) -> bool:
        """Whether it chooses pool by pool: there is no order then that could be cut."""
        return self.own.get("schedule", "global") != "global"

    @property
    def reads_files(self) -> bool:
        """Whether it has a model or another file of its own, which the comparison's identity knows nothing of."""
        groups = [type(group.default) for group in SelectSettings.model_fields.values()]
        files = {name for group in groups for name in place_names(group)}
        return bool(self.own.keys() & files)

    @property
    def targeted(self) -> bool:
        """Whether it chooses for a target's rows where there are any."""
        return METHODS[self.method].takes_target

    def asks(self, settings: CompareSettings, *, seed: int, budget: str, target: str | None) -> SelectSettings:
        """What a run of it asks: the settings that all share, less those that it does not read, and its own.

        Raises:
            InputError: a setting of its own that cannot be used.
        """
        shared = {**settings.proxy.changed(), **self._gradients(settings, seed), **settings.engine.changed()}
        if self.own.get("model", settings.proxy.model) != settings.proxy.model:
            shared.pop("model_revision", None)  # a revision is one of the model that all share
        aim = {"target": (target,)} if target is not None and self.targeted else {}
        fixed = {"method": self.method, "budget": budget, "seed": seed, "max_length": settings.data.max_length, **aim}
        asked = SelectSettings.from_flat({**shared, **self.own, **fixed})
        idle = unread_settings(asked).keys() & GradientSettings.model_fields.keys() - self.own.keys()
        if not idle:
            return asked
        kept = {name: value for name, value in shared.items() if name not in idle}
        return SelectSettings.from_flat({**kept, **self.own, **fixed})

    def _gradients(self, settings: CompareSettings, seed: int) -> dict[str, Any]:
        """What all ask of gradients. Another seed draws from those of the first, unless the proxy moves by the draw."""
        shared, first = settings.gradients.changed(), seeds_of(settings.arms.seeds)[0]
        moves = self.own.get("schedule") == "interleaved"
        return shared if moves or seed == first else {"proxy_seed": first, **shared}


def _in_a_path(text: str) -> str:
    """A text as the name of a folder: with a sum of it where characters are lost, or too many for one."""
    plain = re.sub(r"[^A-Za-z0-9._=-]", "_", text)
    if plain == text.replace(":", "_") and len(plain) <= _LONGEST:
        return plain
    return f"{plain[:_LONGEST]}-{sha256(text.encode()).hexdigest()[:8]}"


def meaning_of(place: str) -> tuple[str, str]:
    """The name that an arm's place begins with, "" where it was given none, and what it asks."""
    name, _, asks = place.partition("=")
    method, _, setting = name.partition("_")
    if method in METHODS.names and setting in SelectSettings.homes():  # `spice:parameters=full`, which has no name
        return "", place
    return (name, asks) if asks.partition("_")[0] in METHODS.names else ("", place)


def _refuse_name(name: str, text: str) -> None:
    if name in {*METHODS.names, UNTUNED, *Terms().shown} or not re.fullmatch(r"[A-Za-z0-9._-]+", name):
        raise InputError(
            f"--methods {text}: {name!r} is no name for an arm. Give letters, digits and -._ that no method and no "
            "reference is called by, or leave it out."
        )


def refuse_other_meaning(contenders: Sequence[Contender], taken: Iterable[str]) -> None:
    """Raise InputError for a name that stood for something else, and for an arm that had another name.

    Args:
        contenders: who is compared.
        taken: the places of arms known in a folder.
    """
    known = sorted(set(taken))
    for one in contenders:
        name, asks = meaning_of(one.place)
        for place in known:
            other, asked = meaning_of(place)
            if name and name == other and asks != asked:
                raise InputError(
                    f"--methods {one.text}: {name!r} stood for {place} in this folder. Give another name, or another "
                    "--out."
                )
            if asks == asked and name != other:
                called = f"under the name {other!r}" if other else "without a name"
                raise InputError(
                    f"--methods {one.text}: this arm stands {called} in this folder, and would be chosen "
                    "and counted twice. Ask for it so, or give another --out."
                )


def contenders_of(settings: CompareSettings) -> tuple[Contender, ...]:
    """Those that were named, with the control; with --train a stratified draw too.

    Raises:
        InputError: no method, one named twice, or as `Contender.parse`, of all that are at fault.
    """
    named = _parsed(settings.arms.methods)
    if not named:
        raise InputError("--methods names none. Name some: --methods random,spice.")
    if any(one.method == ALL for one in named):
        raise InputError(
            f"--methods {ALL}: all rows are no choice under a budget. Leave it out; with --train a model tuned on "
            "all rows stands beside the others."
        )
    labels = [one.label for one in named]
    for label in labels:
        if labels.count(label) > 1:
            raise InputError(f"--methods: {label} is named twice, and would count twice. Name each once.")
    beside = (CONTROL, STRATIFIED) if settings.tuning.train else (CONTROL,)
    controls = [Contender.parse(name) for name in beside if name not in labels]
    return (*controls, *named)


def _parsed(texts: Sequence[str]) -> list[Contender]:
    named, faults = list[Contender](), dict[str, None]()
    for text in texts:
        try:
            named.append(Contender.parse(text))
        except InputError as error:
            faults[str(error)] = None
    refuse_all(list(faults), "these cannot be compared:")
    return named


def refuse_contenders(contenders: Sequence[Contender], settings: CompareSettings) -> None:
    """Raise InputError with everything that no run of theirs could do, what none reads, and who asks the same twice."""
    given, faults, used = bool(settings.sets.target), list[str](), set[str]()
    known = list[tuple[SelectSettings, str]]()
    for one in contenders:
        try:
            asked = one.asks(settings, seed=0, budget="1", target="target" if given else None)
            refuse_settings(asked)
            if one.in_pools:
                refuse_other_tokens(asked, settings)
            used |= asked.changed().keys()
            faults += [f"{one.label}: asks what {other} asks. Leave one out." for same, other in known if same == asked]
            known.append((asked, one.label))
        except InputError as error:
            faults.append(f"{one.label}: {error}")
    idle = {} if faults else {n: v for n, v in settings.gradients.changed().items() if n not in used}
    faults += [f"--{name.replace('_', '-')}: none of the methods reads it. Leave it out." for name in idle]
    if given and not any(one.targeted for one in contenders) and not settings.tuning.train:
        faults.append("--target: none of the methods chooses for one, and nothing is judged by it. Leave it out.")
    refuse_all(faults, "these cannot be compared:")


def refuse_kind(contenders: Sequence[Contender], settings: CompareSettings, reader: Format | PreferencePairs) -> None:
    """Raise InputError with everything that these rows cannot be asked: by an arm, or by the comparison."""
    if reader is MARKED:
        raise InputError(
            "answers marked good or bad are not compared. To compare choices among the good ones as answers to learn, "
            "give --format prompt/completion, say, which leaves out those marked false."
        )
    faults = list[str]()
    if isinstance(reader, PreferencePairs):
        given = {"--target": settings.sets.target, "--gold": settings.sets.gold}
        faults += [
            f"{flag} on preference pairs: its rows have one answer each. Leave it out." for flag in given if given[flag]
        ]
        if settings.tuning.train_full:
            faults.append(
                "--train-full on preference pairs: DPO's reference is the model without its LoRA. Leave it out."
            )
    for one in contenders:
        try:
            refuse_kind_of_rows(one.asks(settings, seed=0, budget="1", target=None), reader)
        except InputError as error:
            faults.append(f"{one.label}: {error}")
    refuse_all(faults, "these cannot be compared:")


def refuse_other_tokens(asked: SelectSettings, settings: CompareSettings) -> None:
    """Pools have shares of the budget, which a proxy with tokens of its own would count by these. Raises InputError."""
    if settings.arms.equal == "tokens" and not same_model(asked.proxy, settings.proxy):
        raise InputError(
            f"schedule={asked.selection.schedule} with a model of its own: its pools would share the budget out by "
            "that model's tokens. Give --equal rows."
        )


def same_model(one: ProxySettings, other: ProxySettings) -> bool:
    """Whether two ask for the same model, and so for the same tokens."""
    return (one.model, one.model_revision) == (other.model, other.model_revision)
