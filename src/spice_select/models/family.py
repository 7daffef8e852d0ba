"""Whether two models are of one family: the same architecture, and the same tokens."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spice_select.errors import InputError
from spice_select.models.load import explained_load, load_tokenizer, locate
from spice_select.models.quiet import quiet_transformers

SAME_VOCABULARY = 0.95
"""Shared share of two vocabularies from which on they count as the same: sizes of one family differ by a few tokens."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """What a model is of.

    Attributes:
        name: the model.
        model_type: architecture as its config names it, e.g. ``llama``; that of the text model in a multimodal one.
        vocabulary: its tokens, as text.
        vocabulary_hash: SHA-256 over the tokens and their numbers.
    """

    name: str
    model_type: str
    vocabulary: frozenset[str]
    vocabulary_hash: str


@dataclass(frozen=True, kw_only=True)
class Kinship:
    """Two models compared.

    Attributes:
        left, right: the models.
        overlap: tokens they share, of all that either has (Jaccard index of the vocabularies).
    """

    left: Family
    right: Family
    overlap: float

    @property
    def same_architecture(self) -> bool:
        """Whether the configs name one architecture."""
        return self.left.model_type == self.right.model_type

    @property
    def same_tokens(self) -> bool:
        """Whether nearly all tokens are shared; see `SAME_VOCABULARY`."""
        return self.overlap >= SAME_VOCABULARY

    @property
    def same_family(self) -> bool:
        """Whether both hold."""
        return self.same_architecture and self.same_tokens

    @property
    def sentence(self) -> str:
        """What was found, for people."""
        left, right = self.left, self.right
        kinds = (
            f"both are {left.model_type}"
            if self.same_architecture
            else f"{left.name} is {left.model_type}, {right.name} is {right.model_type}"
        )
        tokens = "they have the same tokens" if self.overlap == 1 else f"they share {self.overlap:.0%} of their tokens"
        return f"{kinds}, and {tokens}."


def family_of(
    name: str | Path | None,
    *,
    allow_network: bool = False,
    trust_remote_code: bool = False,
    revision: str | None = None,
) -> Family:
    """Look at a model's config and tokenizer; its weights are not read. Errors as for `load_model`."""
    from transformers import AutoConfig

    source = locate(name, allow_network, revision)
    with quiet_transformers(), explained_load(source, allow_network, False, trust_remote_code):
        config = AutoConfig.from_pretrained(source.place, **source.options(allow_network, trust_remote_code, revision))
    text = config.get_text_config(decoder=True)
    tokenizer = load_tokenizer(
        name, allow_network=allow_network, trust_remote_code=trust_remote_code, revision=revision
    )
    return Family(
        name=source.name,
        model_type=str(text.model_type).removesuffix("_text"),
        vocabulary=frozenset(tokenizer.get_vocab()),
        vocabulary_hash=vocabulary_hash(tokenizer),
    )


def vocabulary_hash(tokenizer: Any) -> str:
    """SHA-256 (hex) over a tokenizer's tokens and their numbers: equal where token ids mean the same."""
    body = json.dumps(sorted(tokenizer.get_vocab().items()), ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(body.encode("utf-8", "surrogatepass")).hexdigest()


def kinship(left: Family, right: Family) -> Kinship:
    """Compare two families. Cost: one pass over the vocabularies."""
    together = len(left.vocabulary | right.vocabulary)
    shared = len(left.vocabulary & right.vocabulary)
    return Kinship(left=left, right=right, overlap=shared / together if together else 1.0)


def family_warning(proxy: str | Path | None, target: str | Path | None, *, allow_network: bool = False) -> str | None:
    """A sentence to print where the proxy and the model to train are of different families, else None.

    Args:
        proxy: the model that rows were chosen with; None is the embedded one.
        target: the model to be trained.
        allow_network: whether a model that is not here may be looked up on the hub.

    Returns:
        None also where one of them is not on this machine, so that nothing can be said of it.
    """
    try:
        found = kinship(family_of(proxy, allow_network=allow_network), family_of(target, allow_network=allow_network))
    except InputError:
        return None
    if found.same_family:
        return None
    return (
        f"The rows were chosen with a model of another family than the one to train: {found.sentence} Gradients of the "
        "one may say little of the other; measure it with `spice transfer RUN --model TARGET`."
    )
