"""The choices of a comparison as a person reads them: what each arm chose, what it is worth, what it cost."""

from collections.abc import Callable, Sequence
from functools import partial

from rich.console import Console
from rich.table import Table

from spice_select.cli.tables.plain import plain_text
from spice_select.comparison.cells import shown_spread
from spice_select.comparison.facts import ArmFacts, InGradients, by_arm
from spice_select.comparison.result import MethodsCompared, Scores
from spice_select.numerics.proven import rounded_down

_MOST_OVERLAPS = 8
"""Arms that a table of overlaps is wide enough for; of more the JSON has it."""


def print_choices(console: Console, found: MethodsCompared) -> None:
    """Print what each arm chose, what it is worth and what it cost, and how the choices overlap."""
    arms = by_arm(found.facts)
    tables = [_sizes(arms, found)]
    if any(one.gradients for one in found.facts):
        tables.append(_worth(arms))
    if found.diversity:
        tables.append(_diversity(found))
    tables.append(_costs(arms))
    if 1 < len(found.overlap) <= _MOST_OVERLAPS:
        tables.append(_overlaps(found))
    for table in tables:
        console.print()
        console.print(table, highlight=False)
    console.print()


def print_scores(console: Console, scores: Scores) -> None:
    """Print what benchmarks say of every arm's models; nothing without any."""
    if not scores:
        return
    table = _table("benchmarks: mean ± deviation over seeds; no verdict is by them")
    table.add_column("arm", overflow="fold")
    for name in scores:
        table.add_column(plain_text(name), justify="right")
    for arm in dict.fromkeys(arm for arms in scores.values() for arm in arms):
        table.add_row(plain_text(arm), *(shown_spread(arms.get(arm, ()), "{:.3f}") for arms in scores.values()))
    console.print()
    console.print(table, highlight=False)


def _sizes(arms: dict[str, list[ArmFacts]], found: MethodsCompared) -> Table:
    limit = "as many rows" if found.supervised is None else f"at most {found.supervised:,} supervised tokens"
    table = _table(f"chosen of {found.rows:,} rows: {limit} for each (budget {found.budget})")
    _columns(table, ("arm", "choices", "rows", "tokens", "supervised", "not used", "sources"), left="sources")
    for arm, facts in arms.items():
        table.add_row(
            plain_text(arm),
            str(len(facts)),
            _mean(facts, lambda one: one.rows, "{:,.0f}"),
            _mean(facts, lambda one: one.tokens, "{:,.0f}"),
            _mean(facts, lambda one: one.supervised, "{:,.0f}"),
            _mean(facts, lambda one: one.shortfall, "{:.1%}"),
            plain_text(_sources(facts[0])),
        )
    return table


def _sources(facts: ArmFacts) -> str:
    named = {name: rows for name, rows in facts.sources.items() if name}
    shown = [f"{name} {rows / facts.rows:.0%}" for name, rows in list(named.items())[:4]]
    return ", ".join([*shown, *([f"and {len(named) - 4} more"] if len(named) > 4 else [])])


def _worth(arms: dict[str, list[ArmFacts]]) -> Table:
    table = _table("by their gradients, the same for all (of random: mean ± deviation of its draws)")
    targets = sorted({task for facts in arms.values() for one in facts for task in _gradients(one).explained_target})
    _columns(
        table, ("arm", "information", "certified", "explains pool", *(f"explains {t}" for t in targets), "opposed")
    )
    for arm, facts in arms.items():
        table.add_row(
            plain_text(arm),
            _mean(facts, lambda one: _gradients(one).information, "{:.2f}"),
            _mean(facts, lambda one: rounded_down(_gradients(one).certified), "{:.1%}"),
            _mean(facts, lambda one: _gradients(one).explained, "{:.1%}"),
            *(_mean(facts, partial(_of_target, task), "{:.1%}") for task in targets),
            _mean(facts, lambda one: _gradients(one).conflicting, "{:.0%}"),
        )
    return table


def _gradients(one: ArmFacts) -> InGradients:
    assert one.gradients is not None, "the table is of measured arms"
    return one.gradients


def _of_target(task: str, one: ArmFacts) -> float:
    return _gradients(one).explained_target[task]


def _diversity(found: MethodsCompared) -> Table:
    table = _table("diversity of directions and coverage, at as many rows of each (no proof of a gain)")
    _columns(table, ("arm", "log-det distance", "NovelSum", "nearest other", "effective rank", "sources", "clusters"))
    for arm, one in found.diversity.items():
        table.add_row(
            plain_text(arm),
            "" if one.ldd is None else f"{one.ldd.mean:.3f}",
            _shown(one.novelsum, "{:.3f}"),
            _shown(one.nearest_distance, "{:.3f}"),
            _shown(one.effective_rank, "{:.1f}"),
            _shown(one.source_coverage, "{:.0%}"),
            _shown(one.cluster_coverage, "{:.0%}"),
        )
    return table


def _shown(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)


def _costs(arms: dict[str, list[ArmFacts]]) -> Table:
    table = _table("cost: by itself, and after the arms above")
    _columns(table, ("arm", "needs", "seconds", "marginal", "FLOPs", "marginal"), left="needs")
    for arm, (first, *_) in arms.items():
        cost = first.cost
        table.add_row(
            plain_text(arm),
            ", ".join(cost.features) or "nothing",
            f"{cost.seconds:,.1f}",
            f"{cost.marginal_seconds:,.1f}",
            _operations(cost.flops),
            _operations(cost.marginal_flops),
        )
    return table


def _operations(count: float | None) -> str:
    return "not known" if count is None else f"{count:.1e}" if count else "0"


def _overlaps(found: MethodsCompared) -> Table:
    table = _table("overlap: rows that both chose, of those that either did (first seeds)")
    table.add_column("arm", overflow="fold")
    for arm in found.overlap:
        table.add_column(plain_text(arm), justify="right", overflow="fold")
    for arm, others in found.overlap.items():
        table.add_row(plain_text(arm), *(f"{others[o]:.0%}" if o != arm else "" for o in found.overlap))
    return table


def _table(title: str) -> Table:
    return Table(title=title, box=None, title_justify="left", title_style="bold", pad_edge=False, padding=(0, 2, 0, 0))


def _columns(table: Table, headings: Sequence[str], left: str = "arm") -> None:
    """Numbers stand to the right. An arm's name is never cut, for two may begin alike."""
    for heading in headings:
        words, whole = heading in ("arm", left), heading == "arm"
        table.add_column(heading, justify="left" if words else "right", overflow="fold" if whole else "ellipsis")


def _mean(facts: Sequence[ArmFacts], value: Callable[[ArmFacts], float | None], form: str) -> str:
    return shown_spread([number for one in facts if (number := value(one)) is not None], form)
