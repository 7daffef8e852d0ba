"""All of a comparison, judged: words, headroom, proxies, several sets and beds, and what they look like."""

import json
import random
import re

import numpy as np
import pytest
from rich.console import Console

from spice_select.cli.tables.comparison import print_ruling
from spice_select.comparison import Terms, judge
from spice_select.comparison.records import arm_run_of
from spice_select.comparison.statistics import CrossedEstimate
from spice_select.comparison.statistics.verdicts import verdict
from spice_select.errors import InputError
from tests.comparison.made import judged_on, raw, runs

CEILING = ("full", -0.1)
ARMS = (("random", 0.0), CEILING, ("good", -0.05), ("poor", 0.04), ("same", 0.0))


def words(ruling, place=0):
    return {arm.arm: arm.verdict.word for arm in ruling.primaries[place].claimed}


def on_sets(sets, *arms, seeds=5, budget=0.1, bed="core"):
    """Runs judged on several sets; `sets` says by what factor an arm's loss shows on each."""
    made = [judged_on(raw("untuned", 0, bed=bed), **dict.fromkeys(sets, 0.2))]
    for name, loss in arms:
        for seed in range(seeds):
            losses = {held: factor * loss for held, factor in sets.items()}
            made.append(judged_on(raw(name, seed, bed=bed), **losses) | {"budget": budget})
    return [arm_run_of(one) for one in made]


def test_each_arm_gets_its_word_and_the_paragraph_says_it():
    found = judge(runs(*ARMS, ("long", -0.05, {"supervised": 4400}), ("few", -0.01)[:2], seeds=6))
    assert words(found) == {
        "good": "better",
        "long": "no verdict",
        "poor": "worse",
        "same": "equivalent",
        "few": "better",
    }
    text = found.paragraph
    assert text.startswith("5 ways to choose from noise-40 were compared with random at equal supervised tokens (4,000")
    assert "Better than random (Holm over 5 arms at 0.05): good by +0.0" in text
    assert "Worse than random" in text
    assert "Equal to random within 0.01 nats: same." in text
    assert "No verdict on long: +10% supervised tokens." in text
    assert "Headroom 0.10" in text
    assert "Random against random: no difference was found" in text
    assert "\n" not in text


def test_equal_rows_are_called_so() -> None:
    text = judge(runs(*ARMS, ("long", -0.05, {"supervised": 9000}), seeds=6), Terms(equal="rows")).paragraph
    assert "compared with random at equal rows (4,000 supervised tokens on average)" in text
    assert "No verdict on long: +125% supervised tokens. Equal rows hold unequal tokens: compare with --equal" in text


def test_shares_of_pairs_are_no_nats() -> None:
    found = judge(on_sets({"pool": 1.0, "pool-errors": 1.0}, *ARMS), Terms(primary="pool-errors", shares=("-errors",)))
    assert "nats" not in found.paragraph
    assert re.search(r"good by \+0\.0\d+ of the pairs \(", found.paragraph)
    assert "Equal to random within 0.01 of the pairs: same." in found.paragraph
    assert re.search(r"Headroom 0\.\d+ of the pairs \(full\)", found.paragraph)


def test_seeds_that_would_show_the_margin_are_not_asked_for_again() -> None:
    noisy = CrossedEstimate(mean=0.007, by_seeds=0.0025**2, by_rows=1e-12, seeds_df=19, rows_df=400)
    found = verdict(noisy, 0.3, margin=0.01, family=1)
    assert str(found) == "undecided (its seeds would show 0.01: it is smaller, or near that)"


def test_without_a_winner_the_paragraph_says_no():
    text = judge(runs(*ARMS[:2], ("poor", 0.04), ("same", 0.0))).paragraph
    assert "No arm was found better than random." in text


def test_no_verdict_before_five_seeds():
    found = judge(runs(*ARMS, seeds=4))
    assert set(words(found).values()) == {"no verdict"}
    assert "paired seeds: 4, at least 5 are needed" in found.paragraph


def test_without_headroom_what_was_not_found_cannot_be_told():
    found = judge(runs(("random", 0.0), ("full", 0.0), ("good", -0.05), ("same", 0.0)))
    (room,) = [one.room for one in found.sets]
    assert not room.tells
    assert words(found) == {"good": "better", "same": "cannot tell"}
    assert "is no upper bound here" in str(found.sets[0].claimed[0].verdict)
    assert "This comparison cannot tell of same: headroom " in found.paragraph
    assert "below 2 standard deviations" in found.paragraph


def test_a_headroom_that_was_not_measured_is_said():
    found = judge(runs(("random", 0.0), ("same", 0.0)))
    assert found.sets[0].room is None
    assert any("headroom: not measured" in note for note in found.sets[0].notes)


def test_the_control_may_have_more_seeds_and_its_noise_is_of_all_of_them():
    more = [arm_run_of(raw("random", seed)) for seed in range(6, 12)]
    one, other = judge(runs(*ARMS)), judge([*runs(*ARMS), *more])
    for arm, wider in zip(one.primaries[0].claimed, other.primaries[0].claimed, strict=True):
        assert arm.difference == wider.difference  # paired by the shared seeds
    pilot = other.sets[0].pilot
    assert (len(pilot.first), len(pilot.second)) == (6, 6)
    losses = [other.terms.endpoint.value(run) for run in other.sets[0].bed.judged("random").values()]
    assert pilot.sd == pytest.approx(np.sqrt(2) * np.std(losses, ddof=1))
    assert f"standard deviation of a pair {pilot.sd:.4f}" in other.sets[0].notes[0]


def test_the_primary_set_is_the_one_farthest_from_the_pool_unless_named():
    records = on_sets({"pool": 0, "outside": 1}, *ARMS)
    found = judge(records)
    assert [one.bed.held for one in found.primaries] == ["outside"]
    assert words(found)["good"] == "better"
    named = judge(records, Terms(primary="pool"))
    assert words(named)["good"] == "cannot tell"  # nor does all data gain anything there
    with pytest.raises(InputError, match=r"'elsewhere'.*\['outside', 'pool'\]"):
        judge(records, Terms(primary="elsewhere"))


def test_a_task_that_misorders_what_is_known_is_dropped():
    order = (("random-small", 0.05), *ARMS)
    found = judge(on_sets({"outside": 1, "MBPP": 1, "GSM": -1}, *order))
    by_name = {one.bed.held: one for one in found.sets}
    assert by_name["mbpp"].contrasts.trusted
    assert {arm.arm: arm.verdict.word for arm in by_name["mbpp"].claimed}["good"] == "better"
    gsm = by_name["gsm"]
    assert not gsm.contrasts.trusted
    assert {arm.verdict.word for arm in gsm.claimed} == {"no verdict"}
    assert "misorders what is known: random " in str(gsm.claimed[0].verdict)
    assert found.primaries == [by_name["outside"]]
    unchecked = judge([one for one in on_sets({"MBPP": 1}, ("random", 0.0), ("good", -0.05)) if one.arm != "untuned"])
    assert "nothing known was checked on" in str(unchecked.sets[0].claimed[0].verdict)


def test_several_beds_are_judged_together_where_their_proxies_are_trusted():
    records = on_sets({"outside": 1}, *ARMS, bed="core") + on_sets({"outside": 0.5}, *ARMS, bed="code")
    (over,) = judge(records).overall
    assert over.beds == ("core", "code")
    assert "core and code together, each judged on outside (mean over these beds): better than random: good by" in (
        judge(records).paragraph
    )
    good = next(arm for arm in over.arms if arm.arm == "good")
    each = [next(arm for arm in one.claimed if arm.arm == "good").difference.mean for one in judge(records).sets]
    assert good.difference.mean == pytest.approx(np.mean(each))
    assert {arm.arm: arm.verdict.word for arm in over.arms} == {"good": "better", "same": "equivalent", "poor": "worse"}


def test_a_source_of_a_single_row_is_judged_by_the_token_and_said():
    made = [raw(arm, seed, loss) for arm, loss in ARMS for seed in range(5)]
    for one in made:
        one["held"]["sources"][0] = "rare"
    found = judge([arm_run_of(one) for one in made])
    assert found.sets[0].compared.terms.endpoint.name == "loss per token"
    assert "a source has a single row" in found.sets[0].notes[0]


def test_a_run_that_was_not_judged_on_a_set_is_named():
    records = on_sets({"pool": 1, "outside": 1}, *ARMS)
    partial = judged_on(raw("good", 9, bed="core"), pool=-0.05) | {"budget": 0.1}
    found = judge([*records, arm_run_of(partial)])
    assert found.notes == ("core/good at 0.1, seed 9: was not judged on outside, and does not count there",)


def test_the_best_of_many_is_said_to_be_lucky():
    notes = judge(runs(*ARMS)).sets[0].notes
    assert any(note.startswith("good is the best of 3") and "fresh seeds" in note for note in notes)


def test_the_order_of_the_records_changes_no_word():
    records = on_sets({"pool": 0.3, "outside": 1}, *ARMS)
    before = judge(records)
    shuffled = random.Random(0).sample(records, len(records))
    after = judge(shuffled)
    assert words(after) == words(before)
    assert after.paragraph == before.paragraph


def test_another_null_arm_only_widens():
    before = judge(runs(*ARMS)).sets[0]
    after = judge([*runs(*ARMS), *[arm_run_of(raw("null", seed)) for seed in range(6)]]).sets[0]
    wider = {arm.arm: arm for arm in after.claimed}
    for arm in before.claimed:
        other = wider[arm.arm]
        assert other.difference == arm.difference
        assert other.p >= arm.p
        assert other.simultaneous[0] < arm.simultaneous[0] < arm.simultaneous[1] < other.simultaneous[1]
        assert (arm.verdict.word == "better") >= (other.verdict.word == "better")


def test_null_arms_are_seldom_called_anything():
    """Of 12 arms that are random themselves at least one is found in at most the familywise 5 % of comparisons."""
    from spice_select.comparison.statistics import crossed, holm

    rng, false = np.random.default_rng(0), 0
    for _ in range(300):
        control, arms = rng.standard_normal((5, 1)), rng.standard_normal((12, 5, 1))
        noise = 0.5 * rng.standard_normal((12, 5, 30))
        adjusted = holm([crossed(values).p() for values in control - arms + noise])
        false += min(adjusted) < 0.05
    assert false / 300 < 0.075


def test_the_json_has_it_all_and_nothing_that_is_no_number():
    found = judge(on_sets({"pool": 1, "outside": 1}, *ARMS)[1:])  # without the untuned model
    stored = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert stored["paragraph"] == found.paragraph
    assert [one["primary"] for one in stored["sets"]] == [False, True]
    outside = stored["sets"][1]
    assert outside["untuned"] is None
    assert outside["pilot"]["sd"] > 0
    assert outside["headroom"]["best"] == "full"
    assert {arm["arm"]: arm["word"] for arm in outside["arms"]}["good"] == "better"
    assert "loss per token" in outside["beside"]
    assert stored["terms"]["margin"] == 0.01


def test_the_terminal_shows_tables_and_paragraph():
    console = Console(width=200, record=True, file=None, force_terminal=False)
    with console.capture() as captured:
        print_ruling(console, judge(on_sets({"pool": 1, "outside": 1}, *ARMS)))
    text = captured.get()
    assert "core at 10 % of the tokens, judged on outside" in text
    assert "(exploratory)" in text
    assert "FLOPs  " not in text  # were not counted
    assert "Better than random (Holm over 3 arms at 0.05)" in text


def test_where_tables_are_wider_than_the_terminal_each_arm_is_told_in_words():
    console = Console(width=70, force_terminal=False)
    with console.capture() as captured:
        print_ruling(console, judge(on_sets({"pool": 1, "outside": 1}, *ARMS)))
    lines = captured.get().splitlines()
    at = lines.index("good")
    told = " ".join(line.strip() for line in lines[at + 1 : at + 6])
    assert "random − arm +0.05" in told
    assert "verdict better" in told


def test_nothing_to_judge():
    with pytest.raises(InputError, match="no record"):
        judge([])
