"""Every loss, choice of parameters and preconditioner of the tables: its worked example, and the engine's contract."""

import subprocess
import sys

import pytest
import torch

from spice_select.errors import InputError
from spice_select.gradients import LOSSES, PARAMETERS, PRECONDITIONERS, HookEngine, LoopEngine
from spice_select.gradients.settings import GradientSettings
from spice_select.settings.table import Table
from spice_select.sketch import SparseJL
from spice_select.testing.engine import check_engine
from spice_select.testing.models import tiny_model

from .cases import (
    BLOCK,
    LOSS_CASES,
    PARAMETERS_CASES,
    PRECONDITIONER_CASES,
    STATE,
    LossCase,
    ParametersCase,
    PreconditionerCase,
    ids,
)

TABLES = [(LOSSES, LOSS_CASES), (PARAMETERS, PARAMETERS_CASES), (PRECONDITIONERS, PRECONDITIONER_CASES)]


@pytest.mark.parametrize(("table", "cases"), TABLES, ids=lambda part: getattr(part, "kind", ""))
def test_every_entry_of_the_tables_has_a_case(table, cases):
    assert {case.name for case in cases} == set(table.names)


@pytest.mark.parametrize(
    ("setting", "table"), [("loss", LOSSES), ("parameters", PARAMETERS), ("precondition", PRECONDITIONERS)]
)
def test_settings_help_and_errors_come_from_the_tables(setting: str, table: Table):
    said = GradientSettings.model_fields[setting].description or ""
    assert all(f"`{entry.name}`: {entry.summary}" in said for entry in table)
    with pytest.raises(InputError, match=table.names[-1]):
        GradientSettings(**{setting: "another"})


@pytest.mark.parametrize("case", LOSS_CASES, ids=ids)
def test_a_loss_weighs_its_tokens_by_their_number(case: LossCase):
    assert case.loss.token_weights(torch.tensor([1, 2, 4])).tolist() == list(case.weights)
    assert case.loss.name == f"token-{case.name}"


@pytest.mark.parametrize("case", PRECONDITIONER_CASES, ids=ids)
def test_a_preconditioner_makes_what_its_formula_says(case: PreconditionerCase):
    rule, gradients = case.of(STATE), torch.tensor([[[6.0, 6.0]], [[0.5, -2.0]]])
    together = rule.apply(BLOCK, gradients)
    torch.testing.assert_close(together[0, 0], torch.tensor(case.made), rtol=1e-4, atol=0)
    torch.testing.assert_close(together[1:], rule.apply(BLOCK, gradients[1:]))  # alone as in company
    assert rule.name == case.name
    assert gradients[0, 0].tolist() == [6.0, 6.0], "the gradients it was given are not its own to change"


@pytest.mark.parametrize("case", PARAMETERS_CASES, ids=ids)
def test_a_choice_of_parameters_says_what_it_covers(case: ParametersCase):
    model, chosen = tiny_model("llama"), case.parameters()
    blocks = chosen.coverage(model).blocks
    assert blocks
    assert all(block.name.endswith(case.ends) for block in blocks)
    assert blocks == tuple(block for capture in chosen.captures(model) for block in capture.blocks)


@pytest.mark.parametrize("loss", LOSS_CASES, ids=ids)
@pytest.mark.parametrize("case", PARAMETERS_CASES, ids=ids)
def test_the_fast_engine_keeps_the_contract(case: ParametersCase, loss: LossCase):
    made = (case.parameters(seed=3), SparseJL(48, seed=3), loss.loss)
    check_engine(HookEngine(*made), LoopEngine(*made))


def test_tables_and_settings_load_no_torch():
    """`--help` and a finished run are read in a tenth of a second."""
    names = ["gradients", "gradients.settings", "sketch", "export", "data.formats", "data.settings"]
    modules = ", ".join(f"spice_select.{name}" for name in names)
    script = f"import sys, {modules}; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
