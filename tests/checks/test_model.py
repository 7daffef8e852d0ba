"""`check_model` says in numbers what company and precision do to a feature, with what rounding explains."""

from pathlib import Path

import pytest

from spice_select.checks import model as checks
from spice_select.checks.model import ModelReport, check_model
from spice_select.diagnosis.theory import CheckResult
from spice_select.gradients.parameters.lora import _FreshCapture
from spice_select.run.settings import SelectSettings


def checked(model: Path, dtype: str) -> dict[str, CheckResult]:
    report: ModelReport = check_model(SelectSettings.from_flat({"model": str(model), "dtype": dtype}))
    return {check.name: check for check in report.checks}


def test_in_float32_bfloat16_is_measured_and_not_held_against_the_model(tiny_proxy: Path) -> None:
    found = checked(tiny_proxy, "float32")
    company, other = found["company changes nothing"], found["features in bfloat16"]
    assert company.passed
    assert company.value < 1e-5
    assert "in the median" in company.sentence
    assert "rounding explains" in company.sentence
    assert other.passed is None
    assert 1e-3 < other.value < 0.2
    assert other.sentence.startswith("bfloat16 moves features from float32 by 0.0")


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_a_run_in_half_precision_is_held_against_float32(tiny_proxy: Path, dtype: str) -> None:
    found = checked(tiny_proxy, dtype)
    assert [name for name, check in found.items() if check.passed is False] == []
    other = found["features in float32"]
    assert other.passed
    assert 1e-4 < other.value < 0.2
    assert other.sentence.startswith(f"{dtype} moves features from float32 by ")


def test_an_error_far_below_what_was_once_allowed_is_found(tiny_proxy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In float32 a tenth of a percent passed as rounding; what rounding explains on the model is less."""
    keep = _FreshCapture.keep
    monkeypatch.setattr(_FreshCapture, "keep", lambda self, inputs: keep(self, inputs) * (1 + 5e-4))
    assert checked(tiny_proxy, "float32")["engine equals loop"].passed is False


def test_a_model_too_large_for_a_second_precision_is_left_as_it_is(
    tiny_proxy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "too_dear", lambda model, examples, dtype: "it is too large")
    other = checked(tiny_proxy, "float32")["features in bfloat16"]
    assert other.passed is None
    assert other.sentence == "Not measured: it is too large."
