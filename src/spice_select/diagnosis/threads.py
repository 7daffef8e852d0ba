"""How many threads linear algebra is worth, by the size of what it factorises."""

from contextlib import AbstractContextManager, nullcontext

from spice_select.selection.paths.blocked.threads import single_threaded_blas

NARROW = 768  # dimensions up to which a second thread waits for the first for longer than it works


def fitting_threads(dimensions: int) -> AbstractContextManager[None]:
    """One thread for BLAS within the block where matrices have at most `NARROW` dimensions, else as many as there are.

    The threads of a BLAS do not sleep while they wait for a small matrix, they spin: twenty solutions of 300 × 300 took
    0.1 seconds of processor time on one thread and 2 to 3 on two, beside other work.
    """
    return single_threaded_blas() if dimensions <= NARROW else nullcontext()
