"""Rows of several kinds, and rows in so many shards."""

import numpy as np

from spice_select.selection.partitioned import Shard, SpreadFeatures
from spice_select.selection.partitioned.spread import evenly
from spice_select.testing.selection import sample_features


def rows_of_kind(kind, n, d, seed=0):
    if kind != "unit":
        return sample_features(kind, n, d, seed)
    G = sample_features("aniso", n, d, seed)
    return G / np.linalg.norm(G, axis=1)[:, None]


def spread(features, shards, opened=Shard):
    """The rows in so many shards; `opened` makes a shard of rows and the number of the first."""
    edges = evenly(len(features), shards)
    return SpreadFeatures(lambda i: opened(features[slice(*edges[i])], edges[i][0]), shards)
