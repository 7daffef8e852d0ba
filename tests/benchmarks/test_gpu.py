"""The GPU benchmark, run with a toy model on this processor: it ends in a table, and says that no card was there."""

import pytest
import torch
from benchmarks.gradients.gpu import measure_gpu
from benchmarks.gradients.gpu_table import UNRUN, gpu_table

no_card = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")


@no_card
def test_without_a_card_only_the_toy_runs_and_says_so():
    with pytest.raises(SystemExit, match="no GPU here"):
        measure_gpu(tiny=False, dim=16, repeats=1, limit=60, show=print)
    report = measure_gpu(tiny=True, dim=16, repeats=1, limit=1e6, show=lambda record: None)
    table = gpu_table(report)
    assert table.startswith(UNRUN)
    assert "| tiny |" in table
    assert "| (200, 16, 20) | processor |" in table
    assert table.splitlines()[-1].startswith("- ")  # where the time went
    assert [record["same"] for record in report["selector"]] == [None, True]


@no_card
def test_what_does_not_fit_into_the_time_is_left_out_by_name():
    report = measure_gpu(tiny=True, dim=16, repeats=1, limit=-1, show=print)
    assert report["models"] == report["selector"] == []
    assert "Left out: tiny: it wants 0 s, and -1 of -1 were left" in gpu_table(report)
    assert "Left out: selection (200, 16, 20)" in gpu_table(report)


def test_a_card_that_is_used_too_little_is_told_why():
    model = {"model": "7B", "rows_per_second": 40.0, "tokens_per_second": 6000.0, "peak_mib": {"engine": 9000.0}}
    model["by_budget"] = [
        {"token_budget": 4096, "rows_per_second": 30.0, "tokens_per_second": 4500.0, "utilisation": 0.2}
    ]
    model |= {"speed": {"over_plain": {"wall": {"engine": 1.1}}, "loop_over_engine": {"wall": 6.0}}}
    report = {"device": "NVIDIA H100", "seconds": 100.0, "selector": [], "left_out": []}
    where = {"where": [("aten::mm", 0.5)]}
    low = gpu_table(report | {"models": [model | where | {"utilisation": 0.3}]})
    assert "30%, below" in low
    assert "| 7B | 4,096 | 30 | 4.5e+03 | 20% |" in low
    assert low.endswith("- 50% aten::mm")
    assert "aten::mm" not in gpu_table(report | {"models": [model | where | {"utilisation": 0.5}]})
