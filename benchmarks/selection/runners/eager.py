"""Eager greedy: every gain kept up to date by one matrix-vector product a pick, 2nd flops each (Sherman-Morrison)."""

import numpy as np
from _timed import run


def select(features, k, alpha, dtype):
    G = features.astype(dtype, copy=False)
    forms = np.einsum("ij,ij->i", G, G)
    inverse = np.eye(G.shape[1], dtype=dtype)
    picks = []
    for _ in range(k):
        best = int(np.argmax(forms))
        picks.append(best)
        u = inverse @ G[best]
        u *= np.sqrt(alpha / (1 + alpha * float(G[best] @ u)))
        forms -= (G @ u) ** 2
        forms[picks] = -np.inf
        inverse -= np.outer(u, u)
    return picks


if __name__ == "__main__":
    run(select, options=[("dtype", "float32")])
