"""Every refusal that settings and corpus allow, together, before the first file of a run is written."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spice_select.data.settings import DataSettings
from spice_select.diagnosis.suspects import SUSPECTS
from spice_select.diagnosis.suspects.settings import SuspectSettings
from spice_select.errors import InputError, refuse_all
from spice_select.executors import EngineSettings, ProcessPlace
from spice_select.features.warm_plan import plan_warmup
from spice_select.gradients.settings import GradientSettings
from spice_select.methods import METHODS, Budget
from spice_select.methods.base import GRADIENTS
from spice_select.methods.budget import Allowance
from spice_select.methods.pool_shares import token_share_faults, windows_of
from spice_select.methods.quotas import quota_faults
from spice_select.methods.spice import AUTO
from spice_select.models.settings import ProxySettings
from spice_select.run.settings import InterleavedSettings, SelectSettings, TargetSettings
from spice_select.settings.counted import counted
from spice_select.settings.names import in_words

_ALWAYS_READ = {
    *("method", "budget", "schedule", "seed"),
    *DataSettings.model_fields,
    *EngineSettings.model_fields,
    *ProxySettings.model_fields,
    *SuspectSettings.model_fields,
    *TargetSettings.model_fields,
}
_SHARES = frozenset({"per_source_min", "per_source_max", "max_per_prompt"})
_BY_SCHEDULE: Mapping[str, frozenset[str]] = {
    "global": _SHARES,
    "pools": frozenset({"pool_size"}),
    "interleaved": frozenset({"pool_size", *GradientSettings.model_fields, *InterleavedSettings.model_fields})
    - {"carry_state"},
}
"""Schedule → the settings it reads itself, whatever the method."""
_BY_FORWARD_PASSES = frozenset({"adapter", "warmup_rows", "batch_tokens", "proxy_seed"})
_BY_WARM_UP = frozenset({"lora_rank", "lora_alpha", "lora_targets", "loss"})
"""Settings of gradients that features of forward passes read too; and those that only the training of a LoRA does."""
_INSTEAD = {
    "per_source_min": "shares hold for a whole choice, not for a pool: --schedule global reads them",
    "per_source_max": "shares hold for a whole choice, not for a pool: --schedule global reads them",
    "max_per_prompt": "it holds for a whole choice, not for a pool: --schedule global reads it",
    "pool_size": "--schedule pools and interleaved read it",
    "normalise": "methods that compare gradients read it",
    "row_weight": "methods that compare gradients read it",
}


def refuse_settings(settings: SelectSettings) -> None:
    """Raise InputError with every clash among the settings: what makes no sense together, and what nobody reads."""
    faults = [
        *(_unread_fault(name, value, settings) for name, value in unread_settings(settings).items()),
        *METHODS[settings.selection.method].clashes(settings.flat()),
        *_target_faults(settings),
        *_schedule_faults(settings),
        *_engine_faults(settings),
        *_suspect_faults(settings),
    ]
    refuse_all(faults, "settings that do not go together:")


def refuse_rows(settings: SelectSettings, sources: Sequence[str], lengths: Sequence[int]) -> None:
    """Raise InputError with everything that no choice from these rows can meet.

    Args:
        settings: of the run.
        sources: the group of each usable row.
        lengths: what it takes of a budget in tokens.
    """
    budget, chosen = Budget.parse(settings.selection.budget), settings.selection
    plan_warmup(settings.gradients, len(lengths))
    budget.check(len(lengths), sum(lengths))
    if budget.tokens is not None and budget.tokens < min(lengths):
        raise InputError(
            f"budget {budget}: the shortest row has {min(lengths)} {budget.unit}, so none fits. Give more."
        )
    whole = budget.allowance(len(lengths))
    faults = quota_faults(sources, lengths, whole, chosen.per_source_min, chosen.per_source_max)
    faults += _empty_share(chosen.per_source_min, whole)
    if chosen.schedule != "global":
        faults += _share_faults(settings, whole, np.asarray(lengths, np.int64))
    refuse_all(faults, "settings that do not go together:")


def _empty_share(low: float | None, whole: Allowance) -> list[str]:
    """A least share that rounds to no row sets nothing aside."""
    if not low or whole.rows is None or round(low * whole.rows):
        return []
    return [
        f"--per-source-min {low:g}: of a budget of {whole.rows} rows that rounds to none, so it would set nothing "
        f"aside. Give {1 / whole.rows:.3g} or more, or a larger --budget."
    ]


def _share_faults(settings: SelectSettings, whole: Allowance, lengths: NDArray[np.int64]) -> list[str]:
    """What keeps a budget from being spread over the pools of every epoch."""
    chosen, n = settings.selection, len(lengths)
    if whole.tokens is None:
        return pool_faults(n, whole.rows or 0, chosen.pool_size) if chosen.schedule == "interleaved" else []
    passes = (windows_of(n, chosen.pool_size, chosen.seed, epoch=epoch) for epoch in range(settings.interleaved.epochs))
    return next((faults for windows in passes if (faults := token_share_faults(whole, windows, lengths))), [])


def pool_faults(n: int, k: int, pool_size: int) -> list[str]:
    """What keeps k picks from being spread over the pools of n rows: where pools train, every pool must yield a row."""
    windows = -(-n // pool_size)
    if k >= windows:
        return []
    return [
        f"a budget of {counted(k, 'row')} over {windows} pools of {pool_size}: some pools would yield no row. "
        f"Raise --budget to {windows} rows or more, or --pool-size to {-(-n // k)} or more."
    ]


def unread_settings(settings: SelectSettings) -> dict[str, Any]:
    """Settings that were changed and that neither the method nor the schedule reads: they would change nothing."""
    chosen = settings.selection
    method = METHODS[chosen.method]
    read = _ALWAYS_READ | method.reads | _BY_SCHEDULE[chosen.schedule]
    read |= _of_features(method.of(settings.flat()).needs(), settings.gradients)
    if chosen.schedule == "interleaved":
        read |= {"alpha", "normalise", "row_weight"}  # every pool is judged
    else:
        read -= {"carry_state"}
    return {name: value for name, value in settings.changed().items() if name not in read}


def _of_features(needs: Sequence[str], asked: GradientSettings) -> set[str]:
    """The settings of gradients that decide these features."""
    if GRADIENTS in needs:
        return set(GradientSettings.model_fields)
    warm = _BY_WARM_UP if asked.warmup_rows is not None else frozenset()
    return set(_BY_FORWARD_PASSES | warm) if needs else set()


def _unread_fault(name: str, value: Any, settings: SelectSettings) -> str:
    flag, chosen = f"--{name.replace('_', '-')} {value}", settings.selection
    beside = f"--method {chosen.method} and --schedule {chosen.schedule}"
    readers = [method.name for method in METHODS if name in method.reads]
    if name in InterleavedSettings.model_fields and chosen.schedule != "interleaved":
        instead = "--schedule interleaved reads it"
    elif name in GradientSettings.model_fields:
        instead = "methods that look at gradients read it, spice for one"
    else:
        instead = _INSTEAD.get(name) or f"--method {in_words(readers)} {'reads' if len(readers) == 1 else 'read'} it"
    return f"{flag}: not read by {beside}; {instead}. Leave it out."


def _target_faults(settings: SelectSettings) -> list[str]:
    """A method that takes no target beside one, or that needs one beside none."""
    method, given = METHODS[settings.selection.method], bool(settings.target.target)
    moving = settings.selection.schedule == "interleaved"
    if given and not method.takes_target:
        takers = [other.name for other in METHODS if other.takes_target]
        return [
            f"--target with --method {method.name}: it chooses without one. Leave the target out, or give --method "
            f"{in_words(takers)}."
        ]
    if settings.target.hold_out_target and GRADIENTS not in method.of(settings.flat()).needs() and not moving:
        return [
            f"--hold-out-target with --method {method.name}: it takes no gradients, so nothing would be judged by the "
            "rows held out. Leave it out."
        ]
    if method.requires_target and not given:
        return [f"--method {method.name} without --target: it chooses for a target's rows. Name their file."]
    return []


def _schedule_faults(settings: SelectSettings) -> list[str]:
    """What a schedule cannot honour."""
    schedule, asked, faults = settings.selection.schedule, settings.gradients, list[str]()
    if settings.selection.row_weight == "tokens" and settings.selection.normalise == "none" and asked.loss == "sum":
        faults.append(
            "--row-weight tokens with --normalise none and --loss sum: that gradient grows with the tokens by itself, "
            "so they would count twice. Leave one of the three out."
        )
    if schedule == "interleaved":
        faults += [
            f"--{name.replace('_', '-')} auto with --schedule interleaved: it goes by the gradients of all rows at "
            "once, and there the proxy moves from pool to pool. Let --schedule pools find the number (`spice show` "
            "tells it), and give it here."
            for name, value in settings.spice.changed().items()
            if value == AUTO
        ]
    method = METHODS[settings.selection.method]
    if schedule != "interleaved":
        if method.in_loop:
            faults.append(
                f"--schedule {schedule} with --method {method.name}: it lives on the training of the proxy, which "
                "stands still there. Give --schedule interleaved."
            )
        return faults
    others = [name for name in method.of(settings.flat()).needs() if name != GRADIENTS]
    if others and not method.in_loop:
        faults.append(
            f"--schedule interleaved with --method {method.name}: its pools know gradients alone, and the method needs "
            f"{' and '.join(others)}. Give --schedule global or pools."
        )
    clash = {
        f"--parameters {asked.parameters}": asked.parameters != "lora",
        "--warm": asked.warm,
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


def _engine_faults(settings: SelectSettings) -> list[str]:
    """Who could not compute this."""
    engine, moving = settings.engine.engine, settings.selection.schedule == "interleaved"
    faults = []
    if moving and settings.engine.store is not None:
        faults.append(
            "--store with --schedule interleaved: its parts follow from one another and stay in the run folder. Leave "
            "--store out."
        )
    if engine == "here":
        return faults
    if moving and engine == "parts":
        faults.append(
            "--engine parts with --schedule interleaved: its pools come one after the other, each on the proxy that "
            "those before it made. Leave --engine out; --engine ray or torchrun shares such a run among processes."
        )
    if moving and settings.engine.gather:
        faults.append(
            "--gather with --schedule interleaved: actors follow the run through its folder. Give --out on a disk that "
            "every node sees, and leave --gather out."
        )
    if ProcessPlace.of_environment().world > 1:
        faults.append(
            f"--engine {engine} under torchrun or accelerate: two that share out the same parts. Start one process."
        )
    return faults


def _suspect_faults(settings: SelectSettings) -> list[str]:
    """Kinds of suspects that were named, and need what this choice does not know beforehand."""
    chosen, faults = settings.selection, []
    for name in settings.suspects.without_suspects or ():
        if name not in SUSPECTS or not SUSPECTS[name].needs:
            continue
        if chosen.schedule == "interleaved":
            faults.append(
                f"--without-suspects {name} with --schedule interleaved: it goes by losses, which are known there only "
                "as the proxy gets to a row. Leave it out, or give --schedule global or pools."
            )
    return faults
