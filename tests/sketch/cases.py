"""Rows for each entry of the table of sketches."""

from collections.abc import Callable
from dataclasses import dataclass

from spice_select.sketch import SKETCHES, Sketch, SketchRequest, SparseJL


@dataclass(frozen=True, kw_only=True)
class Case:
    """A sketch of short gradients.

    Attributes:
        name: in the table.
        label: of this row.
        make: the sketch of a seed.
        kept: how many numbers are kept of `spice_select.testing.sketch.BLOCKS`.
        draws: whether it draws at random, by the seed.
        refuses: parameters that it says it cannot be afforded for; None for a sketch that always can.
    """

    name: str
    label: str
    make: Callable[[int], Sketch]
    kept: int
    draws: bool = True
    refuses: int | None = None


def case(name: str, *, dim: int = 16, side: int = 3, **facts: object) -> Case:
    """The sketch as settings make it."""
    sketch = SKETCHES[name].load()
    facts.setdefault("kept", dim)
    return Case(
        name=name,
        label=f"{name}-{dim}",
        make=lambda seed: sketch.of(SketchRequest(dim=dim, side=side, seed=seed)),
        **facts,  # type: ignore[arg-type]
    )


CASES: tuple[Case, ...] = (
    case("sparse-jl", refuses=(1 << 29) + 1),
    case("sparse-jl", dim=128, refuses=(1 << 29) + 1),
    Case(
        name="sparse-jl",
        label="sparse-jl-c3",
        make=lambda seed: SparseJL(16, nonzeros=3, seed=seed),
        kept=16,
        refuses=(1 << 29) + 1,
    ),
    case("rademacher", refuses=(1 << 32) + 1),
    case("rademacher", dim=67, refuses=(1 << 36) // 67 + 1),
    case("kronecker"),
    case("identity", kept=79, draws=False, refuses=(1 << 24) + 1),
)

ids: Callable[[Case], str] = lambda case: case.label  # noqa: E731
