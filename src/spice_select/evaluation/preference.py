"""Held-out preference pairs: does a model find the chosen answer likelier, and more so than the untuned one did?"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from spice_select.data.encoding import Encoder, encode_rows
from spice_select.data.records import PairExample
from spice_select.errors import InputError
from spice_select.evaluation.heldout import WHOLE, HeldOutRows
from spice_select.evaluation.loss import response_losses
from spice_select.numerics.clusters import clustered
from spice_select.numerics.estimates import Estimate
from spice_select.progress import Progress

NEAR_EQUAL = 0.1
"""Lengths that differ by no more than this share of the longer answer count as alike."""


@dataclass(frozen=True, kw_only=True)
class PairLogProbs:
    """One model on the held-out pairs.

    Attributes:
        rows: int64 ``[n]``, row numbers, ascending.
        prompts: hash of each pair's prompt.
        log_probs: float64 ``[n, 2]``, log π of the chosen and of the rejected answer (nats, summed over its tokens).
        tokens: int64 ``[n, 2]``, supervised tokens of both.
        truncated: how many pairs were cut at the maximum length.
        dropped: how many could not be used, by reason.
        tokenizer: hash of the tokenizer's vocabulary.
    """

    rows: NDArray[np.int64]
    prompts: tuple[str, ...]
    log_probs: NDArray[np.float64]
    tokens: NDArray[np.int64]
    truncated: int
    dropped: dict[str, int]
    tokenizer: str

    def to_json(self) -> dict[str, Any]:
        arrays = {name: getattr(self, name).tolist() for name in ("rows", "log_probs", "tokens")}
        plain = {name: getattr(self, name) for name in ("truncated", "dropped", "tokenizer")}
        return {**arrays, **plain, "prompts": list(self.prompts)}

    @staticmethod
    def from_json(content: dict[str, Any]) -> "PairLogProbs":
        return PairLogProbs(
            rows=np.array(content["rows"], np.int64),
            prompts=tuple(content["prompts"]),
            log_probs=np.array(content["log_probs"], np.float64).reshape(-1, 2),
            tokens=np.array(content["tokens"], np.int64).reshape(-1, 2),
            truncated=content["truncated"],
            dropped=content["dropped"],
            tokenizer=content["tokenizer"],
        )


@dataclass(frozen=True, kw_only=True)
class PreferenceScores:
    """How a model ranks pairs of one kind. Errors are bootstraps over prompts.

    Attributes:
        kind: ``all``, or how long the chosen answer is beside the rejected one.
        free_accuracy: share of pairs whose chosen answer has the higher mean log-probability of a token; ties count ½.
        free_margin: mean difference of these, nats a token.
        accuracy: share with Δ > 0, ties ½, where Δ is how much more the chosen answer's log-probability rose over the
            first model's than the rejected one's; None for the first model itself.
        margin, median_margin: mean and median of βΔ.
        displacement: mean change of log π of the chosen answer, nats.
    """

    kind: str
    free_accuracy: Estimate
    free_margin: Estimate
    accuracy: Estimate | None = None
    margin: Estimate | None = None
    median_margin: Estimate | None = None
    displacement: Estimate | None = None


def pair_log_probs(
    model: nn.Module, held_out: HeldOutRows, encoder: Encoder, *, batch_tokens: int, tokenizer: str, progress: Progress
) -> PairLogProbs:
    """The log-probabilities of both answers of every pair; pairs of which one is not a finite number are dropped.

    Cost: one forward pass of all tokens. Raises InputError as `response_losses`, and where no pair is left.
    """
    encoded = encode_rows(held_out.rows, held_out.format, encoder)
    pairs = [example for example in encoded.examples if isinstance(example, PairExample)]
    sides = [side for pair in pairs for side in pair.sequences]
    sums = response_losses(model, sides, batch_tokens=batch_tokens, progress=progress).reshape(-1, 2)
    finite = np.isfinite(sums).all(1)
    if not finite.any():
        raise InputError(
            f"the loss is not a finite number on any of the {len(sums)} held-out pairs: the weights may be damaged, "
            "or the precision too low. Try --dtype float32."
        )
    kept = [pairs[place] for place in np.flatnonzero(finite)]
    lost = {} if finite.all() else {"non-finite": int((~finite).sum())}
    return PairLogProbs(
        rows=np.array([pair.row for pair in kept], np.int64),
        prompts=tuple(pair.prompt for pair in kept),
        log_probs=-sums[finite],
        tokens=np.array([[side.num_supervised for side in pair.sequences] for pair in kept], np.int64),
        truncated=sum(pair.truncated > 0 for pair in kept),
        dropped={**encoded.reasons, **lost},
        tokenizer=tokenizer,
    )


def preference_scores(
    found: PairLogProbs, first: PairLogProbs | None = None, *, beta: float
) -> tuple[PreferenceScores, ...]:
    """All pairs together, then by the length of the chosen answer; relative to another model where one is given."""
    kinds = length_kinds(found.tokens)
    there = [name for name in LENGTH_KINDS if (kinds == name).any()]
    everything = np.ones(len(kinds), np.bool_)
    return tuple(
        _scores(name, found, everything if name == WHOLE else kinds == name, first, beta) for name in (WHOLE, *there)
    )


LENGTH_KINDS = ("chosen shorter", "within 10 %", "chosen longer")


def length_kinds(tokens: NDArray[np.int64]) -> NDArray[np.str_]:
    """Which of `LENGTH_KINDS` each pair is, by the tokens of both answers ``[n, 2]``."""
    chosen, rejected = tokens[:, 0], tokens[:, 1]
    alike = np.abs(chosen - rejected) <= NEAR_EQUAL * tokens.max(1)
    return np.select([alike, chosen < rejected], [LENGTH_KINDS[1], LENGTH_KINDS[0]], LENGTH_KINDS[2])


def _scores(
    kind: str, found: PairLogProbs, where: NDArray[np.bool_], first: PairLogProbs | None, beta: float
) -> PreferenceScores:
    prompts = [prompt for prompt, inside in zip(found.prompts, where, strict=True) if inside]
    means = found.log_probs[where] / found.tokens[where]
    free = means[:, 0] - means[:, 1]
    own = PreferenceScores(
        kind=kind,
        free_accuracy=clustered(wins(free), prompts, _mean),
        free_margin=clustered(free, prompts, _mean),
    )
    if first is None:
        return own
    _, here, there = np.intersect1d(found.rows[where], first.rows, return_indices=True)
    gain = found.log_probs[where][here] - first.log_probs[there]
    delta, prompts = gain[:, 0] - gain[:, 1], [prompts[place] for place in here]
    return PreferenceScores(
        kind=kind,
        free_accuracy=own.free_accuracy,
        free_margin=own.free_margin,
        accuracy=clustered(wins(delta), prompts, _mean),
        margin=clustered(beta * delta, prompts, _mean),
        median_margin=clustered(beta * delta, prompts, _median),
        displacement=clustered(gain[:, 0], prompts, _mean),
    )


def wins(differences: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 where the chosen answer wins, ½ for a tie, ``[n]``."""
    return (np.sign(differences) + 1) / 2


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean())


def _median(values: NDArray[np.float64]) -> float:
    return float(np.median(values))
