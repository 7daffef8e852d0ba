"""A batch of examples as tensors: padded on the right, with the positions that predict a supervised token.

A pair takes two lines of a batch, its chosen answer's and below it its rejected one's, and is one of its rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from spice_select.data.records import Example, Ids, PairExample, Sample
from spice_select.errors import InputError
from spice_select.models.probe import by_row


@dataclass(frozen=True, slots=True, kw_only=True)
class PaddedBatch:
    """Examples side by side.

    Padding is on the right and no attention mask is needed: under causal attention no position sees what stands to
    its right, and no loss is taken there, so padding receives a gradient of exactly zero. Tokens after a row's last
    but one supervised position predict nothing that is trained on and are cut off.

    Attributes:
        input_ids: int64 ``[s, tokens]``, a line for each sequence: ``s = b`` for examples, ``2b`` for pairs.
        rows: int64 ``[n]``: line of each predicting position, ascending.
        columns: int64 ``[n]``: its column; the target of column t is token t+1.
        targets: int64 ``[n]``: the token to predict.
        counts: int64 ``[s]``: supervised tokens of each line.
        shared: int64 ``[b]``: tokens that both answers of each pair begin with; None where there are no pairs.
        signs: float32 ``[b]``: −1 for rows marked as answers not to give, 1 for all others; None where none is marked.
    """

    input_ids: Tensor
    rows: Tensor
    columns: Tensor
    targets: Tensor
    counts: Tensor
    shared: Tensor | None = None
    signs: Tensor | None = None

    @classmethod
    def of(cls, samples: Sequence[Sample], device: torch.device, vocabulary: int | None = None) -> "PaddedBatch":
        """Pad the examples to the longest.

        Args:
            samples: one row each, all pairs or none.
            device: where the tensors are put.
            vocabulary: how many tokens the model knows; None where that is checked elsewhere.

        Raises:
            InputError: no example, or one without a supervised token, or supervised at its first token, or with a token
                that the model does not know; pairs beside single examples.
        """
        if not samples:
            raise InputError("a batch of no examples: give at least one")
        pairs = [sample for sample in samples if isinstance(sample, PairExample)]
        if pairs and len(pairs) < len(samples):
            raise InputError(f"a batch of {len(samples)} rows, {len(pairs)} of them pairs: give all pairs, or none")
        examples = [example for sample in samples for example in sample.sequences]
        check_tokens(examples, vocabulary)
        positions = [_predicting(example) for example in examples]
        width = max(int(p[-1]) + 1 for p in positions)
        ids = np.empty((len(examples), width), dtype=np.int64)
        for row, (example, where) in enumerate(zip(examples, positions, strict=True)):
            length = int(where[-1]) + 1
            ids[row, :length] = example.input_ids[:length]
            ids[row, length:] = example.input_ids[0]  # any token will do: nothing sees it
        counts = np.array([len(p) for p in positions], dtype=np.int64)
        targets = np.concatenate([e.input_ids[p + 1] for e, p in zip(examples, positions, strict=True)])
        arrays = {
            "input_ids": ids,
            "rows": np.repeat(np.arange(len(examples)), counts),
            "columns": np.concatenate(positions),
            "targets": targets.astype(np.int64),
            "counts": counts,
        }
        if pairs:
            arrays["shared"] = np.array([pair.shared for pair in pairs], dtype=np.int64)
        elif any(example.label is not None for example in examples):
            arrays["signs"] = np.array([example.sign for example in examples], dtype=np.float32)
        return cls(**{name: torch.from_numpy(a).to(device) for name, a in arrays.items()})

    @property
    def size(self) -> int:
        """Number of rows: examples, or pairs."""
        return len(self.counts) if self.shared is None else len(self.shared)

    @property
    def owners(self) -> Tensor:
        """Row of each predicting position, int64 ``[n]``: of a pair, both answers' alike."""
        return self.rows if self.shared is None else self.rows // 2

    @property
    def places(self) -> Tensor:
        """Which of its line's supervised tokens each position predicts, from 0, int64 ``[n]``."""
        return self._slots(self.counts, self.rows)

    def _slots(self, counts: Tensor, rows: Tensor) -> Tensor:
        first = torch.cumsum(counts, 0) - counts
        return torch.arange(len(rows), device=rows.device) - first[rows]

    def by_row(self, values: Tensor) -> Tensor | None:
        """A layer's tensor as ``[b, positions, ·]``, whichever way the model laid its tokens out.

        The positions of a pair's two lines are strung together: a gradient is a sum over all of a row's positions.

        Args:
            values: ``[s, tokens, ·]``, also with further dimensions (heads), ``[s·tokens, ·]``, or ``[1, n, ·]`` at the
                predicting positions alone (as the output head sees them), which comes back padded with zeros.

        Returns:
            None where the layout is none of these, so that tokens cannot be told apart by row.
        """
        lines, width = self.input_ids.shape
        if values.ndim == 3 and values.shape[:2] == (lines, width):
            return values if self.shared is None else values.reshape(self.size, 2 * width, -1)
        if by_row(values.shape, lines, width):
            return values.reshape(self.size, -1, values.shape[-1])
        if values.ndim == 3 and values.shape[:2] == (1, len(self.rows)):
            counts, owners = self.counts.reshape(self.size, -1).sum(1), self.owners
            padded = values.new_zeros(self.size, int(counts.max()), values.shape[2])
            padded[owners, self._slots(counts, owners)] = values[0]
            return padded
        return None


def padded_ids(examples: Sequence[Example], device: torch.device) -> tuple[Tensor, Tensor]:
    """Whole rows side by side, padded on the right: int64 ``[b, tokens]``, and their lengths, int64 ``[b]``."""
    return padded([example.input_ids for example in examples], device)


def padded(texts: Sequence[Ids], device: torch.device) -> tuple[Tensor, Tensor]:
    """Tokens of texts side by side, padded on the right: int64 ``[b, tokens]``, and their lengths, int64 ``[b]``."""
    lengths = [len(text) for text in texts]
    ids = np.empty((len(texts), max(lengths)), dtype=np.int64)
    for row, text in enumerate(texts):
        ids[row, : lengths[row]] = text
        ids[row, lengths[row] :] = text[0]  # any token will do: nothing sees it
    return torch.from_numpy(ids).to(device), torch.tensor(lengths, device=device)


def check_tokens(examples: Sequence[Example], vocabulary: int | None) -> None:
    """Raise InputError where a row has a token beyond those that a model knows; None: it is not known how many."""
    largest = [int(example.input_ids.max(initial=0)) for example in examples] if vocabulary is not None else []
    strange = [position for position, token in enumerate(largest) if token >= (vocabulary or 0)]
    if strange:
        first = strange[0]
        others = f" ({len(strange) - 1:,} more of {len(examples):,} rows have such)" if len(strange) > 1 else ""
        raise InputError(
            f"row {examples[first].row} has token {largest[first]}, and the model knows {vocabulary}: its tokenizer "
            f"has tokens that the embedding has no rows for{others}. Give the tokenizer that belongs to the model, or "
            "resize the embeddings"
        )


def _predicting(example: Example) -> np.ndarray:
    """Positions whose next token is supervised."""
    where = np.flatnonzero(example.supervised)
    if len(where) == 0 or where[0] == 0:
        fault = "no supervised token" if len(where) == 0 else "a supervised first token, which nothing predicts"
        raise InputError(f"row {example.row} has {fault}: leave it out of the batch")
    return where - 1
