"""Random linear maps that shorten gradients and keep their inner products, one layer at a time.

`SKETCHES` is the one list: `--sketch`, its help, error messages and the conformance tests are made from it. A new
sketch is a file with a class, a line in the table and a row in ``tests/sketch/cases.py``. The table loads no torch; the
classes do, when they are asked for.
"""

from typing import TYPE_CHECKING

from spice_select.settings.deferred import Deferred, deferred_names
from spice_select.settings.table import Table

if TYPE_CHECKING:
    from spice_select.sketch.base import ListedSketch as ListedSketch
    from spice_select.sketch.base import ParameterBlock as ParameterBlock
    from spice_select.sketch.base import Projection as Projection
    from spice_select.sketch.base import Sketch as Sketch
    from spice_select.sketch.base import SketchRequest as SketchRequest
    from spice_select.sketch.identity import Identity as Identity
    from spice_select.sketch.kronecker import Kronecker as Kronecker
    from spice_select.sketch.rademacher import Rademacher as Rademacher
    from spice_select.sketch.randomness import Stream as Stream
    from spice_select.sketch.sparse_jl import SparseJL as SparseJL

SKETCHES: "Table[Deferred[type[ListedSketch]]]" = Table(
    "sketch",
    Deferred("sparse-jl", "reads each number once", "spice_select.sketch.sparse_jl:SparseJL"),
    Deferred("rademacher", "the plain dense one (slow)", "spice_select.sketch.rademacher:Rademacher"),
    Deferred(
        "kronecker",
        "never forms a layer's gradient (for `--parameters full`; noisier)",
        "spice_select.sketch.kronecker:Kronecker",
    ),
    Deferred("identity", "keeps gradients whole (tiny models)", "spice_select.sketch.identity:Identity"),
)

DEFAULT, DEFAULT_DIM, DEFAULT_SIDE = "sparse-jl", 4096, 32
"""The sketch where none is asked for, its length, and the side of a two-sided one."""

__getattr__ = deferred_names(
    __name__,
    {
        "Identity": "spice_select.sketch.identity",
        "Kronecker": "spice_select.sketch.kronecker",
        "ListedSketch": "spice_select.sketch.base",
        "ParameterBlock": "spice_select.sketch.base",
        "Projection": "spice_select.sketch.base",
        "Rademacher": "spice_select.sketch.rademacher",
        "Sketch": "spice_select.sketch.base",
        "SketchRequest": "spice_select.sketch.base",
        "SparseJL": "spice_select.sketch.sparse_jl",
        "Stream": "spice_select.sketch.randomness",
    },
)


def default_sketch() -> "Sketch":
    """`DEFAULT` with its usual length and seed 0."""
    from spice_select.sketch.base import SketchRequest

    return SKETCHES[DEFAULT].load().of(SketchRequest())
