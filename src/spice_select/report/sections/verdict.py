"""What a person reads who has a minute: asked, chosen, how good, at what cost, what next."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from spice_select.methods import METHODS
from spice_select.methods.spice import Spice
from spice_select.report.material import RunMaterial, filled
from spice_select.run.files import SELECTED
from spice_select.run.key_numbers import KeyNumber, key_numbers
from spice_select.run.pairs import is_of_marks, is_of_pairs
from spice_select.run.settings import SelectSettings
from spice_select.run.summary import Judged, Reached
from spice_select.run.suspects import SUSPECTS_FILE
from spice_select.selection.objectives import POOL_VARIANCES
from spice_select.settings.counted import counted
from spice_select.settings.words import command_words

EXPLAINED = tuple(one.name for one in POOL_VARIANCES)
"""The objectives that want all rows' gradients explained."""


_NOT_AN_ARMS = ("budget", "seed", "select_device", "select_shards")
"""Settings of a choice that are the same for all arms, or say where it is made and decide nothing of it."""
_REFERENCES = ("random", "full")
"""Arms that stand in every comparison beside the others."""


def title(material: RunMaterial) -> str:
    """The page's heading."""
    return f"What was chosen from {Path(material.corpus_name).name}"


def subtitle(material: RunMaterial) -> str:
    """The line below the heading."""
    finished = str(material.manifest["finished"]).replace("T", " ").replace("Z", " UTC")
    return f"{material.run.path} · finished {finished}"


def lead(material: RunMaterial) -> Markup:
    """The head of the page."""
    return filled(
        "verdict.html",
        asked=_asked(material),
        sentence=_sentence(material),
        tiles=_tiles(material),
        target=[_reached(one) for one in material.summary.judged.target] if material.summary.judged else [],
        headroom=material.summary.headroom,
        next=_next(material),
        selected=material.run.path / SELECTED,
    )


def _asked(material: RunMaterial) -> str:
    summary, chosen = material.summary, material.settings.selection
    target = ", ".join(Path(name).name for name in material.settings.target.target)
    aim = f", for the rows of {target}" if target else ""
    model = f" Proxy: {material.identity['model']}." if summary.judged is not None else ""
    return (
        f"Asked: {chosen.budget} of {summary.usable:,} usable rows by --method {chosen.method}{aim}.{model} Chosen: "
        f"{counted(summary.chosen, 'row')}. {summary.stopped}"
    )


def _sentence(material: RunMaterial) -> str:
    judged = material.summary.judged
    if judged is None:
        return (
            f"Not judged: --method {material.summary.method} takes no gradients, so nothing here says how its picks "
            "compare with others. A tuned model does: see below."
        )
    if judged.target:
        return _for_target(judged.target)
    if _for_all(material):
        return _explained(material)
    return _beside_random(judged)


def _for_target(target: Sequence[Reached]) -> str:
    ahead = [one for one in target if one.share > one.random_mean + 2 * one.random_std]
    if len(ahead) == len(target):
        return "The picks explain clearly more of the target's gradients than random picks of as many rows do."
    if ahead:
        names = ", ".join(one.task or "the target" for one in ahead)
        return f"The picks explain clearly more than random picks do of {names}, but not of the other tasks."
    return "The picks explain no more of the target's gradients than random picks of as many rows do."


def _for_all(material: RunMaterial) -> bool:
    """Whether the picks were chosen for what they explain of all rows."""
    return material.settings.spice.objective in EXPLAINED and issubclass(METHODS[material.summary.method], Spice)


def _explained(material: RunMaterial) -> str:
    """What the picks were chosen for: their share of all rows' gradients."""
    if isinstance(material.signs, str):
        return (
            "The picks were chosen for what they explain of all rows' gradients; beside random ones that is not known "
            "here."
        )
    sign = material.signs[0]
    told = (
        f"The picks explain {sign.value:.1%} of all rows' gradients{_once(material)}, random rows "
        f"{sign.draws.mean():.1%}"
    )
    if sign.value > sign.draws.max():
        return f"{told}: more than any of {len(sign.draws)} draws."
    return f"{told}: no more than the best of {len(sign.draws)} draws."


def _once(material: RunMaterial) -> str:
    """Said where rows have copies that did not count; only where the gradients are known."""
    assert not isinstance(material.candidates, str), "the signs are of them"
    return "" if material.candidates.repeated is None else ", copies counted once"


def _beside_random(judged: Judged) -> str:
    beside = f"{judged.random_draws} random draws of as many rows"
    if judged.information > judged.random_max:
        return f"By log det the picks hold more information than any of {beside}."
    if judged.information > judged.random_mean:
        return f"By log det the picks hold more information than the mean of {beside}, but not than the best of them."
    return f"By log det the picks hold less information than {beside}."


def _tiles(material: RunMaterial) -> list[KeyNumber]:
    seconds = material.summary.seconds
    longest = max(seconds, key=lambda stage: seconds[stage], default="")
    spent_most = f"most of it: {longest}, {spent(seconds.get(longest, 0.0))}"
    return [
        *key_numbers(material.summary, _share_of_all(material)),
        KeyNumber("Time", spent(sum(seconds.values())), spent_most),
    ]


def _share_of_all(material: RunMaterial) -> KeyNumber | None:
    """What the picks explain of all rows' gradients, where they were chosen for that and it is known."""
    if not _for_all(material) or isinstance(material.signs, str):
        return None
    sign = material.signs[0]
    drawn = f"random picks {sign.draws.mean():.1%}{_once(material)}, best of {len(sign.draws)} {sign.draws.max():.1%}"
    return KeyNumber("Of all gradients explained", f"{sign.value:.1%}", drawn)


def spent(seconds: float) -> str:
    """A time as people say it."""
    if seconds < 100:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02d} min"


def _reached(one: Reached) -> str:
    rows = "held-out rows of it" if one.held_out else "rows, those that chose"
    return (
        f"{one.task or 'target'}: picks explain {one.share:.1%} of its gradients ({one.rows} {rows}), random picks "
        f"{one.random_mean:.1%} ± {one.random_std:.1%}"
    )


def _next(material: RunMaterial) -> list[tuple[str, str]]:
    run, corpus = str(material.run.path), material.corpus_name
    if is_of_marks(material.run):
        export = ["spice", "export", run, "--to", "trl", "--out", f"{run}-trl"]
        return [("Write them for a trainer of KTO", shlex.join(export))]
    asked = material.settings
    return [
        (_tuning(material), shlex.join(["spice", "train", run, "--model", "MODEL"])),
        comparing(asked, corpus, pairs=is_of_pairs(material.run)),
        *([] if (material.run.path / SUSPECTS_FILE).is_file() else [_doubt(run)]),
    ]


def comparing(asked: SelectSettings, corpus: str, *, pairs: bool) -> tuple[str, str]:
    """What `spice compare` finds out of the choice, and the command; "" where it cannot ask for this one."""
    arm = as_arm(asked, pairs=pairs)
    if arm in _REFERENCES:
        return f"`spice compare` compares other choices with --method {arm}, so it has no command for this one.", ""
    if asked.suspects.kinds:
        return (
            "`spice compare` chooses from all rows, suspects too, so it has no command for this choice, which "
            "leaves them out.",
            "",
        )
    groups = (asked.proxy, asked.data, asked.gradients)
    alike, target = [word for group in groups for word in command_words(group)], command_words(asked.target)
    compare = ["spice", "compare", corpus, *target, "--methods", arm, "--budget", asked.selection.budget, *alike]
    return "Find out whether the choice makes a better model than random rows", shlex.join([*compare, "--train"])


def as_arm(asked: SelectSettings, *, pairs: bool) -> str:
    """The choice as an arm of `spice compare`: its method, with the settings that the others do not have."""
    chosen = {"method": asked.selection.method, "target": asked.target.target}
    usual = SelectSettings.from_flat(chosen).settled(pairs=pairs).flat()
    groups = (asked.selection, asked.spice, asked.interleaved)
    own = {name: value for group in groups for name, value in group.changed().items() if value != usual[name]}
    return ":".join([asked.selection.method, *(f"{name}={own[name]}" for name in own if name not in _NOT_AN_ARMS)])


def _tuning(material: RunMaterial) -> str:
    return (
        "Tune your model on these pairs by DPO" if is_of_pairs(material.run) else "Fine-tune your model on these rows"
    )


def _doubt(run: str) -> tuple[str, str]:
    return ("Look at rows that give reason to doubt them", shlex.join(["spice", "suspects", run]))
