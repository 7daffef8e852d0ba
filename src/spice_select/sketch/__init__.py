"""Random linear maps that shorten gradients and keep their inner products, one layer at a time."""

from spice_select.sketch.base import ParameterBlock, Projection, Sketch
from spice_select.sketch.identity import Identity
from spice_select.sketch.kronecker import Kronecker
from spice_select.sketch.rademacher import Rademacher
from spice_select.sketch.randomness import Stream
from spice_select.sketch.sparse_jl import SparseJL

__all__ = ["Identity", "Kronecker", "ParameterBlock", "Projection", "Rademacher", "Sketch", "SparseJL", "Stream"]
