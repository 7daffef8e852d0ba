"""activeft's UndirectedITL (greedy determinant maximisation) with noise σ = 1, the whole matrix as one mini-batch."""

import os

import numpy as np
import torch
from _timed import run
from activeft.acquisition_functions.undirected_itl import UndirectedITL

torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))


def select(features, k, alpha):
    data = torch.from_numpy(features * np.float32(np.sqrt(alpha)) if alpha != 1 else features)
    method = UndirectedITL(noise_std=1.0, mini_batch_size=len(data) + 1, embedding_batch_size=len(data))
    picks, _ = method.select_from_minibatch(k, None, data, None)  # no model: rows are embeddings
    return picks.tolist()


if __name__ == "__main__":
    run(select)
