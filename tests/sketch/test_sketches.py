"""Laws of every sketch: linear, unbiased, a function of (seed, block) alone."""

import numpy as np
import pytest
import torch

from spice_select.errors import InputError
from spice_select.sketch import Identity, Kronecker, ParameterBlock, Rademacher, SparseJL

BLOCKS = (ParameterBlock("first", (6, 5)), ParameterBlock("second", (3, 14)), ParameterBlock("bias", (7, 1)))
RANDOM = {
    "sparse-jl": lambda seed: SparseJL(16, seed=seed),
    "sparse-jl-c3": lambda seed: SparseJL(16, nonzeros=3, seed=seed),
    "sparse-jl-wide": lambda seed: SparseJL(128, seed=seed),
    "rademacher": lambda seed: Rademacher(16, seed=seed),
    "rademacher-odd": lambda seed: Rademacher(67, seed=seed),
    "kronecker": lambda seed: Kronecker(16, side=3, seed=seed),
}
ALL = {**RANDOM, "identity": lambda seed: Identity()}


def gradients(samples: int, seed: int = 0, tokens: int = 4) -> dict[ParameterBlock, tuple[torch.Tensor, torch.Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    return {
        block: tuple(torch.randn(samples, tokens, side, generator=generator) for side in block.shape)
        for block in BLOCKS
    }


def formed(factors):
    return {block: left.transpose(1, 2) @ right for block, (left, right) in factors.items()}


def project(sketch, dense, blocks=BLOCKS):
    projection = sketch.bind(BLOCKS)
    samples = len(next(iter(dense.values())))
    features = torch.zeros(samples, projection.dim)
    for block in blocks:
        projection.add(features, block, dense[block])
    return features


def flat(dense):
    return torch.cat([dense[block].flatten(1) for block in BLOCKS], 1)


@pytest.mark.parametrize("make", RANDOM.values(), ids=RANDOM)
def test_inner_products_summed_over_layers_are_unbiased_over_seeds(make):
    dense = formed(gradients(3))
    exact = (flat(dense) @ flat(dense).T).double()
    draws = torch.stack([(s := project(make(seed), dense).double()) @ s.T for seed in range(600)])
    error = draws.mean(0) - exact
    sigma = draws.std(0) / np.sqrt(len(draws))
    assert (error.abs() <= 4 * sigma + 1e-4).all(), f"off by {(error / sigma).abs().max():.1f} standard errors"


@pytest.mark.parametrize(("make", "at_most"), [(RANDOM["sparse-jl"], 1.0), (RANDOM["rademacher"], 1.0)])
def test_the_variance_of_an_inner_product_keeps_its_bound(make, at_most):
    dense = formed(gradients(2))
    x, y = flat(dense).double()
    bound = (x.square().sum() * y.square().sum() + (x @ y) ** 2) / 16
    draws = torch.stack([(s := project(make(seed), dense).double())[0] @ s[1] for seed in range(800)])
    assert draws.var() < at_most * bound * (1 + 4 * np.sqrt(2 / 800))


def test_identity_features_are_the_gradient_itself():
    dense = formed(gradients(3))
    torch.testing.assert_close(project(Identity(), dense), flat(dense))


@pytest.mark.parametrize("make", ALL.values(), ids=ALL)
def test_a_sketch_is_linear(make):
    a, b = formed(gradients(2, seed=1)), formed(gradients(2, seed=2))
    both = {block: 2.0 * a[block] - 3.0 * b[block] for block in BLOCKS}
    torch.testing.assert_close(
        project(make(5), both), 2.0 * project(make(5), a) - 3.0 * project(make(5), b), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("make", ALL.values(), ids=ALL)
def test_the_order_of_layers_and_the_company_in_the_batch_do_not_matter(make):
    dense = formed(gradients(4))
    backwards = project(make(5), dense, blocks=BLOCKS[::-1])
    torch.testing.assert_close(backwards, project(make(5), dense), rtol=1e-5, atol=1e-5)
    alone = project(make(5), {block: values[2:3] for block, values in dense.items()})
    torch.testing.assert_close(alone[0], project(make(5), dense)[2], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("make", ALL.values(), ids=ALL)
def test_factors_give_what_the_formed_gradient_gives(make):
    factors = gradients(3)
    projection = make(9).bind(BLOCKS)
    features = torch.zeros(3, projection.dim)
    for block, (left, right) in factors.items():
        projection.add_factors(features, block, left, right)
    torch.testing.assert_close(features, project(make(9), formed(factors)), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("make", RANDOM.values(), ids=RANDOM)
def test_another_seed_block_name_or_shape_gives_another_map(make):
    values = torch.randn(1, 6, 5, generator=torch.Generator().manual_seed(0))

    def sketched(seed, block):
        projection = make(seed).bind([block])
        features = torch.zeros(1, projection.dim)
        projection.add(features, block, values.view(1, *block.shape))
        return features

    first = sketched(0, ParameterBlock("a", (6, 5)))
    assert torch.equal(first, sketched(0, ParameterBlock("a", (6, 5))))
    for seed, block in [
        (1, ParameterBlock("a", (6, 5))),
        (0, ParameterBlock("b", (6, 5))),
        (0, ParameterBlock("a", (5, 6))),
    ]:
        assert not torch.allclose(first, sketched(seed, block))


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
    dense = formed(gradients(3))
    whole = project(Rademacher(67), dense)
    monkeypatch.setattr("spice_select.sketch.rademacher._BLOCK_ELEMENTS", 5 * 67)
    torch.testing.assert_close(project(Rademacher(67), dense), whole, rtol=1e-5, atol=1e-5)


def test_the_size_of_the_lots_in_which_gradients_are_formed_changes_nothing(monkeypatch):
    block, (left, right) = next(iter(gradients(5).items()))
    whole, lots = torch.zeros(5, 16), torch.zeros(5, 16)
    SparseJL(16).bind([block]).add_factors(whole, block, left, right)
    monkeypatch.setattr("spice_select.sketch.base._FORMED_ELEMENTS", 2 * block.size)
    SparseJL(16).bind([block]).add_factors(lots, block, left, right)
    torch.testing.assert_close(lots, whole)
