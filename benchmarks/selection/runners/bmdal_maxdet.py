"""bmdal_reg's MaxDet on kernel k(x, y) = xᵀy with noise σ² = 1: the same objective as log det(I + αF) at √α·g."""

import os

import numpy as np
import torch
from _timed import run
from bmdal_reg.bmdal.feature_data import TensorFeatureData
from bmdal_reg.bmdal.feature_maps import IdentityFeatureMap
from bmdal_reg.bmdal.features import Features
from bmdal_reg.bmdal.selection import MaxDetSelectionMethod

torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))


def select(features, k, alpha):
    data = torch.from_numpy(features * np.float32(np.sqrt(alpha)) if alpha != 1 else features)
    pool = Features(IdentityFeatureMap(n_features=data.shape[1]), TensorFeatureData(data))
    none = Features(IdentityFeatureMap(n_features=data.shape[1]), TensorFeatureData(data[:0]))
    method = MaxDetSelectionMethod(pool, none, sel_with_train=False, noise_sigma=1.0, verbosity=0)
    return method.select(k).tolist()


if __name__ == "__main__":
    run(select)
