"""Products of a large tensor in bfloat16 with a small one in float32, the large one not copied to float32.

A GPU multiplies bfloat16 exactly and adds in float32. So the small factor is written as the sum of two bfloat16
numbers, which leaves 2⁻¹⁷ of it out, where the large factor is known to 2⁻⁹. Everywhere else both are float32.
"""

import torch
from torch import Tensor


def times_rows(inputs: Tensor, rows: Tensor) -> Tensor:
    """``inputs […, m] @ rows [r, m]ᵀ`` in float32, or in float64 if inputs are; `rows` is float32."""
    if not _halved(inputs):
        wide = inputs if inputs.dtype == torch.float64 else inputs.float()
        return wide @ rows.to(wide).T
    both = torch.cat(_halves(rows))
    found = _product(torch.mm, inputs.reshape(-1, inputs.shape[-1]), both.T)
    return _folded(found).view(*inputs.shape[:-1], len(rows))


def summed_outer(left: Tensor, right: Tensor) -> Tensor:
    """``left [b, t, m]ᵀ @ right [b, t, r]``, float32 ``[b, m, r]``; `right` is float32."""
    if not _halved(left):
        return torch.bmm(left.float().transpose(1, 2), right.float())
    return _folded(_product(torch.bmm, left.transpose(1, 2), torch.cat(_halves(right), dim=-1)))


def _halved(values: Tensor) -> bool:
    return values.is_cuda and values.dtype == torch.bfloat16


def _halves(values: Tensor) -> tuple[Tensor, Tensor]:
    """Two bfloat16 tensors whose sum is `values` but for 2⁻¹⁷ of each number."""
    first = values.bfloat16()
    return first, (values - first.float()).bfloat16()


def _folded(both: Tensor) -> Tensor:
    """The sum of the two halves of the last dimension."""
    first, second = both.tensor_split(2, dim=-1)
    return first + second


def _product(product: object, left: Tensor, right: Tensor) -> Tensor:
    """Of bfloat16 factors, in float32."""
    return product(left, right, out_dtype=torch.float32)  # type: ignore[operator]
