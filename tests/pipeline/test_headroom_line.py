"""The line on headroom that ends a run's summary: from what the run knows, and nothing where it knows no gradients."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import make_sums

import spice_select as spice_package
from spice_select.diagnosis.common_direction import common_share, random_alignment
from spice_select.diagnosis.headroom_line import headroom_line
from spice_select.run.summary import Summary

Corpus = Callable[..., Path]


@pytest.mark.parametrize("schedule", ["global", "interleaved"])
def test_a_run_says_how_far_random_picks_get(
    corpus: Corpus, tiny_proxy: Path, tmp_path: Path, spice: Callable[..., tuple[int, str, str]], schedule: str
) -> None:
    shared = ("--budget", 8, "--model", tiny_proxy, "--sketch-dim", 32, "--schedule", schedule)
    pools = ("--pool-size", 20) if schedule == "interleaved" else ()
    code, out, err = spice("select", corpus(), "--out", tmp_path / "run", *shared, *pools)
    assert (code, err) == (0, "")
    run = spice_package.load(tmp_path / "run")
    common = common_share(run.matrix)
    assert f"8 rows follows the pool's mean gradient to cos {random_alignment(common, 8):.3f}" in run.summary.headroom
    assert "headroom" in out
    assert "a random draw of 8 rows" in " ".join(out.split())


def test_with_a_target_it_says_what_the_picks_explain_of_it(corpus: Corpus, tiny_proxy: Path, tmp_path: Path) -> None:
    asked = {"target": corpus(make_sums(8, 7), "target.jsonl"), "model": str(tiny_proxy), "budget": 6}
    run = spice_package.select(corpus(), out=tmp_path / "run", **asked)
    (reached,) = run.summary.judged.target
    assert f"{reached.share / reached.random_mean:.1f} times what random picks do" in run.summary.headroom
    assert "--hold-out-target" in run.summary.headroom


@pytest.mark.parametrize(
    ("common", "said"), [(-0.003, "the rows have no direction in common"), (0.01, "what a choice gains on it is small")]
)
def test_rows_without_a_common_direction_are_not_said_to_be_followed(common: float, said: str) -> None:
    assert said in headroom_line(common, 11)


def test_without_gradients_nothing_is_said_and_older_summaries_are_read(
    corpus: Corpus, tiny_proxy: Path, tmp_path: Path
) -> None:
    run = spice_package.select(corpus(), out=tmp_path / "run", model=str(tiny_proxy), method="random", budget=6)
    assert run.summary.headroom == ""
    older = {name: value for name, value in run.summary.to_json().items() if name != "headroom"}
    assert Summary.from_json(older).headroom == ""
