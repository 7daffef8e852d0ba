"""Laws of every sketch: linear, unbiased, a function of (seed, block) alone."""

import numpy as np
import pytest
import torch

from spice_select.errors import InputError
from spice_select.gradients.settings import GradientSettings
from spice_select.sketch import (
    DEFAULT,
    SKETCHES,
    Identity,
    Kronecker,
    ParameterBlock,
    Rademacher,
    SparseJL,
    default_sketch,
)
from spice_select.testing.sketch import BLOCKS, check_sketch, formed_factors, sample_factors, sketched

from .cases import CASES, Case, ids


def test_every_entry_of_the_table_has_a_case():
    assert {case.name for case in CASES} == set(SKETCHES.names)


def test_settings_help_and_errors_come_from_the_table():
    said = GradientSettings.model_fields["sketch"].description or ""
    assert all(f"`{entry.name}`: {entry.summary}" in said for entry in SKETCHES)
    with pytest.raises(InputError, match="rademacher"):
        GradientSettings(sketch="radmacher")
    with pytest.raises(InputError, match="Did you mean 'rademacher'"):
        SKETCHES["radmacher"]


def test_the_default_is_one_for_settings_and_engines():
    from spice_select.gradients import HookEngine, LoopEngine
    from spice_select.gradients.build import make_sketch

    assert GradientSettings().sketch == DEFAULT
    assert make_sketch(GradientSettings(), 0) == default_sketch() == HookEngine().sketch == LoopEngine().sketch


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_a_sketch_keeps_the_contract(case: Case):
    check_sketch(case.make, random=case.draws)
    assert case.make(0).bind(BLOCKS).dim == case.kept


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_a_sketch_says_what_it_costs(case: Case):
    sketch = case.make(0)
    assert sketch.refusal(1 << 20) is None
    assert sketch.refusal(case.refuses - 1 if case.refuses else 1 << 40) is None
    if case.refuses:
        said = sketch.refusal(case.refuses)
        assert f"--sketch {case.name} with {case.refuses:,} parameters" in said
        assert "Give --sketch kronecker" in said


@pytest.mark.parametrize(
    ("make", "at_most"), [(lambda seed: SparseJL(16, seed=seed), 1.0), (lambda seed: Rademacher(16, seed=seed), 1.0)]
)
def test_the_variance_of_an_inner_product_keeps_its_bound(make, at_most):
    dense = formed_factors(sample_factors(2))
    x, y = torch.cat([dense[block].flatten(1) for block in BLOCKS], 1).double()
    bound = (x.square().sum() * y.square().sum() + (x @ y) ** 2) / 16
    draws = torch.stack([(s := sketched(make(seed), dense).double())[0] @ s[1] for seed in range(800)])
    assert draws.var() < at_most * bound * (1 + 4 * np.sqrt(2 / 800))


def test_identity_features_are_the_gradient_itself():
    dense = formed_factors(sample_factors(3))
    whole = torch.cat([dense[block].flatten(1) for block in BLOCKS], 1)
    torch.testing.assert_close(sketched(Identity(), dense), whole)


def test_a_sparse_sketch_deals_coordinates_out_evenly_and_loses_none():
    block = ParameterBlock("layer", (10, 10))
    projection = SparseJL(16, nonzeros=2).bind([block])
    ones = torch.zeros(100, 16)
    projection.add(ones, block, torch.eye(100).view(100, 10, 10))
    assert torch.allclose(ones.abs().sum(1), torch.full((100,), 2 / 2**0.5), atol=1e-6)
    single = torch.zeros(100, 16)
    SparseJL(16).bind([block]).add(single, block, torch.eye(100).view(100, 10, 10))
    loads = single.abs().sum(0)
    assert loads.max() == 7
    assert loads.sum() == 100


def test_a_block_shorter_than_the_sketch_keeps_its_norm_exactly():
    block = ParameterBlock("layer", (4, 4))
    values = torch.randn(2, 4, 4, generator=torch.Generator().manual_seed(0))
    features = torch.zeros(2, 64)
    SparseJL(64).bind([block]).add(features, block, values)
    torch.testing.assert_close(features @ features.T, values.flatten(1) @ values.flatten(1).T)


@pytest.mark.parametrize(
    "make",
    [
        lambda: SparseJL(0),
        lambda: SparseJL(8, nonzeros=0),
        lambda: SparseJL(2, nonzeros=3),
        lambda: Rademacher(-1),
        lambda: Kronecker(8, side=0),
    ],
)
def test_a_sketch_of_no_dimension_is_refused(make):
    with pytest.raises(InputError, match="at least 1"):
        make()


def test_the_size_of_the_stretches_in_which_a_dense_sketch_is_drawn_changes_nothing(monkeypatch):
    dense = formed_factors(sample_factors(3))
    whole = sketched(Rademacher(67), dense)
    monkeypatch.setattr("spice_select.sketch.rademacher._BLOCK_ELEMENTS", 5 * 67)
    torch.testing.assert_close(sketched(Rademacher(67), dense), whole, rtol=1e-5, atol=1e-5)


def test_the_size_of_the_lots_in_which_gradients_are_formed_changes_nothing(monkeypatch):
    block, (left, right) = next(iter(sample_factors(5).items()))
    whole, lots = torch.zeros(5, 16), torch.zeros(5, 16)
    SparseJL(16).bind([block]).add_factors(whole, block, left, right)
    monkeypatch.setattr("spice_select.sketch.base._FORMED_ELEMENTS", 2 * block.size)
    SparseJL(16).bind([block]).add_factors(lots, block, left, right)
    torch.testing.assert_close(lots, whole)
