"""Runs are kept with the loss of every row, and the committed tables are what they give."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from benchmarks.evidence.__main__ import HERE, LOSSES, TERMS, without_variants
from benchmarks.evidence.kept import keep, kept, lay_out, with_results
from benchmarks.evidence.tables import noise, targets
from benchmarks.evidence.tuning import Job, result_path

from spice_select.comparison.records import ArmRun, read_arm_runs
from tests.comparison.made import BED, runs


def same(one: ArmRun, other: ArmRun) -> bool:
    held, theirs = one.held[0], other.held[0]
    picks = [replace(record.selection, seconds=0.0) for record in (one, other)]
    return (
        picks[0] == picks[1]
        and (*by_seed(one), one.steps) == (*by_seed(other), other.steps)
        and held.same_rows(theirs)
        and np.array_equal(held.sums.astype(np.float32), theirs.sums.astype(np.float32))
    )


def by_seed(record: ArmRun) -> tuple[str, str, int]:
    return record.bed, record.arm, record.seed


def test_runs_come_back_as_they_were_and_a_second_time_in_the_same_bytes(tmp_path):
    made = sorted([*runs(*BED, bed="one"), *runs(*BED, bed="two")], key=by_seed)
    assert kept(tmp_path / "none") == []
    keep(reversed(made), tmp_path)
    assert [path.stem for path in sorted(tmp_path.glob("*"))] == ["one", "two"]
    back = kept(tmp_path)
    assert len(back) == len(made)
    assert all(same(record, other) for record, other in zip(made, back, strict=True))
    before = (tmp_path / "one.parquet").read_bytes()
    keep(back, tmp_path)
    assert (tmp_path / "one.parquet").read_bytes() == before


def test_known_runs_are_not_tuned_again_unless_their_rows_have_changed(tmp_path):
    known = runs(*BED)
    jobs = [
        Job(bed=record.bed, arm=record.arm, seed=record.seed, rows=[*record.selection.rows], facts={})
        for record in known
    ]
    jobs[0] = replace(jobs[0], rows=[1, 2, 3])
    assert lay_out(known, jobs, tmp_path) == [jobs[0]]
    assert not result_path(tmp_path, jobs[0]).exists()
    laid = read_arm_runs(tmp_path / "results")
    assert len(laid) == len(known) - 1
    assert all(same(*pair) for pair in zip(sorted(known[1:], key=by_seed), sorted(laid, key=by_seed), strict=True))


def test_a_fresh_result_stands_for_the_kept_one(tmp_path):
    known = runs(*BED)
    changed = replace(known[0], steps=known[0].steps + 1)
    job = Job(bed=changed.bed, arm=changed.arm, seed=changed.seed, rows=[*changed.selection.rows], facts={})
    assert len(with_results(known, tmp_path / "results")) == len(known)
    lay_out([changed], [job], tmp_path)
    found = {by_seed(record): record.steps for record in with_results(known, tmp_path / "results")}
    assert len(found) == len(known)
    assert found[by_seed(changed)] == changed.steps


def test_another_budget_is_another_run(tmp_path):
    small, large = (replace(record, budget=share) for record in runs(*BED)[:1] for share in (0.1, 0.3))
    assert len(with_results([small, large], tmp_path / "none")) == 2
    keep([large, small], tmp_path)
    assert [record.budget for record in kept(tmp_path)] == [0.1, 0.3]
    job = Job(bed=large.bed, arm=large.arm, seed=large.seed, rows=[*large.selection.rows], facts={}, budget=0.3)
    assert lay_out([small], [job], tmp_path) == []
    assert not result_path(tmp_path, job).exists()
    lay_out([small, large], [job], tmp_path)
    assert read_arm_runs(tmp_path / "results")[0].budget == 0.3


@pytest.mark.parametrize("path", sorted(LOSSES.glob("*.parquet")), ids=lambda path: path.stem)
def test_committed_tables_are_what_the_kept_losses_give(path: Path):
    own = without_variants([record for record in kept(LOSSES) if record.bed == path.stem])
    records = [replace(record, held=record.held[:1]) for record in own]
    written = "\n".join(table.read_text(encoding="utf-8") for table in HERE.glob("*.md")).splitlines()
    for table in (noise if path.stem.startswith(("noise", "swapped")) else targets)(records, TERMS):
        assert set(table.markdown().splitlines()) <= set(written)
