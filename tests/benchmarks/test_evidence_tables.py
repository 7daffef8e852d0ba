"""The evidence's tables, of records made up with known effects."""

import numpy as np
import pytest
from benchmarks.evidence.tables import noise, surrogates, targets, variants

from spice_select.comparison.records import arm_run_of
from spice_select.comparison.report_table import tables_markdown
from spice_select.errors import InputError
from tests.comparison.made import BED, raw, runs


def test_the_table_of_noise():
    records = runs(*BED)
    assert "spoilt picks" not in tables_markdown(targets(records))
    (table,) = noise(records)
    assert "| 5.0% |" in table.markdown()
    assert "way to clean random" in table.markdown()


def test_the_table_of_variants_and_their_mean_over_beds():
    arms = {"cold": "v1-cold", "1 checkpoint": "v1-1", "4 checkpoints": "v1-4"}
    planted = (("random", 0.0), ("v1-cold", 0.0), ("v1-1", -0.02), ("v1-4", -0.04))
    records = runs(*planted, bed="gsm8k") + runs(*planted, bed="mbpp")
    each = variants(records, arms, of="warm-up")
    assert "| warm-up | supervised tokens |" in each[0].markdown()
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
    assert "†" not in tables_markdown(each)
    longer = runs(("random", 0.0), ("v1-cold", 0.0), ("v1-4", -0.04, {"supervised": 4400}))
    assert "4,400 † (+10%)" in variants(longer, {"cold": "v1-cold", "4": "v1-4"}, of="warm-up")[0].markdown()
    with pytest.raises(InputError, match="'v1-8'"):
        variants(records, arms | {"8": "v1-8"}, of="warm-up")


def test_the_table_of_surrogates():
    made = []
    for seed in range(12):
        one = raw("random", seed, 0.01 * seed)
        made.append(arm_run_of(one))
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
