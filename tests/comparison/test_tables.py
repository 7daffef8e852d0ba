"""What was found, as tables."""

import json
import re

from spice_select.comparison.compared import compare_beds
from spice_select.comparison.records import arm_run_of
from spice_select.comparison.report_table import tables_json
from spice_select.comparison.tables import arms_table, null_checks
from tests.comparison.made import BED, raw, runs


def shown(records):
    (found,) = compare_beds(records)
    return arms_table(found)


def test_the_table_of_a_bed():
    records = [*runs(*BED), arm_run_of(raw("good", 9, -0.05))]
    table = shown(records)
    text = table.markdown()
    line = next(line for line in text.splitlines() if line.startswith("| good "))
    assert re.search(r"\| 6 \| 100 \| 4,000 \| 1\.\d{4} \| \+0\.0\d{3} ± 0\.0\d{3} \| \[", line)
    assert "better" in line
    assert "| 4,400 † (+10%) |" in text
    assert "† its supervised tokens" in text
    assert "good: seeds 9 have no random run" in text
    assert "One and the same subset for every seed: same." in text
    order = [line.split(" |")[0][2:] for line in text.splitlines() if line.startswith("| ")][1:]
    assert order[1:3] == ["untuned", "random"]
    (stored,) = json.loads(tables_json([table]))
    assert {one["arm"] for one in stored["lines"]} == {"untuned", *(name for name, *_ in BED)}
    assert next(one for one in stored["lines"] if one["arm"] == "good")["apart"] is True


def test_random_beside_random_as_a_table():
    text = null_checks(runs(("random", 0.0), seeds=11)).markdown()
    assert "| noise-40, judged on clean | 0, 1, 2, 3, 4 | 5, 6, 7, 8, 9 | 10 | " in text
    assert "none found" in text


def test_without_an_untuned_run_there_is_no_share_of_its_gain():
    records = [one for one in runs(*BED) if one.arm != "untuned"]
    text = shown(records).markdown()
    assert "| untuned |" not in text
    assert "no R" in text
