"""What is timed: sizes, kinds of data and which peers can be asked to do each."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass

ALL = ("eager64", "ours", "eager32", "fast_map", "bmdal", "submodlib", "activeft")
GROWTH = {
    "n": ((2500, 512, 500), (5000, 512, 500), (10000, 512, 500), (20000, 512, 500), (40000, 512, 500)),
    "d": ((10000, 128, 500), (10000, 256, 500), (10000, 512, 500), (10000, 1024, 500), (10000, 2048, 500)),
    "k": ((20000, 512, 125), (20000, 512, 500), (20000, 512, 2000), (20000, 512, 8000)),
}


@dataclass(frozen=True)
class Case:
    """One selection to time: k rows of a `kind` matrix [n, d] at α = 1, penalty weight `weight` (ours only)."""

    kind: str
    n: int
    d: int
    k: int
    weight: float = 0.0

    @property
    def name(self) -> str:
        penalty = f" λ={self.weight:g}" if self.weight else ""
        return f"{self.kind} ({self.n}, {self.d}, {self.k}){penalty}"

    def as_record(self) -> dict[str, object]:
        return asdict(self)


def suite(name: str) -> Iterator[tuple[Case, tuple[str, ...]]]:
    """(case, peers) of a suite: quick, standard, paths, cuda, variance, large, huge, growth."""
    if name == "quick":
        yield from ((Case(kind, 2000, 256, 200), ALL) for kind in ("iso", "aniso", "heavy"))
    elif name == "standard":
        yield from ((Case(kind, 10000, 512, 1000), ALL) for kind in ("aniso", "heavy", "iso"))
        yield from ((Case(kind, 10000, 512, 1000, 0.1), ("ours",)) for kind in ("aniso", "heavy", "unit"))
        yield Case("unit", 10000, 512, 1000), ("eager64", "ours", "eager32")
    elif name == "paths":  # of the kernel, where the processor has them all
        yield from ((Case(kind, 10000, 512, 1000), ("ours", "ours_avx2", "ours_numpy")) for kind in ("aniso", "heavy"))
        yield from ((Case(kind, 50000, 1024, 2000), ("ours", "ours_avx2")) for kind in ("aniso", "heavy"))
    elif name == "cuda":
        yield Case("aniso", 20000, 1024, 1000), ("ours_variance_cuda", "ours_variance")
        yield Case("aniso", 97500, 4096, 9750), ("ours_variance_cuda",)
        yield from ((Case("aniso", n, 1024, 10000), ("ours_cuda", "ours")) for n in (100000, 1000000))
    elif name == "variance":  # what `spice select` maximises without a target where few rows have copies
        yield from ((Case(kind, 20000, 1024, 1000), ("ours_variance", "ours")) for kind in ("unit", "heavy"))
    elif name == "large":
        yield from ((Case(kind, 50000, 1024, 2000), ("ours", "eager32", "bmdal")) for kind in ("aniso", "heavy"))
    elif name == "huge":
        yield from ((Case(kind, 100000, 1024, 10000), ("ours",)) for kind in ("heavy", "aniso"))
    elif name == "growth":
        sizes = dict.fromkeys(size for sizes in GROWTH.values() for size in sizes)
        yield from ((Case(kind, *size), ("ours", "eager32")) for size in sizes for kind in ("aniso", "heavy"))
    else:
        raise KeyError(f"unknown suite {name!r}; known: quick, standard, paths, cuda, variance, large, huge, growth")
