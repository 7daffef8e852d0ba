"""What a run of pairs or of marked answers can be asked, and what can be asked of it: every refusal, in words."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from spice_select.data.formats import MARKED, PREFERENCE, Format, PreferencePairs
from spice_select.data.records import PairExample, Sample
from spice_select.diagnosis.suspects import PAIR_SUSPECTS, SUSPECTS
from spice_select.errors import InputError
from spice_select.methods import METHODS
from spice_select.methods.budget import Budget
from spice_select.run.finished import Run
from spice_select.run.settings import SelectSettings
from spice_select.settings.counted import counted

_FOR_PAIRS = ("pair_gradient", "pair_tail", "pair_beta", "max_per_prompt")
"""Settings that only pairs read."""
_FOR_SIDES = "keep_contradictions"
"""The setting that marked answers read too."""


def is_of_pairs(run: Run) -> bool:
    """Whether a finished run chose among preference pairs: then its rows are what `PREFERENCE` reads."""
    return run.manifest["identity"]["format"] == PREFERENCE.name


def is_of_marks(run: Run) -> bool:
    """Whether a finished run chose among marked answers, which `MARKED` reads."""
    return run.manifest["identity"]["format"] == MARKED.name


def refuse_marks(run: Run, verb: str) -> None:
    """Raise InputError where a finished run chose among marked answers, which a verb does not know.

    Args:
        run: the run.
        verb: as people call it, ``spice train``.
    """
    if is_of_marks(run):
        raise InputError(
            f"{run.path}: {verb} does not know answers marked good or bad, and this run chose among such. `spice "
            "export` writes them for trainers of KTO; the rows are in selected.jsonl as they came."
        )


def refuse_kind_of_rows(settings: SelectSettings, reader: Format | PreferencePairs) -> None:
    """Raise InputError with every setting that rows of this kind cannot honour: pairs, or single answers."""
    if isinstance(reader, PreferencePairs):
        faults = pair_faults(settings)
    else:
        faults = [*_unread(settings, reader), *(mark_faults(settings) if reader is MARKED else [])]
    if len(faults) == 1:
        raise InputError(faults[0])
    if faults:
        raise InputError("settings that do not go together:\n" + "\n".join(f"  - {fault}" for fault in faults))


def refuse_few_prompts(settings: SelectSettings, examples: Sequence[Sample]) -> None:
    """Raise InputError where so many pairs of each prompt come to fewer than the budget."""
    most = settings.selection.max_per_prompt
    if most is None:
        return
    sizes = Counter(example.prompt for example in examples if isinstance(example, PairExample))
    there = sum(min(most, size) for size in sizes.values())
    due = Budget.parse(settings.selection.budget).allowance(len(examples)).rows or 0
    if there < due:
        raise InputError(
            f"--max-per-prompt {most}: {counted(len(sizes), 'prompt gives', 'prompts give')} "
            f"{counted(there, 'pair')} at most, and the budget is {due:,}. "
            "Give a larger number, or a smaller --budget."
        )


def pair_faults(settings: SelectSettings) -> list[str]:
    """What cannot be asked of pairs, a sentence each with its remedy."""
    chosen, asked = settings.selection, settings.gradients
    method, faults = METHODS[chosen.method], []
    if method.no_pairs:
        able = ", ".join(other.name for other in METHODS if not other.no_pairs)
        faults.append(
            f"--method {method.name} on preference pairs: {method.no_pairs}. Give one of {able}; or --format chosen."
        )
    if settings.target.target:
        faults.append(
            "--target on preference pairs: a target's rows have one answer each, and their gradients are none of "
            "pairs. Leave it out, or choose among the chosen answers with --format chosen."
        )
    moving = chosen.schedule == "interleaved"
    if moving and settings.interleaved.lora_dropout:
        faults.append(
            f"--lora-dropout {settings.interleaved.lora_dropout:g} on preference pairs: DPO compares with the "
            "reference, which has none. Leave it out."
        )
    if asked.warm_checkpoints > 1:
        faults.append(
            f"--warm-checkpoints {asked.warm_checkpoints} on preference pairs: a pair has one weight, that at the end. "
            "Leave it out."
        )
    if "pair_beta" in asked.changed() and not (moving or asked.warms_up):
        faults.append(
            f"--pair-beta {asked.pair_beta:g}: where the proxy is its own reference, β changes nothing. Leave it out, "
            "or give --warm or --schedule interleaved."
        )
    if "loss" in asked.changed():
        faults.append(f"--loss {asked.loss} on preference pairs: --pair-gradient says how tokens count. Give that.")
    faults += _adam_faults(settings, "on preference pairs")
    if (kinds := settings.suspects.without_suspects) is not None:
        unknown, able = [name for name in kinds if name not in PAIR_SUSPECTS], ", ".join(PAIR_SUSPECTS.names)
        if unknown:
            named = " ".join(unknown)
            faults.append(f"--without-suspects {named}: it goes by one answer, a pair has two. Give some of {able}.")
        elif not kinds:
            faults.append(f"--without-suspects on preference pairs: none goes by itself there. Name some of {able}.")
    return [*faults, *_prompt_faults(settings)]


def mark_faults(settings: SelectSettings) -> list[str]:
    """What cannot be asked of marked answers, a sentence each with its remedy."""
    chosen, asked = settings.selection, settings.gradients
    method, faults, of = METHODS[chosen.method], [], "on answers marked good or bad"
    if method.no_marks:
        able = ", ".join(other.name for other in METHODS if not other.no_marks and not other.only_pairs)
        faults.append(f"--method {method.name} {of}: {method.no_marks}. Give one of {able}.")
    if settings.target.target:
        faults.append(f"--target {of}: a target's answers are all to be learnt, and these are not. Leave it out.")
    if chosen.schedule == "interleaved":
        faults.append(
            f"--schedule interleaved {of}: the proxy would learn the bad ones. Give --schedule global or pools."
        )
    if asked.warms_up:
        flag = "--warm" if asked.warm else "--warmup-rows"
        faults.append(f"{flag} {of}: a warm-up would learn the bad ones. Leave it out, or give --adapter.")
    faults += _adam_faults(settings, of)
    if settings.suspects.without_suspects is not None:
        faults.append(f"--without-suspects {of}: suspects are told by answers that are all to be learnt. Leave it out.")
    return faults


def _adam_faults(settings: SelectSettings, of: str) -> list[str]:
    """Γ is not linear: it must be given what the moments are of, the whole gradient of a DPO or KTO loss, with its sign
    and weight. Gradients here are without them.
    """
    if settings.gradients.precondition != "adam":
        return []
    return [
        f"--precondition adam {of}: its moments are of the loss that the adapter was trained by, whose gradients have "
        "another sign and weight than these, and Adam's update is not linear in them. Give --precondition diagonal, "
        "which is, or leave it out."
    ]


def _prompt_faults(settings: SelectSettings) -> list[str]:
    """What does not go with a number of pairs to each prompt."""
    chosen = settings.selection
    if chosen.max_per_prompt is None:
        return []
    flag, faults = f"--max-per-prompt {chosen.max_per_prompt}", []
    if chosen.per_source_min is not None or chosen.per_source_max is not None:
        faults.append(f"{flag} with shares of sources: the choice knows one kind of quota at a time. Leave one out.")
    if Budget.parse(chosen.budget).tokens is not None:
        faults.append(f"{flag} with a budget in tokens: it counts pairs. Give a share or a number of pairs.")
    return faults


def _unread(settings: SelectSettings, reader: Format) -> list[str]:
    given: dict[str, Any] = {name: value for name, value in settings.changed().items() if name in _FOR_PAIRS}
    if strange := [name for name in settings.suspects.without_suspects or () if name not in SUSPECTS]:
        given = {"without_suspects": " ".join(strange), **given}
    if METHODS[settings.selection.method].only_pairs:
        given = {"method": settings.selection.method, **given}
    unread = [
        f"--{name.replace('_', '-')} {value}: only preference pairs read it (rows with chosen and rejected), and these "
        f"rows are {reader.name}. Leave it out."
        for name, value in given.items()
    ]
    if _FOR_SIDES in settings.changed() and reader is not MARKED:
        unread.append(
            "--keep-contradictions: only preference pairs and answers marked good or bad read it, and these rows are "
            f"{reader.name}. Leave it out."
        )
    return unread
