"""Fast greedy MAP inference of a determinantal point process with kernel L = I + αGGᵀ, float32.

Written from Chen, Zhang and Zhou, *Fast greedy MAP inference for determinantal point process* (NeurIPS 2018),
Algorithm 1: c_i is row i of the growing Cholesky factor, d_i² what is left of the diagonal; after picking j,
e_i = (L_ji − ⟨c_j, c_i⟩)/d_j, c_i ← [c_i e_i], d_i² ← d_i² − e_i². log det L_S = log det(I + αG_SᵀG_S).
"""

import numpy as np
from _timed import run


def select(features, k, alpha):
    n = len(features)
    kernel = features @ features.T
    kernel *= np.float32(alpha)
    kernel[np.diag_indices(n)] += 1
    left = np.diag(kernel).copy()
    c = np.empty((k, n), dtype=np.float32)
    picks: list[int] = []
    for step in range(k):
        j = int(np.argmax(left))
        picks.append(j)
        e = (kernel[j] - c[:step, j] @ c[:step]) / np.sqrt(left[j])
        c[step] = e
        left -= e * e
        left[j] = -np.inf
    return picks


if __name__ == "__main__":
    run(select)
