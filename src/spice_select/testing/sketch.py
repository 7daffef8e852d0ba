"""The contract of a sketch, as a suite for yours: `check_sketch` raises AssertionError naming what is broken."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from spice_select.sketch import ParameterBlock, Sketch

BLOCKS = (ParameterBlock("first", (6, 5)), ParameterBlock("second", (3, 14)), ParameterBlock("bias", (7, 1)))
"""The layers that the suite sketches."""

Formed = Mapping[ParameterBlock, Tensor]
"""Gradients of several samples, layer by layer: ``[samples, rows, columns]`` each."""


def sample_factors(samples: int, seed: int = 0, tokens: int = 4) -> dict[ParameterBlock, tuple[Tensor, Tensor]]:
    """Random gradients of `BLOCKS` as the factors that a backward pass yields, ``[samples, tokens, side]`` each."""
    generator = torch.Generator().manual_seed(seed)
    return {
        block: (
            torch.randn(samples, tokens, block.shape[0], generator=generator),
            torch.randn(samples, tokens, block.shape[1], generator=generator),
        )
        for block in BLOCKS
    }


def formed_factors(factors: Mapping[ParameterBlock, tuple[Tensor, Tensor]]) -> dict[ParameterBlock, Tensor]:
    """The gradients that factors stand for."""
    return {block: left.transpose(1, 2) @ right for block, (left, right) in factors.items()}


def sketched(sketch: Sketch, dense: Formed, blocks: Sequence[ParameterBlock] = BLOCKS) -> Tensor:
    """Features ``[samples, dim]`` of gradients, the layers added in the order given."""
    projection = sketch.bind(BLOCKS)
    features = torch.zeros(len(next(iter(dense.values()))), projection.dim)
    for block in blocks:
        projection.add(features, block, dense[block])
    return features


def check_sketch(make: Callable[[int], Sketch], *, draws: int = 600, random: bool = True) -> None:
    """Try to refute what `Sketch` promises: linear, unbiased, the same for a row alone and in company.

    Args:
        make: the sketch of a seed.
        draws: seeds over which inner products are averaged.
        random: false for a sketch that draws nothing: its inner products must be exact.

    Raises:
        AssertionError: with the promise that is broken.
    """
    _check_linear(make(5))
    _check_company(make(5))
    _check_factors(make(9))
    _check_unbiased(make, draws if random else 1)
    if random:
        _check_drawn_by_name(make)


def _check_linear(sketch: Sketch) -> None:
    a, b = (formed_factors(sample_factors(2, seed=seed)) for seed in (1, 2))
    both = {block: 2.0 * a[block] - 3.0 * b[block] for block in BLOCKS}
    found, due = sketched(sketch, both), 2.0 * sketched(sketch, a) - 3.0 * sketched(sketch, b)
    assert torch.allclose(found, due, rtol=1e-4, atol=1e-4), f"{sketch.name} is not linear"


def _check_company(sketch: Sketch) -> None:
    dense = formed_factors(sample_factors(4))
    together = sketched(sketch, dense)
    backwards = sketched(sketch, dense, blocks=BLOCKS[::-1])
    assert torch.allclose(backwards, together, rtol=1e-5, atol=1e-5), f"{sketch.name} depends on the order of layers"
    alone = sketched(sketch, {block: values[2:3] for block, values in dense.items()})[0]
    assert torch.allclose(alone, together[2], rtol=1e-5, atol=1e-5), f"{sketch.name} depends on the other samples"


def _check_factors(sketch: Sketch) -> None:
    factors = sample_factors(3)
    projection = sketch.bind(BLOCKS)
    features = torch.zeros(3, projection.dim)
    for block, (left, right) in factors.items():
        projection.add_factors(features, block, left, right)
    due = sketched(sketch, formed_factors(factors))
    assert torch.allclose(features, due, rtol=1e-4, atol=1e-4), f"{sketch.name}: factors give other features"


def _check_unbiased(make: Callable[[int], Sketch], draws: int) -> None:
    dense = formed_factors(sample_factors(3))
    flat = torch.cat([dense[block].flatten(1) for block in BLOCKS], 1)
    exact = (flat @ flat.T).double()
    grams = torch.stack([(s := sketched(make(seed), dense).double()) @ s.T for seed in range(draws)])
    error, sigma = grams.mean(0) - exact, grams.std(0, unbiased=draws > 1) / np.sqrt(draws)
    assert bool((error.abs() <= 4 * sigma + 1e-4).all()), f"{make(0).name}: inner products are biased"


def _check_drawn_by_name(make: Callable[[int], Sketch]) -> None:
    values = torch.randn(1, 6, 5, generator=torch.Generator().manual_seed(0))

    def one(seed: int, block: ParameterBlock) -> Tensor:
        projection = make(seed).bind([block])
        features = torch.zeros(1, projection.dim)
        projection.add(features, block, values.view(1, *block.shape))
        return features

    first, name = one(0, ParameterBlock("a", (6, 5))), make(0).name
    assert torch.equal(first, one(0, ParameterBlock("a", (6, 5)))), f"{name}: one seed and block give two maps"
    for seed, block in (
        (1, ParameterBlock("a", (6, 5))),
        (0, ParameterBlock("b", (6, 5))),
        (0, ParameterBlock("a", (5, 6))),
    ):
        assert not torch.allclose(first, one(seed, block)), f"{name}: seed, block name and shape do not decide its map"
