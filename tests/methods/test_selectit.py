"""SelectIT: the worked example, and what the notes say of ratings that are sure or random."""

import numpy as np

from spice_select.methods import METHODS, Candidates, Method
from spice_select.methods.budget import Allowance
from spice_select.methods.selectit import agreement_of_questions, rating_scores
from spice_select.progress import Silent
from spice_select.store import FeatureBlock
from spice_select.testing.method import sample_candidates


def test_the_worked_example() -> None:
    """Token scores 1.25 and 1.5; together mean 1.375, deviation .125; a uniform rating is worth nothing."""
    one, other, uniform = (0.05, 0.1, 0.15, 0.3, 0.4), (0.1, 0.1, 0.2, 0.5, 0.1), (0.2,) * 5
    scores = rating_scores(np.array([[one, one], [other, other], [one, other], [uniform, uniform]]))
    np.testing.assert_allclose(scores, [1.25, 1.5, 1.3415, 0], atol=5e-5)


def test_it_is_the_formula_number_by_number() -> None:
    shares = np.random.default_rng(0).dirichlet(np.ones(5), size=(20, 5))
    due = []
    for row in shares:
        tokens = []
        for one in row:
            best = max(range(5), key=lambda rating: one[rating])
            tokens.append((best + 1) * sum(abs(one[rating] - one[best]) for rating in range(5)) / 4)
        mean = sum(tokens) / 5
        deviation = (sum((token - mean) ** 2 for token in tokens) / 5) ** 0.5
        due.append(mean / (1 + 0.2 * deviation))
    np.testing.assert_allclose(rating_scores(shares), due)


def test_of_equally_likely_ratings_the_lower_counts() -> None:
    np.testing.assert_allclose(rating_scores(np.array([[[0.4, 0, 0, 0.2, 0.4]]])), [1 * (0.8 + 0.2) / 4])


def test_agreement_is_held_against_chance() -> None:
    same = np.tile(np.array([[0], [4]]), (10, 3))
    assert agreement_of_questions(same) == (1.0, 0.5)
    assert agreement_of_questions(np.full((6, 4), 2)) == (1.0, 1.0), "one rating for all says nothing"
    agreed, chance = agreement_of_questions(np.random.default_rng(0).integers(0, 5, (20_000, 2)))
    assert abs(agreed - 0.2) < 0.01
    assert abs(chance - 0.2) < 0.01


def rated(shares: np.ndarray) -> Candidates:
    candidates = sample_candidates(len(shares), features=("ratings",))
    block = candidates.features["ratings"]
    own = shares.reshape(len(shares), -1).astype(np.float32)
    known = FeatureBlock(rows=block.rows, columns=block.columns, finite=block.finite, features=own)
    return Candidates(
        rows=candidates.rows,
        tokens=candidates.tokens,
        supervised=candidates.supervised,
        sources=candidates.sources,
        features={"ratings": known},
    )


def said_of(method: Method, candidates: Candidates) -> str:
    (said,) = method.notes(candidates, method.choose(candidates, Allowance(rows=2), seed=0, progress=Silent()))
    return said


def test_the_notes_say_how_sure_the_ratings_are() -> None:
    method = METHODS["selectit"].of({})
    assert "100% of the entropy" in said_of(method, rated(np.full((8, 5, 5), 0.2)))
    sure = np.eye(5)[np.tile(np.arange(4), 2)][:, None].repeat(5, axis=1)
    said = said_of(method, rated(sure))
    assert " 0% of the entropy" in said
    assert "in 100% of the cases, where 25% would be chance" in said
