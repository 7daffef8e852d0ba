"""The forecast of large runs: what it must say whatever the numbers are."""

from dataclasses import replace
from itertools import pairwise

import pytest
from benchmarks.scale.prediction import GPUS, ROWS, Assumed, Counted, SelectionCase, predicted_and_actual, scale_table

COUNTED = Counted(
    of_eager=dict.fromkeys(GPUS, 0.75), picks_a_round=dict.fromkeys(GPUS, 30.0), rows_a_pick=dict.fromkeys(GPUS, 9.0)
)


def test_more_gpus_take_less_time_and_never_less_work() -> None:
    lines = scale_table(COUNTED, Assumed(round_trip=0.0, link=1e30))
    assert [(line["rows"], line["gpus"]) for line in lines] == [(rows, gpus) for rows in ROWS for gpus in GPUS]
    for rows in ROWS:
        hours = [line["gradient_hours"] + line["selection_hours"] for line in lines if line["rows"] == rows]
        assert hours == sorted(hours, reverse=True)
        assert all(8 * later >= sooner for sooner, later in pairwise(hours))


def test_one_gpu_without_a_model_to_load_takes_the_work_alone() -> None:
    assumed = replace(Assumed(), load=0.0, part=1.0)
    line = scale_table(COUNTED, assumed)[0]
    tokens = ROWS[0] * assumed.row_tokens
    expected = 4 * assumed.parameters * tokens / (assumed.peak * assumed.utilisation) / 3600
    assert line["gradient_hours"] == pytest.approx(expected, rel=1e-2)
    assert line["selection_terms_hours"]["rounds"] == 0.0


def test_a_prediction_comes_with_what_it_took() -> None:
    found = predicted_and_actual(SelectionCase(kind="unit", n=800, d=64, k=160))
    assert found["off"] == pytest.approx(found["predicted_seconds"] / found["actual_seconds"] - 1)
    assert 0 < found["share_of_eager_actual"] <= 2
