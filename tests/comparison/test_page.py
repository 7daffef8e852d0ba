"""The page of a comparison."""

import json
from pathlib import Path

import pytest

from spice_select.comparison import judge
from spice_select.comparison.costs import Cost
from spice_select.comparison.facts import ArmFacts, InGradients
from spice_select.comparison.page import comparison_figures, write_budgets_page, write_comparison_page
from spice_select.comparison.reading import read_comparison
from spice_select.comparison.result import RESULTS_FILE, ArmFailure, MethodsCompared
from spice_select.errors import InputError
from spice_select.store import write_json
from tests.comparison.test_ruling import ARMS, on_sets

HOSTILE = "</script><script>document.title='x'</script>\u202e\x1b[31m"


def facts(arm, seed=0, *, measured=True, source="s"):
    cost = Cost(features=("gradients",), seconds=1.0, flops=None, marginal_seconds=0.0, marginal_flops=0.0)
    gradients = InGradients(
        information=2.0, certified=0.9, explained=0.1, explained_target={"target": 0.2}, conflicting=0.1, missing=0
    )
    return ArmFacts(
        arm=arm, seed=seed, rows=10, tokens=200, supervised=100, shortfall=0.01, sources={source: 10}, cost=cost,
        gradients=gradients if measured else None,
    )  # fmt: skip


def compared(path: Path, ruling=None, **more) -> MethodsCompared:
    told = {
        "facts": [facts("random"), facts("random", 1), facts("good", measured=True)],
        "overlap": {"random": {"good": 0.1}, "good": {"random": 0.1}},
        "failures": (),
        "notes": ("a note",),
        "asked": ("--methods", "random", "good", "--target", "my dev.jsonl"),
    }
    return MethodsCompared(
        path=path, pool="rows.jsonl", rows=100, budget="10%", supervised=100, curvature=0.5, diversity={},
        ruling=ruling, scores={}, **{**told, **more},
    )  # fmt: skip


def test_a_ruling_stands_on_top_in_words(tmp_path):
    ruling = judge(on_sets({"outside": 1}, *ARMS))
    page = write_comparison_page(compared(tmp_path, ruling)).read_text(encoding="utf-8")
    assert "<h2>Better than random on outside at 10 % of the tokens: good.</h2>" in page
    assert ruling.paragraph.split("\n\n")[0][:60] in page
    names = [figure.name for figure in comparison_figures(compared(tmp_path, ruling))]
    assert names == ["verdicts", "costs", "explained", "source-shares", "overlap"]
    assert all(f'id="{name}"' in page for name in names)


def test_where_no_arm_has_a_verdict_the_headline_does_not_give_one(tmp_path):
    few = [one for one in on_sets({"outside": 1}, *ARMS) if one.seed < 2]
    page = write_comparison_page(compared(tmp_path, judge(few))).read_text(encoding="utf-8")
    assert "<h2>No verdict on any arm on outside" in page


def test_without_tunings_the_page_says_that_nothing_says_who_is_better(tmp_path):
    page = write_comparison_page(compared(tmp_path)).read_text(encoding="utf-8")
    assert "nothing here says which makes a better one" in page
    assert "spice compare rows.jsonl --methods random good --target &#39;my dev.jsonl&#39; --train" in page


def test_seeds_too_few_to_train_with_are_not_asked_for_with_train(tmp_path):
    page = write_comparison_page(compared(tmp_path, asked=["--seeds", "0", "--budget", "5%"])).read_text("utf-8")
    assert "--budget 5% --train" in page
    assert "--seeds 0 " not in page
    page = write_comparison_page(compared(tmp_path, asked=["--seeds", "0,1"])).read_text("utf-8")
    assert "--seeds 0,1 --train" in page


def test_where_every_tuning_failed_the_page_does_not_ask_for_tunings(tmp_path):
    failure = ArmFailure(arm="random", seed=0, what="tuning", cause="its loss is not finite", mendable=True)
    found = compared(tmp_path, failures=[failure], asked=("--methods", "good", "--train"))
    page = write_comparison_page(found).read_text(encoding="utf-8")
    assert "no draw of random was tuned and judged" in page
    assert "spice compare rows.jsonl" not in page


def test_a_name_that_stands_for_two_arms_makes_no_curve(tmp_path):
    found = list[MethodsCompared]()
    for budget, text in (("10", "x=spice_alpha=2"), ("20", "x=spice_alpha=3")):
        folder = tmp_path / budget
        (folder / "records").mkdir(parents=True)
        write_json(folder / "identity.json", {"budget": budget, "train_rank": 8})
        (folder / "records" / f"{text}--0.json").touch()
        found.append(compared(folder, judge(on_sets({"pool": 1}, *ARMS))))
    with pytest.raises(InputError, match="'x' is spice_alpha=3 there, and spice_alpha=2 in"):
        write_budgets_page(found, tmp_path / "both.html")
    write_json(tmp_path / "20" / "identity.json", {"budget": "20", "train_rank": 16})
    with pytest.raises(InputError, match=r"differ by more than their budget \(train_rank: 8 and 16\)"):
        write_budgets_page(found, tmp_path / "both.html")


def test_arms_that_none_measured_have_no_figure_of_gradients(tmp_path):
    found = compared(tmp_path, facts=[facts("random", measured=False, source="")], overlap={"random": {}})
    assert comparison_figures(found) == []
    assert "What each chose" in write_comparison_page(found).read_text(encoding="utf-8")


def test_what_failed_and_text_of_data_are_said_and_do_nothing(tmp_path):
    failure = ArmFailure(arm="spice", seed=1, what="choice", cause=HOSTILE, mendable=True)
    found = compared(tmp_path, failures=[failure], notes=[HOSTILE], facts=[facts("random", source=HOSTILE)])
    page = write_comparison_page(found).read_text(encoding="utf-8")
    assert "spice, seed 1, choice:" in page
    assert "<script>document.title" not in page
    assert "\x1b" not in page


def test_a_comparison_is_read_back_as_it_was(tmp_path):
    found = compared(tmp_path)
    write_json(tmp_path / RESULTS_FILE, found.to_json())
    again = read_comparison(tmp_path)
    assert again.to_json() == json.loads(json.dumps(found.to_json()))


def test_what_is_no_comparison_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"comparison.json is missing"):
        read_comparison(tmp_path)
    (tmp_path / RESULTS_FILE).write_text('{"pool": 1}')
    with pytest.raises(InputError, match="not as this version writes it"):
        read_comparison(tmp_path)
