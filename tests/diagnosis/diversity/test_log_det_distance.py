"""Log-determinant distance: the example, the definition, and what its reference and its draws do."""

import itertools

import numpy as np
import pytest

from spice_select.diagnosis.diversity import Directions, log_det_distances
from spice_select.diagnosis.diversity.equal_draws import equal_draws
from spice_select.diagnosis.diversity.kernel import kernel_log_det, kernel_scale
from spice_select.diagnosis.diversity.log_det_distance import LDD_ROWS, log_det_distance, random_log_det
from spice_select.diagnosis.diversity.undefined import UndefinedNumberError
from spice_select.errors import InputError

from .examples import at, cloud, naive_centred, naive_log_det, squared


def test_the_example():
    reference = kernel_log_det(at(0, 120, 240), 1.0)
    assert reference == pytest.approx(-0.0072, abs=5e-5)
    assert kernel_log_det(at(0, 10, 60), 1.0) == pytest.approx(-3.3993, abs=5e-5)
    assert kernel_log_det(at(0, 60, 180), 1.0) == pytest.approx(-0.1479, abs=5e-5)
    assert log_det_distance(at(0, 10, 60), reference, 1.0) == pytest.approx(1.1307, abs=5e-5)
    assert log_det_distance(at(0, 60, 180), reference, 1.0) == pytest.approx(0.0469, abs=5e-5)


def test_it_is_its_definition():
    pool = cloud(20, 6)
    choices = {"one": np.array([3, 1, 17, 8]), "random": np.array([0, 2, 9, 11])}
    rows = naive_centred(pool)
    gamma = 1 / np.median([squared(a, b) for a, b in itertools.combinations(rows, 2)])
    found = log_det_distances(Directions(pool), choices)
    reference = random_log_det(4, 6, gamma)
    for name, picked in choices.items():
        truth = (reference - naive_log_det([rows[row] for row in picked], gamma)) / 4
        assert found[name].mean == pytest.approx(truth, abs=1e-9)
        assert found[name].gamma == pytest.approx(gamma)
        assert found[name].sd == pytest.approx(0.0, abs=1e-15), "the draws of a choice of m rows are the choice"
    assert found["random"].gap == 0.0
    assert found["one"].gap == pytest.approx(found["one"].mean - found["random"].mean)


def test_as_many_rows_of_each_are_drawn_and_their_spread_is_told():
    pool, choices = Directions(cloud(80, 5)), {"many": np.arange(60), "random": np.arange(60, 75)}
    found = log_det_distances(pool, choices, seed=3)
    assert {one.rows for one in found.values()} == {15}
    drawn, gamma = equal_draws(choices, most=LDD_ROWS, draws=5, seed=3)["many"], kernel_scale(pool, seed=3)
    values = [log_det_distance(pool.centred(rows), random_log_det(15, 5, gamma, seed=3), gamma) for rows in drawn]
    assert found["many"].mean == pytest.approx(np.mean(values))
    assert found["many"].sd == pytest.approx(np.std(values, ddof=1))
    assert found["random"].sd < 1e-14
    reversed_too = {name: rows[::-1] for name, rows in choices.items()}
    assert found == log_det_distances(pool, reversed_too, seed=3)
    assert found != log_det_distances(pool, choices, seed=4)
    assert random_log_det(15, 5, gamma, seed=3) != random_log_det(15, 5, gamma, seed=4)


def test_at_most_1024_rows_are_drawn():
    found = log_det_distances(Directions(cloud(1100, 3)), {"random": np.arange(1100)})
    assert found["random"].rows == 1024


def test_rows_that_point_anywhere_are_at_no_distance():
    rows = np.random.default_rng(5).standard_normal((400, 30))
    near = log_det_distances(Directions(rows), {"random": np.arange(0, 400, 4)})["random"]
    plane = rows[:, :2] @ rows[:2]
    narrow = log_det_distances(Directions(plane), {"random": np.arange(0, 400, 4)})["random"]
    assert abs(near.mean) < 0.02
    assert narrow.mean > 5


def test_the_scale_is_of_a_sample_of_a_large_pool():
    pool = Directions(cloud(300, 4))
    assert kernel_scale(pool, seed=1) == kernel_scale(pool, seed=1) != kernel_scale(pool, seed=2)
    rows = pool.centred(np.arange(300))
    truth = 1 / np.median([((a - b) ** 2).sum() for a, b in itertools.combinations(rows, 2)])
    assert kernel_scale(pool) == pytest.approx(truth, rel=0.1)


def test_equal_rows_have_no_scale():
    with pytest.raises(UndefinedNumberError, match="of equal rows"):
        kernel_scale(Directions(np.full((5, 3), 0.1, np.float32)))
    with pytest.raises(UndefinedNumberError, match="one row"):
        kernel_scale(Directions(np.ones((1, 3))))


@pytest.mark.parametrize("noise", [6e-8, 1e-6])
def test_rows_that_differ_by_rounding_have_no_scale(noise):
    draw = np.random.default_rng(0)
    pool = draw.standard_normal((200, 64)).astype(np.float32)
    copies = [(pool[0] * (1 + noise * draw.standard_normal(64))).astype(np.float32) for _ in range(3)]
    pool[:150] = [copies[row % 3] for row in range(150)]
    with pytest.raises(UndefinedNumberError, match="of equal rows, or nearly so"):
        kernel_scale(Directions(pool))


def test_a_kernel_without_a_determinant_has_no_number():
    angles = 0.7e-6 * np.arange(40)  # neighbours are equal but for rounding, and the first and the last are not
    with pytest.raises(UndefinedNumberError, match="the kernel of 40 rows has no determinant above 0"):
        kernel_log_det(np.stack([np.cos(angles), np.sin(angles)], axis=1), 1e10)


def test_a_control_that_is_no_choice_is_named():
    with pytest.raises(InputError, match=r"control='random' is not among the choices: spice\. Name one, or None"):
        log_det_distances(Directions(cloud(9, 3)), {"spice": np.arange(3)})
    assert log_det_distances(Directions(cloud(9, 3)), {"spice": np.arange(3)}, control=None)["spice"].gap is None
