"""activeft's VTL (greedy drop of the target's posterior variance) with noise σ = 1, the pool as one mini-batch."""

import os

import numpy as np
import torch
from _timed import run
from activeft.acquisition_functions.vtl import VTL

torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
TARGET = 64


def select(features, k, alpha):
    data = torch.from_numpy((features * np.sqrt(alpha)).astype(np.float32))
    pool, target = data[:-TARGET], data[-TARGET:]
    method = VTL(target=target, noise_std=1.0, mini_batch_size=len(pool) + 1, embedding_batch_size=len(pool))
    picks, _ = method.select_from_minibatch(k, None, pool, None)
    return picks.tolist()


if __name__ == "__main__":
    run(select)
