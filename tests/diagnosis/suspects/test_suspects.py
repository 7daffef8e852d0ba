"""Every kind of suspect lists what its worked example says, and keeps the contract of the port."""

import numpy as np
import pytest

from spice_select.diagnosis.suspects import PAIR_SUSPECTS, REVIEW_ONLY, SUSPECTS
from spice_select.diagnosis.suspects.contradiction import MOST_ANSWERS, differ
from spice_select.diagnosis.suspects.look import look_for
from spice_select.diagnosis.suspects.refusal import refusal
from spice_select.diagnosis.suspects.settings import AUTOMATIC, SuspectSettings
from spice_select.errors import InputError
from tests.diagnosis.suspects.cases import (
    CASES,
    PAIR_CASES,
    Case,
    PairCase,
    evidence_of_pairs,
    evidence_of_preferences,
    ids,
)

each = pytest.mark.parametrize("case", CASES, ids=ids)


def evidence(case: Case):
    return evidence_of_pairs(case.pairs, truncated=case.truncated, **case.known)


def test_every_entry_of_the_table_has_a_case():
    assert [case.name for case in CASES] == sorted(SUSPECTS.names, key=[case.name for case in CASES].index)
    assert {case.name for case in CASES} == set(SUSPECTS.names)


@each
def test_a_kind_lists_what_its_example_says(case: Case):
    found = SUSPECTS[case.name].find(evidence(case), lambda rows: None)
    assert {suspect.row: suspect.partners for suspect in found.suspects} == case.listed
    assert all(suspect.kind == case.name and len(suspect.reason) > 10 for suspect in found.suspects)
    if found.scores is not None:
        assert found.scores.shape == (len(case.pairs),)
        assert all(found.scores[suspect.row] == suspect.score for suspect in found.suspects)


@each
def test_a_kind_counts_every_row_once_and_repeats_itself(case: Case):
    told: list[int] = []
    first = SUSPECTS[case.name].find(evidence(case), told.append)
    assert sum(told) == len(case.pairs)
    assert list(first.suspects) == list(SUSPECTS[case.name].find(evidence(case), told.append).suspects)


def test_every_kind_of_pairs_has_a_case():
    assert {case.name for case in PAIR_CASES} == set(PAIR_SUSPECTS.names)
    assert not any(kind.needs for kind in PAIR_SUSPECTS), "nothing is known of a pair but its texts"


@pytest.mark.parametrize("case", PAIR_CASES, ids=ids)
def test_a_kind_lists_what_its_example_of_pairs_says(case: PairCase):
    evidence, told = evidence_of_preferences(case.sides, truncated=case.truncated), list[int]()
    found = PAIR_SUSPECTS[case.name].find(evidence, told.append)
    assert {suspect.row: suspect.partners for suspect in found.suspects} == case.listed
    assert sum(told) == len(case.sides)
    assert set(look_for(evidence).found) == set(PAIR_SUSPECTS.names)


def test_what_cannot_be_looked_for_is_named_with_a_reason():
    found = look_for(evidence_of_pairs([("a", "b"), ("a", "b")]))
    assert set(found.unavailable) == {"mismatched", "unlearnable"}
    assert "--learnability" in found.unavailable["unlearnable"]
    assert [(suspect.row, suspect.kind) for suspect in found.listed] == [(1, "duplicate")]
    assert found.scores("mismatched") is None
    assert found.of("mismatched") == ()


def test_a_row_with_several_reasons_is_dropped_once_for_the_first_of_them():
    pairs = [("Who are you?", "As an AI language model, I cannot say.")] * 2
    found = look_for(evidence_of_pairs(pairs), ["refusal", "duplicate"])
    assert [(suspect.row, suspect.kind) for suspect in found.listed] == [
        (0, "refusal"),
        (1, "duplicate"),
        (1, "refusal"),
    ]
    assert [(drop.row, drop.reason) for drop in found.drops()] == [(0, "suspect-refusal"), (1, "suspect-duplicate")]


def test_an_unknown_kind_is_refused_with_the_nearest():
    with pytest.raises(InputError, match="Did you mean 'duplicate'"):
        look_for(evidence_of_pairs([("a", "b")]), ["duplicat"])
    with pytest.raises(InputError, match="Did you mean 'mismatched'"):
        SuspectSettings(without_suspects=("mismatch",))
    with pytest.raises(InputError, match="--learnability"):
        SuspectSettings(without_suspects=("unlearnable",))


def test_no_kind_named_stands_for_the_automatic_ones():
    assert SuspectSettings().kinds == ()
    assert SuspectSettings(without_suspects=()).kinds == AUTOMATIC
    assert set(AUTOMATIC) | REVIEW_ONLY == set(SUSPECTS.names)
    assert SuspectSettings(without_suspects=("cut",)).kinds == ("cut",)


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("Paris", "The capital of France is Paris.", False),
        ("Paris", "Lyon", True),
        ("12", "The answer is 12.", False),
        ("The answer is 12.", "The answer is 14.", True),
        ("True", "true, of course", False),
        ("True", "False", True),
        ("Yes, Paris is the capital.", "True, Paris is the capital.", False),
        ("No, that is wrong.", "False, that is wrong.", False),
        ("Positive, the review is glad", "No, the review is glad", True),
        ("It costs 1,000 dollars.", "It costs 1000 dollars.", False),
        ("It is 3.0 metres", "It is 3 metres", False),
        ("It is 30 metres", "It is 3 metres", True),
        ("red green blue grey", "red cats like old mice", True),
        ("red green blue grey", "red green blue pink white", False),
        ("", "", False),
    ],
)
def test_answers_that_clearly_differ(left, right, expected):
    assert differ(left, right) is differ(right, left) is expected


def test_a_question_with_many_answers_asks_for_variety():
    few = [("Tell me some short joke", f"ha{i}") for i in range(MOST_ANSWERS)]
    many = [("Tell me some short joke", f"ha{i}") for i in range(MOST_ANSWERS + 1)]
    assert len(look_for(evidence_of_pairs(few), ["contradiction"]).listed) == MOST_ANSWERS
    assert look_for(evidence_of_pairs(many), ["contradiction"]).listed == []


@pytest.mark.parametrize(
    "answer",
    [
        "As an AI language model, I do not have personal opinions.",
        "I'm sorry, but as an AI language model, I am unable to browse.",
        "“As a large language model I can't do that.”",
        "I am an artificial intelligence and do not have feelings.",
        "I apologize, but I cannot provide medical advice.",
        "Unfortunately, I am not able to access the internet.",
        "I cannot assist with that request.",
    ],
)
def test_boilerplate_refusals_are_known(answer):
    assert refusal(answer)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "As an AI researcher, Turing could not have known.",
        "I am sorry to hear that. Let me help you.",
        "Sorry, the correct answer is 4.",
        "I cannot stress enough how important sleep is.",
        "Unfortunately, the train was late.",
        "As an AI language model, here is the poem you asked for.",
        "The model said: as an AI language model, I cannot.",
        "I am an assistant manager and I cannot attend.",
        "As an AI safety researcher, I don't have a favourite model.",
    ],
)
def test_answers_that_merely_sound_like_one_are_not(answer):
    assert not refusal(answer)


def test_what_the_question_saves_takes_the_place_of_the_loss():
    rng = np.random.default_rng(0)
    alone = 2 + rng.random(40)
    losses = np.where(np.arange(40) % 4 == 0, alone + 0.1, alone - 0.5)
    pairs = [(f"question {i}", f"answer {i}") for i in range(40)]
    found = look_for(evidence_of_pairs(pairs, losses=losses, unprompted=alone), ["mismatched"])
    assert [suspect.row for suspect in found.of("mismatched")] == list(range(0, 40, 4))
    np.testing.assert_allclose(found.scores("mismatched"), (losses - alone) * 3)
