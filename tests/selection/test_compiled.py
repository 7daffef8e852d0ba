"""The compiled kernel computes what its definition says, on any number of threads, and can be done without."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_info

from spice_select.errors import InputError
from spice_select.numerics.features import Features
from spice_select.numerics.rounding import UNIT32, gamma
from spice_select.selection import Conflict, greedy, naive
from spice_select.selection.paths.blocked import bounds, inner, kernels, threads
from spice_select.selection.paths.blocked import bounds_compiled as compiled
from spice_select.selection.paths.blocked import state as blocked
from spice_select.selection.paths.blocked.bounds import Bounds
from spice_select.selection.paths.blocked.bounds_compiled import PANEL_PICKS, CompiledBounds, Panels, fits_kernel
from spice_select.selection.paths.blocked.kernels import has_kernel
from spice_select.selection.paths.blocked.root import InverseRoot
from spice_select.selection.paths.blocked.threads import share, single_threaded_blas
from spice_select.testing.selection import require_same, sample_features

needs_two_widths = pytest.mark.skipif(
    "avx512" not in kernels.kernel_paths(),
    reason="THE AVX-512 PATH IS NOT TESTED HERE: this processor has none, or the kernel is not built",
)
needs_kernel = pytest.mark.skipif(not has_kernel(), reason="the kernel is not built, or not for this processor")


def swept(matrix, factor, rows, starts, panels, end, mean, count):
    taken, dots = np.full(len(rows), np.nan), np.full(len(rows), np.nan)
    d = matrix.shape[1]
    kernels.compiled.taken(matrix, factor, d, rows, starts, end, panels.array, mean, taken, dots, count)
    return taken, dots


@needs_kernel
@given(
    seed=st.integers(0, 1000),
    d=st.sampled_from([1, 7, 8, 16, 255, 256, 257, 600]),
    asked=st.integers(1, 150),
    picks=st.integers(1, 70),
    past=st.integers(0, 20),
    wide=st.booleans(),
    count=st.sampled_from([1, 2, 7]),
)
@settings(max_examples=120, deadline=None)
def test_the_kernel_sums_the_squares_of_the_picks_from_each_rows_start_to_the_end(
    seed, d, asked, picks, past, wide, count
):
    rng = np.random.default_rng(seed)
    matrix = rng.standard_normal((40, d)).astype(np.float64 if wide else np.float32)
    factor = 0.25 if wide else 1.0
    U = rng.standard_normal((picks + past, d)).astype(np.float32)  # those past the end do not count
    mean = rng.standard_normal(d).astype(np.float32)
    rows, starts = rng.integers(0, 40, asked), rng.integers(0, picks + 1, asked)
    panels = Panels(d, 4)
    panels.enter(U[: picks // 2], 0)
    panels.enter(U[picks // 2 :], picks // 2)
    taken, dots = swept(matrix, factor, rows, starts, panels, picks, mean, count)

    X = (matrix * factor).astype(np.float32).astype(np.float64)[rows]
    products = X @ U[:picks].astype(np.float64).T
    products[np.arange(picks)[None, :] < starts[:, None]] = 0.0
    sizes = (X**2).sum(axis=1)
    reach = 1e-5 * sizes * (U.astype(np.float64) ** 2).sum()
    assert (np.abs(taken - (products**2).sum(axis=1)) <= reach).all()
    assert (np.abs(dots - X @ mean) <= 1e-5 * np.sqrt(sizes) * np.linalg.norm(mean)).all()
    assert (taken[starts == picks] == 0).all()


@pytest.fixture
def widest_after():
    yield
    if has_kernel():
        kernels.compiled.use(kernels.kernel_paths()[-1])


@needs_two_widths
@pytest.mark.usefixtures("widest_after")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("d", [1, 15, 256, 300])
def test_avx512_sums_the_very_bits_of_avx2(dtype, d):
    rng = np.random.default_rng(d)
    matrix, U = rng.standard_normal((50, d)).astype(dtype), rng.standard_normal((61, d))
    mean, rows, starts = U[0].astype(np.float32), rng.integers(0, 50, 203), rng.integers(0, 50, 203)
    panels = Panels(d, 64)
    panels.enter(U, 0)
    for end in (8, 16, 40, 61):  # one panel, and one beside pairs of panels
        found = {}
        for path in ("avx2", "avx512"):
            kernels.compiled.use(path)
            found[path] = swept(matrix, 1.0, rows, starts, panels, end, mean, 2)
        np.testing.assert_array_equal(found["avx2"], found["avx512"])


@pytest.mark.usefixtures("widest_after")
@pytest.mark.parametrize("path", ["numpy", "avx2", "avx512"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_path_picks_what_the_naive_one_picks(monkeypatch, path, dtype):
    if path not in ("numpy", *kernels.kernel_paths()):
        pytest.skip(f"{path.upper()} IS NOT TESTED HERE: this processor has none, or the kernel is not built")
    monkeypatch.setattr(kernels, "compiled", kernels.compiled)  # what the environment changes is undone
    monkeypatch.setenv("SPICE_KERNEL", path)
    G = sample_features("heavy", 300, 70).astype(dtype)
    for penalty in (None, Conflict(0.1)):
        require_same(greedy(G, 90, penalty=penalty), naive(G, 90, penalty=penalty), path)


def test_a_path_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setenv("SPICE_KERNEL", "sse")
    with pytest.raises(InputError, match=r"SPICE_KERNEL=sse: .* Set it to .*numpy, or not at all"):
        greedy(sample_features("heavy", 60, 8), 5)


@needs_kernel
def test_how_many_threads_there_are_changes_no_bit():
    rng = np.random.default_rng(0)
    matrix = rng.standard_normal((2000, 64)).astype(np.float32)
    panels = Panels(64, 40)
    panels.enter(rng.standard_normal((40, 64)), 0)
    rows, starts = np.arange(2000), rng.integers(0, 40, 2000)
    one = swept(matrix, 1.0, rows, starts, panels, 40, None, 1)[0]
    for count in (2, 3, 64):
        np.testing.assert_array_equal(swept(matrix, 1.0, rows, starts, panels, 40, None, count)[0], one)


@pytest.mark.parametrize(("d", "m"), [(5, 1), (5, 16), (5, 33), (40, 40)])
def test_panels_hold_their_vectors_coordinate_by_coordinate(d, m):
    vectors = np.random.default_rng(0).standard_normal((m, d)).astype(np.float32)
    grown = Panels(d, 1)
    for i in range(m):
        grown.enter(vectors[i : i + 1], i)
    of_columns = Panels.of_columns(np.ascontiguousarray(vectors.T))
    for panels in (grown, of_columns):
        for j in range(m):
            np.testing.assert_array_equal(panels.array[j // PANEL_PICKS, :, j % PANEL_PICKS], vectors[j])


def test_the_proofs_speak_of_the_numbers_that_the_loops_are_built_with():
    """One number in C and in Python: an error bound for stretches of another length would prove nothing."""
    if kernels.compiled is None:
        pytest.skip("built without a C compiler: there is nothing to differ from")
    assert kernels.compiled.UNIT == UNIT32
    assert kernels.compiled.UNDERFLOW_LOSS == bounds.UNDERFLOW
    assert kernels.compiled.ULP == bounds.ULP
    assert CompiledBounds.depth == kernels.compiled.SUM_TERMS
    assert CompiledBounds.grain == PANEL_PICKS == kernels.compiled.PANEL_PICKS
    assert inner.OVERFLOW == kernels.compiled.OVERFLOW_GAIN


@needs_kernel
@pytest.mark.parametrize("home", [Bounds, CompiledBounds])
def test_the_error_bound_counts_the_roundings_of_its_own_loop(monkeypatch, home):
    features = Features(sample_features("iso", 20, 600))
    for depth in (100, 256, 600):
        monkeypatch.setattr(home, "depth", depth)
        assert home(features, eta=None)._gamma == gamma(depth + -(-600 // depth) + 3, UNIT32)


@needs_kernel
def test_a_product_is_summed_in_stretches_of_the_length_that_the_module_shows():
    """1 + 2⁻²⁴ + 2⁻²⁴ + … loses all but the 1 within a stretch, and nothing of what other stretches add up."""
    length = kernels.compiled.SUM_TERMS
    row = np.full((1, 2 * length), 2.0**-24, dtype=np.float32)
    row[0, 0] = 1.0
    panels = Panels(2 * length, 1)
    panels.enter(np.ones((1, 2 * length)), 0)
    zero = np.zeros(1, dtype=np.int64)
    taken, _ = swept(row, 1.0, zero, zero, panels, 1, None, 1)
    assert taken[0] == np.float32(1.0 + length * 2.0**-24) ** 2


@needs_kernel
def test_features_are_read_where_they_lie(tmp_path):
    G = sample_features("heavy", 60, 8)
    np.save(tmp_path / "g.npy", G)
    mapped = np.load(tmp_path / "g.npy", mmap_mode="r")
    assert blocked.home_of(Features(mapped)) is CompiledBounds
    assert not hasattr(CompiledBounds(Features(mapped), eta=None), "_matrix")
    assert fits_kernel(Features(G))
    assert fits_kernel(Features(G.astype(np.float16)))
    assert not fits_kernel(Features(G[:, ::2]))
    assert not fits_kernel(Features(np.asfortranarray(G)))
    require_same(greedy(np.asfortranarray(G), 20), greedy(mapped, 20), "a matrix in another order")


def test_without_the_kernel_numpy_does_the_work(monkeypatch):
    monkeypatch.setattr(kernels, "compiled", None)
    G = sample_features("aniso", 300, 16)
    features = Features(G)
    assert not has_kernel()
    assert inner.inner_loop() is inner.Inner
    assert blocked.home_of(features) is Bounds
    without = greedy(features, 60, penalty=Conflict(0.1))
    monkeypatch.undo()
    require_same(greedy(features, 60, penalty=Conflict(0.1)), without, "with and without the kernel")


@pytest.mark.parametrize("count", [1, 2, 5, 17])
@pytest.mark.parametrize("cores", [1, 2, 6])
def test_shared_work_is_done_once_each(monkeypatch, count, cores):
    monkeypatch.setattr(threads, "thread_count", lambda: cores)
    threads._workers.cache_clear()
    done = np.zeros(count, dtype=int)

    def run(a, b):
        done[a:b] += 1

    share(run, count, 1e9)
    share(run, count, 1.0)
    assert (done == 2).all()


def test_an_error_in_a_thread_is_raised(monkeypatch):
    monkeypatch.setattr(threads, "thread_count", lambda: 3)
    threads._workers.cache_clear()

    def run(a, b):
        if a > 0:
            raise ValueError(f"at {a}")

    with pytest.raises(ValueError, match="at 3"):
        share(run, 9, 1e9)


def blas_threads():
    return {
        library["filepath"]: library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"
    }


def test_blas_gets_its_threads_back_after_the_last_of_several_selections():
    before = blas_threads()
    with single_threaded_blas():
        with single_threaded_blas():
            assert set(blas_threads().values()) <= {1}
        assert set(blas_threads().values()) <= {1}
    assert blas_threads() == before
    G = sample_features("heavy", 400, 24)
    with ThreadPoolExecutor(4) as pool:
        runs = list(pool.map(lambda _: greedy(G, 80), range(8)))
    for run in runs[1:]:
        require_same(run, runs[0], "side by side")
    assert blas_threads() == before


def test_a_forked_child_selects_too():
    code = """
import multiprocessing, os, sys
os.environ["OMP_NUM_THREADS"] = "2"
import numpy as np
from spice_select.selection import greedy
def run(_): return greedy(G, 300).indices.tolist()
G = np.random.default_rng(0).standard_normal((3000, 256)).astype("f")
if __name__ == "__main__":
    here = run(0)
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply_async(run, (0,)).get(60) == here
    print("same")
"""
    if sys.platform == "win32":
        pytest.skip("no fork here")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout == "same\n", done.stderr


@needs_kernel
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("eta", [None, 1e-8])
def test_a_refresh_gives_the_same_bounds_on_any_number_of_threads(monkeypatch, dtype, eta):
    features = Features(sample_features("aniso", 700, 40).astype(dtype))
    root, floor, found = InverseRoot(40, 1.0), np.linspace(0, 6, 700), []
    picked = np.arange(300)
    U = root.absorb(root.whiten(features.rows(picked)))
    for count in (1, 2, 7):
        monkeypatch.setattr(compiled, "crew_size", lambda flops, count=count: count)
        bounds = CompiledBounds(features, eta=eta)
        for start in (0, 130):
            bounds.advance(U[start : start + 170], features.rows(picked).mean(axis=0))
            bounds.refresh(np.arange(start, 700), floor)
        found.append((bounds.r, bounds.reached, bounds.conflicts(slice(None)) * np.ones(700), bounds.flops))
    for others in found[1:]:
        for one, other in zip(found[0], others, strict=True):
            np.testing.assert_array_equal(one, other)
    assert len(np.unique(found[0][1])) > 2  # some were left on the way
