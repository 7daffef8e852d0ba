"""Float64 products on all threads against numpy's."""

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spice_select.selection.paths.blocked import kernels, products
from spice_select.selection.paths.blocked.products import product, subtract_product

sizes = st.integers(min_value=0, max_value=40) | st.sampled_from([95, 96, 97, 255, 256, 257, 300])
layouts = st.sampled_from(["rows", "columns", "every other", "backwards", "part"])


@pytest.fixture(autouse=True, params=["compiled", "as if large", "numpy"])
def where_products_run(request, monkeypatch):
    if request.param == "numpy":
        monkeypatch.setattr(kernels, "compiled", None)
    elif not kernels.has_kernel():
        pytest.skip("the kernel is not built, or not for this processor")
    if request.param == "as if large":
        monkeypatch.setattr(products, "LARGE", 0.0)


def laid_out(matrix, layout):
    """The same matrix, elsewhere in memory."""
    m, n = matrix.shape
    room = np.full((2 * m + 1, 2 * n + 1), np.nan)
    view = {
        "rows": lambda: np.empty((m, n)),
        "columns": lambda: np.empty((n, m)).T,
        "every other": lambda: room[:-1:2, 1::2],
        "backwards": lambda: room[:m, :n][::-1, ::-1],
        "part": lambda: room[1 : m + 1, 1 : n + 1],
    }[layout]()
    view[:] = matrix
    return view


@settings(max_examples=150, deadline=None)
@given(sizes, sizes, sizes, layouts, layouts, st.sampled_from([1, 2, 7]), st.integers(0, 2**32 - 1))
def test_a_product_is_the_product_wherever_the_factors_lie(m, n, depth, first, second, count, seed):
    rng = np.random.default_rng(seed)
    A, B = rng.standard_normal((m, depth)), rng.standard_normal((depth, n))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(products, "crew_size", lambda flops: count)
        AB = product(laid_out(A, first), laid_out(B, second))
        np.testing.assert_allclose(AB, A @ B, rtol=0, atol=1e-12)
        out = rng.standard_normal((m, n))
        room = np.full((m + 2, n + 2), 7.0)
        room[1:-1, 1:-1] = out
        subtract_product(room[1:-1, 1:-1], laid_out(A, first), laid_out(B, second))
        np.testing.assert_allclose(room[1:-1, 1:-1], out - A @ B, rtol=0, atol=1e-12)
        room[1:-1, 1:-1] = 7.0
        assert (room == 7.0).all()  # nothing was written beside the matrix


def test_a_product_does_not_depend_on_the_threads(monkeypatch):
    rng = np.random.default_rng(0)
    A, B = rng.standard_normal((200, 300)), rng.standard_normal((300, 250))
    monkeypatch.setattr(products, "crew_size", lambda flops: 1)
    alone = product(A, B)
    for count in (2, 3, 16):
        monkeypatch.setattr(products, "crew_size", lambda flops, count=count: count)
        np.testing.assert_allclose(product(A, B), alone, rtol=0, atol=1e-12)


@pytest.mark.skipif(
    "avx512" not in kernels.kernel_paths(),
    reason="THE AVX-512 PATH IS NOT TESTED HERE: this processor has none, or the kernel is not built",
)
@pytest.mark.parametrize("shape", [(1, 1, 1), (13, 300, 31), (97, 257, 100)])
@pytest.mark.parametrize("layout", ["rows", "columns"])
def test_avx512_multiplies_to_the_very_bits_of_avx2(where_products_run, shape, layout):
    if kernels.compiled is None:
        pytest.skip("numpy has one path")
    (m, depth, n), rng = shape, np.random.default_rng(2)
    A, B, out = (rng.standard_normal(size) for size in ((m, depth), (depth, n), (m, n)))
    found = []
    for path in ("avx2", "avx512"):
        kernels.compiled.use(path)
        taken = out.copy()
        subtract_product(taken, laid_out(A, layout), laid_out(B, layout))
        found.append(np.stack([product(laid_out(A, layout), laid_out(B, layout)), taken]))
    np.testing.assert_array_equal(*found)


def test_callers_at_the_same_time_do_not_disturb_each_other():
    rng = np.random.default_rng(1)
    work = [(rng.standard_normal((60, 200)), rng.standard_normal((200, 150))) for _ in range(4)]
    wrong = []

    def repeat(A, B):
        expected = A @ B
        wrong.extend(i for i in range(200) if not np.allclose(product(A, B), expected, rtol=0, atol=1e-12))

    threads = [threading.Thread(target=repeat, args=pair) for pair in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
