"""Which case the data are: the rules on numbers alone, at their edges, and the words and commands that follow."""

import dataclasses
import shlex

import numpy as np
import pytest

from spice_select.diagnosis.explained import Explained
from spice_select.outlook.advice import next_commands, verdict_sentence
from spice_select.outlook.cases import LEAST_RATIO, LEAST_REPEATED, LEAST_WRONG, NOISY, REDUNDANT, TARGETED, decide
from spice_select.outlook.mismatches import FALSE_ALARMS, FOUND, TELLING, Mismatches
from spice_select.outlook.settings import HeadroomSettings

CLEAN = Mismatches(rows=1000, listed=12, saved=2.1)
NOISE = Mismatches(rows=1000, listed=285, saved=1.4)
DRAWS = np.linspace(0.18, 0.22, 20)
POOL = Explained(task="", rows=500, share=0.2, draws=DRAWS, cosine=0.0, cosine_draws=DRAWS)


def task(share: float, name: str = "", draws: np.ndarray = DRAWS) -> Explained:
    return Explained(task=name, rows=32, share=share, draws=draws, cosine=0.0, cosine_draws=np.zeros(3))


def names(**numbers) -> list[str]:
    known = {"pool": POOL, "tasks": (), "mismatches": CLEAN, "repeated": 0, "looked_at": 1000, **numbers}
    return [case.name for case in decide(**known)]


def test_a_clean_pool_without_a_target_is_no_case() -> None:
    assert names() == []
    assert names(mismatches=None) == []


def test_a_target_that_picks_explain_far_better_is_one() -> None:
    assert names(tasks=[task(0.41)]) == [TARGETED]


@pytest.mark.parametrize(
    ("share", "draws"),
    [
        (0.2 * LEAST_RATIO - 1e-6, DRAWS),  # beyond chance, yet too little
        (0.41, np.linspace(0.0, 0.4, 20)),  # twice as much, yet within what draws do
    ],
)
def test_ratio_and_distance_are_both_asked_of_a_target(share: float, draws: np.ndarray) -> None:
    assert names(tasks=[task(share, draws=draws)]) == []


def test_a_target_must_gain_more_than_the_pool_does_from_a_choice_for_itself() -> None:
    """Measured with few picks on a clean mixture: 1.7 times for the pool itself, 2.8 for rows of one of its sources."""
    control = dataclasses.replace(POOL, share=0.2 * 1.7)
    assert names(pool=control, tasks=[task(0.2 * 1.7)]) == []
    assert names(pool=control, tasks=[task(0.2 * 2.8)]) == [TARGETED]
    worse = dataclasses.replace(POOL, share=0.1)
    assert names(pool=worse, tasks=[task(0.2 * 1.2)]) == [], "a control below random picks is no help"


def test_few_rows_that_judge_are_said_to_be_few() -> None:
    for rows, said in ((3, True), (8, False)):
        few = dataclasses.replace(task(0.41), rows=rows)
        (case,) = decide(pool=POOL, tasks=[few], mismatches=CLEAN, repeated=0, looked_at=1000)
        assert ("Only 3 rows judged" in case.found) == said


def test_one_task_of_two_is_enough_and_the_other_is_named() -> None:
    (case,) = decide(pool=POOL, tasks=[task(0.2, "a"), task(0.41, "b")], mismatches=CLEAN, repeated=0, looked_at=1000)
    assert "of b against" in case.found
    assert "no clear gain on a" in case.found


def test_many_mismatched_answers_are_noise_and_a_clean_pools_share_is_not() -> None:
    assert NOISE.wrong == pytest.approx(0.4, abs=0.01)
    assert names(mismatches=NOISE) == [NOISY]
    edge = LEAST_WRONG * FOUND + (1 - LEAST_WRONG) * FALSE_ALARMS
    assert names(mismatches=Mismatches(rows=1000, listed=int(1000 * edge), saved=2.0)) == []
    assert names(mismatches=Mismatches(rows=1000, listed=int(1000 * edge) + 1, saved=2.0)) == [NOISY]


def test_a_proxy_that_understands_no_question_says_nothing_of_noise() -> None:
    assert names(mismatches=dataclasses.replace(NOISE, saved=TELLING - 0.01)) == []


def test_a_tenth_of_repeats_is_redundant() -> None:
    assert names(repeated=int(1000 * LEAST_REPEATED)) == [REDUNDANT]
    assert names(repeated=int(1000 * LEAST_REPEATED) - 1) == []


def test_several_are_told_in_the_order_of_what_was_gained() -> None:
    assert names(tasks=[task(0.41)], mismatches=NOISE, repeated=300) == [TARGETED, NOISY, REDUNDANT]


def test_mismatches_are_counted_from_losses_with_and_without_the_question() -> None:
    losses, alone = np.array([1.0, 2.0, np.nan, 3.0]), np.array([3.0, 1.9, 1.0, 3.0])
    found = Mismatches.of(losses, alone, np.array([5, 5, 5, 5]))
    assert (found.rows, found.listed) == (3, 1)
    assert Mismatches.of(losses[:0], alone[:0], np.zeros(0, np.int64)).share == 0


def said(cases=(), tasks=(), likeness=None) -> str:
    return verdict_sentence(cases, alignment=0.98, tasks=tasks, likeness=likeness or {})


def test_the_words_claim_no_more_than_was_measured() -> None:
    assert "If your test rows look like your pool" in said()
    assert "Give 16 to 64 rows" in said()
    assert "cos 0.980" in said()
    alike = said(tasks=[task(0.21)], likeness={"": 0.95})
    assert alike.startswith("Your target rows look like your pool.")
    assert "too few rows like the target" in said(tasks=[task(0.21)], likeness={"": 0.3})
    both = said(decide(pool=POOL, tasks=[task(0.41)], mismatches=NOISE, repeated=0, looked_at=1000))
    assert both.startswith("Picks for the target explain 41.0% against 20.0%")
    assert "Besides: " in both


def commands(cases, **settings) -> tuple[str, ...]:
    return next_commands("my rows.jsonl", HeadroomSettings.from_flat(settings), cases)


def test_commands_carry_what_was_asked_and_can_be_pasted() -> None:
    every = decide(pool=POOL, tasks=[task(0.41)], mismatches=NOISE, repeated=300, looked_at=1000)
    asked = {"target": ("a.jsonl",), "budget": "5%", "seed": 3, "model": "./m", "sketch_dim": 64, "max_length": 99}
    (command,) = commands(every, **asked)
    assert shlex.split(command) == [
        *("spice", "select", "my rows.jsonl", "--target", "a.jsonl", "--sketch-dim", "64"),
        *("--without-suspects", "duplicate", "near-duplicate", "--budget", "5%", "--seed", "3"),
        *("--model", "./m", "--max-length", "99"),
    ]
    (nothing,) = commands((), warm=True)
    assert shlex.split(nothing)[3:] == ["--warm", "--budget", "10%"]
    chosen, look = commands(every[1:2])
    assert chosen.endswith("--out runs/my_rows-chosen")
    assert look == "spice suspects runs/my_rows-chosen --unprompted"
    (once,) = commands(every[2:])
    assert "--without-suspects duplicate near-duplicate" in once
    assert "--method" not in chosen + once, "what was ahead of random draws is the default"
