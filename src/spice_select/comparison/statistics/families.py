"""Many arms against one control: what one of them may claim."""

from collections.abc import Sequence

from scipy import integrate, stats


def holm(ps: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the order given; valid however the arms depend on each other.

    Step down: the smallest p is multiplied by m, the next by m − 1, …, and none is smaller than one before it.
    """
    adjusted, largest = [0.0] * len(ps), 0.0
    for rank, place in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
        largest = max(largest, min(1.0, (len(ps) - rank) * ps[place]))
        adjusted[place] = largest
    return adjusted


def simultaneous_level(alpha: float, family: int) -> float:
    """The level of each of `family` intervals that together cover with 1 − α: 1 − α/m, Bonferroni's.

    Holm gives no intervals of its own. Those at its first step, 1 − α/m, are the widest that agree with it: an
    interval that leaves out zero belongs to an arm that Holm rejects, but not the other way round. So "adjusted
    intervals apart" is a stricter claim than a Holm-adjusted p below α.
    """
    return 1 - alpha / max(1, family)


def best_by_luck(arms: int) -> float:
    """How many standard errors the best of so many arms lies above nothing where all are nothing: the winner's curse.

    The mean of the largest of m independent standard normals, ∫ x·m·φ(x)·Φ(x)^(m−1) dx. Arms that share a control are
    less far apart: for twelve of them 1.15 instead of 1.63.
    """

    def density(x: float) -> float:
        return x * arms * float(stats.norm.pdf(x)) * float(stats.norm.cdf(x)) ** (arms - 1)

    return float(integrate.quad(density, -10, 10)[0])
