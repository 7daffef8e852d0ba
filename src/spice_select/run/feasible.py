"""Every refusal that settings and corpus allow, together, before the first file of a run is written."""

from collections.abc import Mapping, Sequence
from typing import Any

from spice_select.data.settings import DataSettings
from spice_select.diagnosis.suspects import SUSPECTS
from spice_select.diagnosis.suspects.settings import SuspectSettings
from spice_select.errors import InputError
from spice_select.gradients.settings import GradientSettings
from spice_select.methods import METHODS, Budget
from spice_select.methods.base import GRADIENTS
from spice_select.methods.quotas import quota_faults
from spice_select.models.settings import ProxySettings
from spice_select.run.exclusion import LOSSES
from spice_select.run.settings import InterleavedSettings, SelectSettings

_ALWAYS_READ = {
    *("method", "budget", "schedule", "seed"),
    *DataSettings.model_fields,
    *ProxySettings.model_fields,
    *SuspectSettings.model_fields,
}
_SHARES = frozenset({"per_source_min", "per_source_max"})
_BY_SCHEDULE: Mapping[str, frozenset[str]] = {
    "global": _SHARES,
    "pools": frozenset({"pool_size"}),
    "interleaved": frozenset({"pool_size", *GradientSettings.model_fields, *InterleavedSettings.model_fields})
    - {"carry_state"},
}
"""Schedule → the settings it reads itself, whatever the method."""
_INSTEAD = {
    "per_source_min": "shares hold for a whole choice, not for a pool: --schedule global reads them",
    "per_source_max": "shares hold for a whole choice, not for a pool: --schedule global reads them",
    "pool_size": "--schedule pools and interleaved read it",
    "normalise": "methods that compare gradients read it",
}


def refuse_settings(settings: SelectSettings) -> None:
    """Raise InputError with every clash among the settings: what makes no sense together, and what nobody reads."""
    faults = [
        *_unread(settings),
        *METHODS[settings.selection.method].clashes(settings.flat()),
        *_schedule_faults(settings, Budget.parse(settings.selection.budget)),
        *_suspect_faults(settings),
    ]
    _raise(faults)


def refuse_rows(settings: SelectSettings, sources: Sequence[str], lengths: Sequence[int]) -> None:
    """Raise InputError with everything that no choice from these rows can meet.

    Args:
        settings: of the run.
        sources: the group of each usable row.
        lengths: its tokens.
    """
    budget, chosen = Budget.parse(settings.selection.budget), settings.selection
    budget.check(len(lengths), sum(lengths))
    if budget.tokens is not None:
        if budget.tokens < min(lengths):
            _raise([f"budget {budget}: the shortest row has {min(lengths)} tokens, so none fits. Give more."])
        return
    k = budget.rows(len(lengths))
    _raise(
        [
            *quota_faults(sources, k, chosen.per_source_min, chosen.per_source_max),
            *(pool_faults(len(lengths), k, chosen.pool_size) if chosen.schedule == "interleaved" else ()),
        ]
    )


def pool_faults(n: int, k: int, pool_size: int) -> list[str]:
    """What keeps k picks from being spread over the pools of n rows: where pools train, every pool must yield a row."""
    windows = -(-n // pool_size)
    if k >= windows:
        return []
    return [
        f"a budget of {k} rows over {windows} pools of {pool_size}: some pools would yield no row. "
        f"Raise --budget to {windows} rows or more, or --pool-size to {-(-n // k)} or more."
    ]


def _unread(settings: SelectSettings) -> list[str]:
    """Settings that neither the method nor the schedule reads: they would change nothing."""
    chosen = settings.selection
    method = METHODS[chosen.method]
    read = _ALWAYS_READ | method.reads | _BY_SCHEDULE[chosen.schedule]
    if method.of(settings.flat()).needs():
        read |= GradientSettings.model_fields.keys()
    if chosen.schedule == "interleaved":
        read |= {"alpha", "normalise"}  # every pool is judged
    else:
        read -= InterleavedSettings.model_fields.keys()
    return [_unread_fault(name, value, settings) for name, value in settings.changed().items() if name not in read]


def _unread_fault(name: str, value: Any, settings: SelectSettings) -> str:
    flag, chosen = f"--{name.replace('_', '-')} {value}", settings.selection
    beside = f"--method {chosen.method} and --schedule {chosen.schedule}"
    readers = [method.name for method in METHODS if name in method.reads]
    if name in InterleavedSettings.model_fields and chosen.schedule != "interleaved":
        instead = "--schedule interleaved reads it"
    elif name in GradientSettings.model_fields:
        instead = "methods that look at gradients read it, spice for one"
    else:
        instead = (
            _INSTEAD.get(name) or f"--method {' and '.join(readers)} {'reads' if len(readers) == 1 else 'read'} it"
        )
    return f"{flag}: not read by {beside}; {instead}. Leave it out."


def _schedule_faults(settings: SelectSettings, budget: Budget) -> list[str]:
    """What a schedule cannot honour."""
    schedule, asked, faults = settings.selection.schedule, settings.gradients, []
    shares = [name for name in _SHARES if getattr(settings.selection, name) is not None]
    if budget.tokens is not None and schedule != "global":
        faults.append(
            f"--schedule {schedule} with a budget in tokens: pools need a number of rows. Give --budget in rows or as "
            "a share."
        )
    if budget.tokens is not None and schedule == "global" and shares:
        flag = f"--{sorted(shares)[0].replace('_', '-')}"
        faults.append(f"{flag} with a budget in tokens: shares need a number of rows. Give --budget in rows.")
    if schedule != "interleaved":
        return faults
    clash = {
        f"--parameters {asked.parameters}": asked.parameters != "lora",
        "--warmup-rows": asked.warmup_rows is not None,
        "--adapter": asked.adapter is not None,
        f"--precondition {asked.precondition}": asked.precondition != "none",
    }
    given = [flag for flag, there in clash.items() if there]
    if given:
        faults.append(
            f"--schedule interleaved with {', '.join(given)}: the run trains the LoRA itself, and takes the gradients "
            "of that LoRA as they are. Leave that out, or give --schedule global or pools."
        )
    return faults


def _suspect_faults(settings: SelectSettings) -> list[str]:
    """Kinds of suspects that were named, and need what this choice does not know beforehand."""
    chosen, faults = settings.selection, []
    known = {GRADIENTS, LOSSES}.intersection(METHODS[chosen.method].of(settings.flat()).needs())
    for name in settings.suspects.without_suspects or ():
        if not SUSPECTS[name].needs:
            continue
        if chosen.schedule == "interleaved":
            faults.append(
                f"--without-suspects {name} with --schedule interleaved: it goes by losses, which are known there only "
                "as the proxy gets to a row. Leave it out, or give --schedule global or pools."
            )
        elif not known:
            faults.append(
                f"--without-suspects {name} with --method {chosen.method}: it goes by losses, and that method takes "
                "none. Leave it out, or choose by a method that does, e.g. spice."
            )
    return faults


def _raise(faults: Sequence[str]) -> None:
    if len(faults) == 1:
        raise InputError(faults[0])
    if faults:
        raise InputError("settings that do not go together:\n" + "\n".join(f"  - {fault}" for fault in faults))
