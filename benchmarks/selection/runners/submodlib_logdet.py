"""submodlib's LogDeterminant on the dense kernel αGGᵀ with 1 added to the diagonal, LazyGreedy.

Its own kernels are cosine or Euclidean, so the linear one is built here; `maximise_seconds` leaves that building and
the hand-over to C++ out.
"""

import time

from _timed import run
from submodlib import LogDeterminantFunction


def select(features, k, alpha):
    kernel = alpha * (features @ features.T)
    function = LogDeterminantFunction(n=len(features), mode="dense", lambdaVal=1, sijs=kernel)
    started = time.perf_counter()
    pairs = function.maximize(
        budget=k,
        optimizer="LazyGreedy",
        stopIfZeroGain=False,
        stopIfNegativeGain=False,
        verbose=False,
        show_progress=False,
    )
    select.notes = {"maximise_seconds": time.perf_counter() - started}
    return [index for index, _ in pairs]


if __name__ == "__main__":
    run(select)
