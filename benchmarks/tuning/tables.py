"""The results as the tables that docs/tuning.md holds."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

TENTH = "10%"


def tables(results: dict[str, Any]) -> dict[str, str]:
    """Name → a table in Markdown."""
    return {
        "rules": _table(
            ("rows", "budget", "k", "α*", "α taken", "by leverage", "λ at α = 1", "λ at that α"), _rules(results)
        ),
        "alpha": _table(
            ("rows, 10 %", "α", "conflicting", "over random's log det", "explained", "I-optimal explained", "Jaccard"),
            _alphas(results),
        ),
        "weight": _table(
            ("rows, 10 %", "α", "λ", "conflicting", "random", "information kept", "explained", "Jaccard"),
            _weights(results),
        ),
        "budget": _table(
            ("rows", "budget", "log det", "λ = 0.1", "log det at α taken", "I-optimal", "random"), _budgets(results)
        ),
        "stop": _table(("rows, 30 %", "picks", *_alphas_of(results)), _stops(results)),
        "pools": _table(("rows, 10 %", "pool", "of the global log det", "explained", "Jaccard"), _pools(results)),
    }


def markdown(results: dict[str, Any]) -> str:
    """All tables, each under its name."""
    return "\n".join(f"## {name}\n\n{table}" for name, table in tables(results).items())


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _rules(results: dict[str, Any]) -> Iterable[Sequence[str]]:
    for name, bed in results.items():
        for budget, one in bed["budgets"].items():
            rule, found = one["rule"], [part["automatic"] for part in one["weight"].values()]
            weights = [f"{part['weight']:g}" if part["fits"] else "0, none fits" for part in (found[0], found[-1])]
            numbers = [f"{rule[key]:.3g}" for key in ("half", "alpha", "leverage")]
            yield (name, budget, str(one["picks"]), *numbers, *weights)


def _alphas(results: dict[str, Any]) -> Iterable[Sequence[str]]:
    for name, bed in results.items():
        one = bed["budgets"][TENTH]
        for alpha in sorted(one["alpha"], key=float):
            told, variance = one["alpha"][alpha], one["alpha_of_variance"][alpha]
            taken = f"**{float(alpha):.3g}**" if float(alpha) == one["rule"]["alpha"] else f"{float(alpha):g}"
            yield (
                *(name, taken, f"{told['conflicting']:.0%}"),
                f"{told['information'] / told['random_information'] - 1:+.1%}",
                *(_share(told), _share(variance)),
                f"{told['jaccard']:.2f}, {variance['jaccard']:.2f}",
            )


def _weights(results: dict[str, Any]) -> Iterable[Sequence[str]]:
    for name, bed in results.items():
        one = bed["budgets"][TENTH]
        for alpha, part in one["weight"].items():
            free = part["sweep"]["0.0"]["information"]
            for weights, told in _runs(part["sweep"]):
                chance = f"{one['random_conflicting']:.0%}"
                kept, jaccard = f"{told['information'] / free:.1%}", f"{told['jaccard']:.2f}"
                line = f"{told['conflicting']:.0%}", chance, kept, _share(told), jaccard
                yield (name, f"{float(alpha):.3g}", weights, *line)


def _runs(sweep: dict[str, dict[str, float]]) -> Iterable[tuple[str, dict[str, float]]]:
    """Neighbouring λ that chose alike, as one line."""
    for told, weights in groupby(sweep, key=sweep.__getitem__):
        names = [f"{float(weight):g}" for weight in weights]
        yield (names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"), told


def _budgets(results: dict[str, Any]) -> Iterable[Sequence[str]]:
    for name, bed in results.items():
        for budget, one in bed["budgets"].items():
            taken, plain = str(one["rule"]["alpha"]), one["alpha"]["1.0"]
            yield (
                *(name, budget, f"{plain['explained']:.1%}"),
                f"{one['weight']['1.0']['sweep']['0.1']['explained']:.1%}",
                f"{one['alpha'][taken]['explained']:.1%}",
                f"{one['alpha_of_variance']['1.0']['explained']:.1%}",
                f"{plain['random_explained']:.1%} ± {plain['random_explained_std']:.1%}",
            )


def _alphas_of(results: dict[str, Any]) -> list[str]:
    first = next(iter(results.values()))["budgets"]["30%"]["stop"]
    return [f"α = {float(alpha):g}" for alpha in first]


def _stops(results: dict[str, Any]) -> Iterable[Sequence[str]]:
    for name, bed in results.items():
        one = bed["budgets"]["30%"]
        yield (name, str(one["picks"]), *(f"{stop['0.5']}, {stop['0.9']}" for stop in one["stop"].values()))


def _pools(results: dict[str, Any]) -> Iterable[Sequence[str]]:
    for name, bed in results.items():
        one = bed["budgets"][TENTH]
        whole = one["alpha"]["1.0"]
        for size, told in one["pools"].items():
            kept = f"{told['information'] / whole['information']:.1%}"
            yield name, size, kept, _share(told), f"{told['jaccard']:.2f}"


def _share(told: dict[str, float]) -> str:
    """Of the pool, explained by the picks, and by random ones."""
    return f"{told['explained']:.1%} ({told['random_explained']:.1%})"
