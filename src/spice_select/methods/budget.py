"""How much to choose: a share of the usable rows, a number of them, or as many as fit into a number of tokens."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from numbers import Integral, Real
from typing import TYPE_CHECKING

from spice_select.errors import InputError
from spice_select.selection import Quota

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from spice_select.data.records import Sample
    from spice_select.methods.base import Candidates

_FORMS = "Give a share (10%, 0.1), a number of rows (500), of tokens (2M-tokens) or of supervised-tokens."
_NUMBER = re.compile(r"[+-]?\d[\d_]*(\.\d*)?|[+-]?\.\d+")
_TOKENS = re.compile(r"(\d[\d_]*(?:\.\d+)?)\s*([kKmMgGbB]?)[\s-]*(supervised[\s-]+)?tok(?:en)?s?", re.IGNORECASE)
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "b": 10**9}


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """A share of the rows, a number of rows, or a number of tokens: exactly one of the three is set.

    Attributes:
        share: between 0 (excluded) and 1, exact.
        count: rows, at least 1.
        tokens: tokens of the examples as the proxy sees them, prompt included; at least 1.
        supervised: whether those that are trained on are what `tokens` counts, the prompt left out.
    """

    share: Fraction | None = None
    count: int | None = None
    tokens: int | None = None
    supervised: bool = False

    @staticmethod
    def parse(value: "str | int | float | Budget") -> "Budget":
        """Read a budget as people write it.

        ``"10%"``, ``"0.1"`` and ``0.1`` are the tenth; ``"500"`` and ``500`` are 500 rows. What has a decimal point or
        a percent sign is a share, so ``1`` is one row and ``1.0`` or ``"100%"`` are all of them. ``"2M-tokens"`` and
        ``"500k tokens"`` are as many rows as fit; ``"2M-supervised-tokens"`` counts the tokens that are trained on.

        Raises:
            InputError: zero, negative, above 100 %, or not a budget at all.
        """
        if isinstance(value, Budget):
            return value
        if isinstance(value, bool) or not isinstance(value, str | Real):
            raise InputError(f"budget {value!r}: of type {type(value).__name__}. {_FORMS}")
        if isinstance(value, Integral):
            return _rows(int(value), value)
        return _parse_text(str(value).strip() if isinstance(value, str) else _digits(float(value)), value)

    def cost(self, example: "Sample") -> int:
        """What an example takes of a budget in tokens."""
        return example.num_supervised if self.supervised else example.num_tokens

    def costs(self, candidates: "Candidates") -> "NDArray[np.int64]":
        """That of each candidate, int64 ``[n]``; its length under any other budget."""
        return Allowance(supervised=self.supervised).costs(candidates)

    def check(self, usable: int, tokens: int) -> None:
        """Raise InputError if so many usable rows, and tokens of the kind that it counts, cannot supply the budget."""
        if self.tokens is None:
            self.rows(usable)
        elif self.tokens > tokens:
            raise InputError(
                f"budget {self}: more than the {tokens} {self.unit} of the usable rows. Give fewer, or 100% for all "
                "rows."
            )

    def rows(self, usable: int) -> int:
        """How many of `usable` rows to choose: a share is rounded to the nearest row, and is at least one.

        Raises:
            InputError: more rows than there are, or a budget in tokens.
        """
        if self.tokens is not None:
            raise InputError(f"budget {self}: a number of tokens, where a number of rows is needed. {_FORMS}")
        if self.count is not None:
            if self.count > usable:
                raise InputError(
                    f"budget {self.count}: more rows than the {usable} usable ones. Give at most {usable}, or a share."
                )
            return self.count
        if self.share is None or usable < 1:
            raise InputError(f"budget {self}: there are {usable} usable rows to choose from.")
        return max(1, int(self.share * usable + Fraction(1, 2)))

    def allowance(self, usable: int) -> "Allowance":
        """The budget as it stands for so many usable rows. Raises InputError as `rows`."""
        if self.tokens is None:
            return Allowance(rows=self.rows(usable))
        return Allowance(tokens=self.tokens, supervised=self.supervised)

    @property
    def unit(self) -> str:
        """What it counts."""
        return Allowance(tokens=self.tokens, supervised=self.supervised).unit

    def __str__(self) -> str:
        if self.tokens is not None:
            return f"{self.tokens}-{self.unit.replace(' ', '-')}"
        return f"{self.count}" if self.share is None else f"{float(self.share * 100):.15g}%"


@dataclass(frozen=True, kw_only=True)
class Allowance:
    """A budget as it stands for given candidates: rows or tokens, one of the two.

    Attributes:
        rows: how many rows; None under a budget in tokens.
        tokens: how many tokens the rows may have together; None where rows are counted.
        supervised: whether those that are trained on are counted, the prompt left out.
        quotas: least and most of each source, where shares were asked for, in rows or, under a budget in tokens, in
            tokens; every source is named then. Or the most rows of each prompt (`Candidates.groups`).
    """

    rows: int | None = None
    tokens: int | None = None
    supervised: bool = False
    quotas: Mapping[str, Quota] = field(default_factory=dict)

    def costs(self, candidates: "Candidates") -> "NDArray[np.int64]":
        """What each row takes of the tokens, int64 ``[n]``; its length where rows are counted."""
        return candidates.supervised if self.supervised else candidates.tokens

    def mean_rows(self, candidates: "Candidates") -> float:
        """How many rows it is; under a budget in tokens so many of mean length, which may be more than there are."""
        return self.rows or (self.tokens or 0) / float(self.costs(candidates).mean())

    def is_filled(self, chosen: "NDArray[np.int64]", candidates: "Candidates") -> bool:
        """Whether these positions are all that it allows: as many rows, or more tokens, so that the last do not fit.

        A row longer than the whole budget is passed over by every method, and fills nothing.
        """
        if self.rows is not None:
            return len(chosen) >= self.rows
        costs, tokens = self.costs(candidates)[chosen], self.tokens or 0
        return int(costs[costs <= tokens].sum()) > tokens

    @property
    def unit(self) -> str:
        """What is counted."""
        return "rows" if self.tokens is None else f"{'supervised ' if self.supervised else ''}tokens"


def _digits(value: float) -> str:
    """A float as people would write it: no exponent, and always with a point, since floats are shares."""
    if value != value or value in (float("inf"), float("-inf")):
        return str(value)
    text = f"{value:.17f}".rstrip("0") if "e" in repr(value) else repr(value)
    return text if "." in text else f"{text}."


def _parse_text(text: str, given: object) -> Budget:
    number = text.removesuffix("%").rstrip()
    if not _NUMBER.fullmatch(number):
        if tokens := _TOKENS.fullmatch(text):
            return _tokens(Fraction(tokens[1]) * _UNITS[tokens[2].lower()], given, supervised=bool(tokens[3]))
        raise InputError(f"budget {given!r}: not a budget. {_FORMS}")
    if text.endswith("%"):
        return _share(Fraction(number) / 100, given)
    return _share(Fraction(number), given) if "." in number else _rows(int(number), given)


def _share(share: Fraction, given: object) -> Budget:
    if share <= 0:
        raise InputError(f"budget {given!r}: nothing would be chosen. {_FORMS}")
    if share > 1:
        hint = f" For {int(share)} rows, write {int(share)}." if share == int(share) and "%" not in str(given) else ""
        raise InputError(f"budget {given!r}: more than the whole corpus (100%).{hint} {_FORMS}")
    return Budget(share=share)


def _rows(count: int, given: object) -> Budget:
    if count <= 0:
        raise InputError(f"budget {given!r}: nothing would be chosen. {_FORMS}")
    return Budget(count=count)


def _tokens(count: Fraction, given: object, *, supervised: bool) -> Budget:
    if count < 1:
        raise InputError(f"budget {given!r}: nothing would be chosen. {_FORMS}")
    return Budget(tokens=int(count), supervised=supervised)
