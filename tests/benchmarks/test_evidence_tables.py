"""Records made up with known effects go through to the comparison, its tables and its picture."""

import json
import re

import numpy as np
import pytest
from benchmarks.evidence.comparison import Plan, beds, compare, null_check
from benchmarks.evidence.figures import draw
from benchmarks.evidence.records import load, record_of
from benchmarks.evidence.statistics import MacroOverSources
from benchmarks.evidence.tables import as_json, markdown, noise, null_checks, surrogates, targets, warm_up

from spice_select.errors import InputError

ROWS = 60
TOKENS = np.random.default_rng(0).integers(3, 40, ROWS)
DIFFICULTY = 1.5 + 0.5 * np.random.default_rng(1).standard_normal(ROWS)


def raw(arm, seed, loss=0.0, *, bed="noise-40", supervised=4000, bad=None, picks=None, name="clean"):
    """The JSON of a run whose rows lie `loss` above their difficulty, but for noise of the seed and of the pair."""
    rng = np.random.default_rng([1, seed, sum(map(ord, arm + bed))])
    shared = 0.002 * np.random.default_rng(seed).standard_normal()  # what a seed does to every arm
    own = 0.002 * rng.standard_normal() + 0.005 * rng.standard_normal(ROWS)
    losses = DIFFICULTY + loss + (0 if arm == "untuned" else shared + own)
    picks = picks if picks is not None else rng.choice(1000, 100, replace=False).tolist()
    selection = {"rows": picks, "supervised": supervised, "tokens": 9000, "bad": bad, "seconds": 1.0}
    return {
        "bed": bed,
        "arm": arm,
        "seed": seed,
        "selection": None if arm == "untuned" else selection,
        "steps": 26,
        "held": {
            "name": name,
            "rows": list(range(ROWS)),
            "sources": ["a", "b", "c"] * (ROWS // 3),
            "sums": (losses * TOKENS).tolist(),
            "tokens": TOKENS.tolist(),
        },
        "training_seconds": 30.0,
    }


def runs(*arms, seeds=6, bed="noise-40"):
    """`arms`: name, loss, and what else `raw` takes."""
    made = [raw("untuned", 0, 0.2, bed=bed)]
    for name, loss, *more in arms:
        made += [raw(name, seed, loss, bed=bed, **(more[0] if more else {})) for seed in range(seeds)]
    return [record_of(one) for one in made]


BED = (
    ("random", 0.0, {"bad": 40}),
    ("good", -0.05, {"bad": 5}),
    ("poor", 0.04, {"bad": 60}),
    ("same", 0.0, {"bad": 40, "picks": list(range(100))}),
    ("long", -0.03, {"supervised": 4400}),
    ("clean-random", -0.1, {"bad": 0}),
)


def words(records, plan=None):
    (found,) = compare(records, plan)
    return {one.arm: one.verdict.word for one in found.arms}


def test_records_are_read_back(tmp_path):
    for place, one in enumerate((raw("random", 0), raw("untuned", 0), raw("random", 1, bad=3))):
        folder = tmp_path / one["arm"]
        folder.mkdir(exist_ok=True)
        (folder / f"{place}.json").write_text(json.dumps(one | {"host": "not read"}))
    found = load(tmp_path)
    assert [(one.arm, one.seed, one.selection.bad) for one in found] == [
        ("random", 0, None),
        ("random", 1, 3),
        ("untuned", 0, None),
    ]
    assert found[0].held.sums.sum() == pytest.approx(sum(raw("random", 0)["held"]["sums"]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda one: one["held"]["sums"].pop(), "59"),
        (lambda one: one["held"]["sums"].__setitem__(3, float("nan")), "row 3 is not finite"),
        (lambda one: one["held"]["tokens"].__setitem__(7, 0), "row 7 has no supervised token"),
        (lambda one: one.pop("seed"), "'seed'"),
    ],
)
def test_a_record_that_is_none_is_named(tmp_path, change, message):
    one = raw("random", 0)
    change(one)
    (tmp_path / "one.json").write_text(json.dumps(one))
    with pytest.raises(InputError, match=rf"one\.json.*{message}"):
        load(tmp_path)


def test_a_folder_without_records_and_a_run_that_is_there_twice(tmp_path):
    with pytest.raises(InputError, match="holds no record"):
        load(tmp_path)
    for name in ("one", "other"):
        (tmp_path / f"{name}.json").write_text(json.dumps(raw("random", 0)))
    with pytest.raises(InputError, match=r"other\.json.*one\.json"):
        load(tmp_path)


def test_each_arm_gets_its_word():
    assert words(runs(*BED)) == {
        "good": "better",
        "poor": "worse",
        "same": "equivalent",
        "long": "no verdict",
        "clean-random": "no verdict",
    }


def test_tokens_are_compared_over_shared_seeds():
    """Random's other seeds, which the arm has no part in, drew more."""
    more = [record_of(raw("random", seed, supervised=8000)) for seed in range(6, 9)]
    (found,) = compare([*runs(("random", 0.0), ("good", -0.05)), *more])
    assert found.arms[0].apart == 0
    assert found.arms[0].verdict.word == "better"


def test_no_verdict_before_five_seeds():
    assert set(words(runs(*BED, seeds=4)).values()) == {"no verdict"}


def test_the_planted_numbers_come_out():
    (found,) = compare(runs(*BED))
    by_name = {one.arm: one for one in found.arms}
    good = by_name["good"]
    assert found.family == 4  # clean-random is a reference
    assert good.difference.mean == pytest.approx(0.05, abs=0.005)
    assert good.difference.mean == pytest.approx(np.mean(good.by_seed))
    assert good.difference.mean == pytest.approx(found.control.loss - good.loss)
    assert good.recovered.bounded
    assert good.recovered.value == pytest.approx(0.25, abs=0.02)
    assert good.recovered.low < 0.25 < good.recovered.high  # 0.05 of 0.2
    assert good.way.bounded
    assert good.way.low < 0.5 < good.way.high  # 0.05 of 0.1
    assert good.bootstrap == pytest.approx(good.difference.interval(), abs=0.001)
    assert good.bad == pytest.approx(0.05)
    assert good.simultaneous[0] < good.difference.interval()[0]
    assert by_name["clean-random"].way is None
    assert next(one.arm for one in found.arms) == "clean-random"  # the best first


def test_an_arm_without_enough_seeds_still_counts_in_the_family():
    records = [*runs(*BED[:3]), record_of(raw("late", 0))]
    (found,) = compare(records)
    assert found.family == 3
    smallest = min((one for one in found.arms if one.p is not None), key=lambda one: one.p)
    assert smallest.p == pytest.approx(3 * smallest.difference.p())
    late = next(one for one in found.arms if one.arm == "late")
    assert late.difference is None
    assert str(late.verdict) == "no verdict (paired seeds: 1, at least 5 are needed)"


def test_another_endpoint_is_another_number():
    plan = Plan(endpoint=MacroOverSources())
    (by_token,), (macro,) = compare(runs(*BED)), compare(runs(*BED), plan)
    assert macro.control.loss != by_token.control.loss
    assert words(runs(*BED), plan)["good"] == "better"


def test_runs_judged_on_other_rows_are_not_compared():
    other = raw("good", 0)
    other["held"]["rows"][0] = 999
    with pytest.raises(InputError, match="other held-out rows"):
        beds([*runs(("random", 0.0)), record_of(other)])
    with pytest.raises(InputError, match="'random'"):
        compare(runs(("good", 0.0)))


def test_random_beside_random():
    (bed,) = beds(runs(("random", 0.0), seeds=11))
    found = null_check(bed)
    assert (len(found.first), len(found.second), found.left_out) == (5, 5, (10,))
    assert found.passed()
    text = null_checks(runs(("random", 0.0), seeds=11)).markdown()
    assert "| noise-40, judged on clean | 0, 1, 2, 3, 4 | 5, 6, 7, 8, 9 | 10 | " in text
    assert "none found" in text
    with pytest.raises(InputError, match="need four"):
        null_check(beds(runs(("random", 0.0), seeds=3))[0])


def test_the_tables_of_targets_and_noise():
    records = [*runs(*BED), record_of(raw("good", 9, -0.05))]
    text = markdown(targets(records))
    line = next(line for line in text.splitlines() if line.startswith("| good "))
    assert re.search(r"\| 6 \| 100 \| 4,000 \| 1\.\d{4} \| \+0\.0\d{3} ± 0\.0\d{3} \| \[", line)
    assert "better" in line
    assert "| 4,400 † (+10%) |" in text
    assert "† its supervised tokens" in text
    assert "good: seeds 9 have no random run" in text
    assert "One and the same subset for every seed: same." in text
    order = [line.split(" |")[0][2:] for line in text.splitlines() if line.startswith("| ")][1:]
    assert order[1:3] == ["untuned", "random"]
    assert "spoilt picks" not in text
    (table,) = noise(records)
    assert "| 5.0% |" in table.markdown()
    assert "way to clean random" in table.markdown()
    (stored,) = json.loads(as_json([table]))
    assert {one["arm"] for one in stored["lines"]} == {"untuned", *(name for name, *_ in BED)}
    assert next(one for one in stored["lines"] if one["arm"] == "good")["apart"] is True


def test_without_an_untuned_run_there_is_no_share_of_its_gain():
    records = [one for one in runs(*BED) if one.arm != "untuned"]
    text = markdown(targets(records))
    assert "| untuned |" not in text
    assert "no R" in text


def test_the_table_of_warm_ups_and_their_mean_over_beds():
    arms = {"cold": "v1-cold", "1 checkpoint": "v1-1", "4 checkpoints": "v1-4"}
    planted = (("random", 0.0), ("v1-cold", 0.0), ("v1-1", -0.02), ("v1-4", -0.04))
    records = runs(*planted, bed="gsm8k") + runs(*planted, bed="mbpp")
    each = warm_up(records, arms)
    assert [table.title for table in each] == [
        "gsm8k, judged on clean",
        "mbpp, judged on clean",
        "mean over 2 beds",
    ]
    cold, _, four = each[2].lines
    assert cold["over first"] is None
    assert four["over first"]["mean"] == pytest.approx(
        np.mean([table.lines[2]["over first"]["mean"] for table in each[:2]])
    )
    assert four["over first"]["mean"] == pytest.approx(0.04, abs=0.005)
    assert four["errors"] > 2
    assert four["p"] < 0.05
    assert "†" not in markdown(each)
    longer = runs(("random", 0.0), ("v1-cold", 0.0), ("v1-4", -0.04, {"supervised": 4400}))
    assert "4,400 † (+10%)" in warm_up(longer, {"cold": "v1-cold", "4": "v1-4"})[0].markdown()
    with pytest.raises(InputError, match="'v1-8'"):
        warm_up(records, arms | {"8": "v1-8"})


def test_the_table_of_surrogates():
    made = []
    for seed in range(12):
        one = raw("random", seed, 0.01 * seed)
        made.append(record_of(one))
    values = {
        "explained share": {seed: -float(seed) for seed in range(12)},
        "log det": {seed: float((seed * 7) % 12) for seed in range(12)},
    }
    (table,) = surrogates(made, values)
    found = {line["surrogate"]: line for line in table.lines}
    assert found["explained share"]["rho"] < -0.9
    assert found["explained share"]["adjusted p"] < 0.01
    assert abs(found["log det"]["rho"]) < 0.7
    assert "supervised tokens is the same for all subsets" in table.markdown()
    with pytest.raises(InputError, match=r"log det.*\[11\]"):
        surrogates(made, {"log det": {seed: float(seed) for seed in range(11)}})


def test_the_picture_names_every_arm_and_is_the_same_twice(tmp_path):
    records = [*runs(*BED), record_of(raw("late", 0))]
    for name in ("one.svg", "two.svg"):
        draw(compare(records), tmp_path / name)
    one, two = ((tmp_path / name).read_text() for name in ("one.svg", "two.svg"))
    assert one == two
    for name, *_ in BED[1:]:
        assert f"<!-- {name} (6 seeds) -->" in one
    assert "not shown, too few seeds: late" in one
