"""What was found on one held-out set, as a paragraph that can be pasted."""

import math
from collections.abc import Sequence

from spice_select.comparison.compared import Comparison
from spice_select.comparison.judged_set import JudgedSet
from spice_select.comparison.overall import Overall
from spice_select.comparison.statistics import CrossedEstimate
from spice_select.comparison.statistics.verdicts import MOST_TOKENS_APART
from spice_select.comparison.terms import Terms
from spice_select.settings.counted import counted

_TOKENS = "supervised tokens"
_NEARER = {
    _TOKENS: " Their tokens come nearer with a larger budget, of which the last row that fits leaves less.",
    "rows": " Equal rows hold unequal tokens: compare with --equal tokens.",
}


def paragraph_of(judged: JudgedSet) -> str:
    """What was compared and on what, who was better or worse by how much, who could not be told, and the cost."""
    parts = [_setting(judged), *_found(judged), *_noise(judged), _cost(judged)]
    return " ".join(part for part in parts if part)


def overall_paragraph(overall: Overall, terms: Terms) -> str:
    """What holds of several beds together."""
    parts = [f"{' and '.join(overall.beds)} together, each judged on {overall.held} (mean over these beds):"]
    for word in dict.fromkeys(one.verdict.word for one in overall.arms):
        arms = [one for one in overall.arms if one.verdict.word == word]
        said = (_with_interval(one.arm, one.difference, terms.unit(overall.held), one.verdict.detail) for one in arms)
        than = f" than {terms.control}" if word in ("better", "worse") else ""
        parts.append(f"{word}{than}: {'; '.join(said)}.")
    if overall.left_out:
        parts.append(f"Not in all of them: {', '.join(overall.left_out)}.")
    return " ".join(parts)


def _setting(judged: JudgedSet) -> str:
    compared, bed, terms = judged.compared, judged.bed, judged.compared.terms
    held = next(iter(bed.judged(terms.control).values()))
    share = "" if bed.budget is None else f", {100 * bed.budget:.3g} % of its own"
    rows, sources = len(held.rows), len(set(held.sources))
    named = f"{compared.family} ways to choose from {bed.name} were"
    if compared.family == 1:
        named = f"One way to choose from {bed.name} was"
    by = f"{compared.control.supervised:,.0f} {'' if terms.equal == _TOKENS else f'{_TOKENS} '}on average{share}"
    return (
        f"{named} compared with {terms.control} at equal {terms.equal} ({by}) by {terms.endpoint.name} on "
        f"{held.name} ({counted(rows, 'held-out row')} of {counted(sources, 'source')}), {_seeds(judged)}, paired by "
        "seed and row."
    )


def _seeds(judged: JudgedSet) -> str:
    counts = sorted({len(arm.seeds) for arm in judged.claimed}) or [len(judged.compared.control.seeds)]
    span = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return f"{span} seed{'' if counts == [1] else 's'} an arm"


def _found(judged: JudgedSet) -> list[str]:
    unit = judged.compared.terms.unit(judged.bed.held)
    terms, by_word = judged.compared.terms, dict[str, list[Comparison]]()
    for arm in judged.claimed:
        by_word.setdefault(arm.verdict.word, []).append(arm)
    if not by_word:
        return ["Nothing is claimed of any arm."]
    family = counted(judged.compared.family, "arm")
    said = [
        f"{_capital(word)} than {terms.control} (Holm over {family} at {terms.alpha:g}): "
        + "; ".join(_by_how_much(arm, terms.control, unit) for arm in by_word[word])
        + "."
        for word in ("better", "worse")
        if word in by_word
    ]
    if "better" not in by_word:
        said.insert(0, f"No arm was found better than {terms.control}.")
    if alike := by_word.get("equivalent"):
        said.append(f"Equal to {terms.control} within {terms.margin:g} {unit}: {_names(alike)}.")
    if unsure := by_word.get("undecided"):
        said.append(f"Undecided: {'; '.join(_by_how_much(arm, terms.control, unit) for arm in unsure)}.")
    if blind := by_word.get("cannot tell"):
        said.append(f"This comparison cannot tell of {_names(blind)}: {judged.room}.")
    for reason, arms in _by_reason(by_word.get("no verdict", [])).items():
        remedy = _NEARER[terms.equal] if any(abs(arm.apart) > MOST_TOKENS_APART for arm in arms) else ""
        said.append(f"No verdict on {_names(arms)}: {reason}.{remedy}")
    return said


def _by_reason(arms: Sequence[Comparison]) -> dict[str, list[Comparison]]:
    found: dict[str, list[Comparison]] = {}
    for arm in arms:
        found.setdefault(arm.verdict.detail, []).append(arm)
    return found


def _by_how_much(arm: Comparison, control: str, unit: str) -> str:
    if arm.difference is None:
        return arm.arm
    share = arm.recovered
    gain = (
        f"{share.value:+.2f} times what {control} gains on the untuned model"
        if share and math.isfinite(share.value)
        else ""
    )
    return _with_interval(arm.arm, arm.difference, unit, gain, arm.verdict.detail)


def _with_interval(arm: str, difference: CrossedEstimate, unit: str, *more: str) -> str:
    low, high = difference.interval()
    inside = [f"95 % interval {low:+.4f} to {high:+.4f}", *filter(None, more)]
    return f"{arm} by {difference.mean:+.4f} {unit} ({', '.join(inside)})"


def _noise(judged: JudgedSet) -> list[str]:
    said, pilot, terms = [], judged.pilot, judged.compared.terms
    if pilot is not None:
        found = "no difference was found, as there is none" if pilot.passed(terms.alpha) else "a false difference"
        low, high = pilot.difference.interval()
        said.append(
            f"{_capital(terms.control)} against {terms.control}: {found} ({low:+.4f} to {high:+.4f}; standard "
            f"deviation of a pair {pilot.sd:.4f})."
        )
    if judged.room is not None and judged.room.tells:
        said.append(f"{_capital(str(judged.room))}.")
    if judged.room is None:
        said.append("The headroom was not measured.")
    return said


def _cost(judged: JudgedSet) -> str:
    arms = [judged.compared.control, *judged.claimed]
    if all(arm.flops is not None for arm in arms):
        each = ", ".join(f"{arm.arm} {arm.flops:.2e}" for arm in arms)
        return f"FLOPs of choice and tuning, a run: {each}."
    each = ", ".join(f"{arm.arm} {arm.seconds:,.0f}" for arm in arms)
    return f"Seconds of choice and tuning, a run: {each}."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _names(arms: Sequence[Comparison]) -> str:
    return "; ".join(arm.arm for arm in arms)
