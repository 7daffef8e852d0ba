"""A row for each entry of the table of methods: a worked example, small enough to check by hand."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from spice_select.data.records import Example
from spice_select.features.poolings import STATES
from spice_select.methods import METHODS, Candidates, Method
from spice_select.methods.base import GRADIENTS
from spice_select.methods.target import TargetSet
from spice_select.run.settings import SelectSettings
from spice_select.store import FeatureBlock
from spice_select.testing.method import state_block


@dataclass(frozen=True, kw_only=True)
class Case:
    """A method on `worked()`.

    Attributes:
        name: of the method.
        picks: positions in order, for 3 rows of the worked candidates; None where it draws.
        settings: other than the defaults.
    """

    name: str
    picks: list[int] | None
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def method(self) -> Method:
        """As the settings describe it."""
        return METHODS[self.name].of(SelectSettings.from_flat({"method": self.name, **self.settings}).flat())


def worked() -> Candidates:
    """Five rows of two dimensions: long, its copy at half the length, across, against the first, nothing.

    The target: a task of two rows, along the first and across, and a task of one row, along the fourth. By tokens the
    candidates all begin with the template's 7; the first task asks for 1 2 and for 3, the second for 4.
    """
    rows, supervised = np.array([3, 5, 6, 8, 9]), np.array([10, 40, 20, 40, 30])
    vectors = np.array([[4, 0], [2, 0], [0, 1], [-3, 0.1], [0, 0]], np.float32)
    losses = np.array([0.5, 1, 2, 4, 1.2])
    alone = np.array([1.0, 4, 5, 3.9, 1e-7])  # ratios .5, .25, .4, 1.03; the last has nothing to be helped with
    return Candidates(
        rows=rows,
        tokens=supervised + 5,
        supervised=supervised,
        sources=["a", "a", "b", "b", "b"],
        features={
            GRADIENTS: _block(
                rows,
                supervised,
                vectors,
                loss=np.ones(5),
                norm=np.linalg.norm(vectors, axis=1),
                margin_mean=np.array([0.1, -0.2, 0.3, 0.0, -0.1]),
                delta=np.array([-2.0, 1.0, 0.5, 0.5, 3.0]),
            ),
            "losses": _block(rows, supervised, loss=losses, loss_sum=losses * supervised),
            "unprompted-losses": _block(rows, supervised, loss=alone, loss_sum=alone * supervised),
            "token-states": _block(rows, supervised, _tokens_of(vectors), square=supervised * 1.0, kept=np.ones(5)),
            "ratings": _block(rows, supervised, _rated(3, 5, 4, 5, 1), mass=np.ones(5)),
            STATES: state_block(rows, vectors, tokens=supervised + 5, supervised=supervised),
        },
        normalise="none",
        examples=_tokens(rows, [7, 9, 9, 9], [7, 1, 9, 9], [7, 3], [7, 9, 1, 2], [7, 4, 4, 9]),
        target=_target(),
    )


def _target() -> TargetSet:
    rows, supervised = np.array([0, 1, 2]), np.array([5, 5, 5])
    vectors = np.array([[2, 0], [0, 9], [-1, 0]], np.float32)
    return TargetSet(
        rows=rows,
        tasks=["first", "first", "second"],
        examples=_tokens(rows, [7, 1, 2], [7, 3], [7, 4]),
        features={
            GRADIENTS: _block(rows, supervised, vectors, loss=np.ones(3), norm=np.linalg.norm(vectors, axis=1)),
            STATES: state_block(rows, vectors, tokens=supervised + 5, supervised=supervised),
        },
        normalise="none",
    )


def _tokens_of(vectors: np.ndarray) -> np.ndarray:
    """Rows of a single token each, the other seven directions of zero."""
    return np.concatenate([vectors, np.zeros((len(vectors), 7 * vectors.shape[1]))], axis=1).astype(np.float32)


def _rated(*ratings: int) -> np.ndarray:
    """Five questions that all give this rating, with probability 1."""
    return np.tile(np.eye(5, dtype=np.float32)[np.array(ratings) - 1], 5)


def _block(
    rows: np.ndarray, supervised: np.ndarray, vectors: np.ndarray | None = None, **columns: np.ndarray
) -> FeatureBlock:
    whole = {name: values.astype(np.float64) for name, values in columns.items()}
    return FeatureBlock(
        rows=rows,
        columns={**whole, "tokens": supervised + 5, "supervised": supervised},
        finite=np.ones(len(rows), bool),
        **({} if vectors is None else {"features": vectors}),
    )


def _tokens(rows: np.ndarray, *ids: list[int]) -> list[Example]:
    return [
        Example(
            row=int(row),
            input_ids=np.array(own, np.int32),
            supervised=np.arange(len(own)) > 0,
            source="",
            content_hash="",
        )
        for row, own in zip(rows, ids, strict=True)
    ]


CASES: tuple[Case, ...] = (
    # the first and its copy count half each, as do the fourth and the last: 13.6; then .50 across, .30 along the first
    Case(name="information", picks=[0, 2, 3]),
    # 27.3 of all; then .60 of what is left along the first, .50 across
    Case(name="information", picks=[0, 3, 2], settings={"objective": "target-variance"}),
    Case(name="spice", picks=[0, 2, 1], settings={"conflict_weight": 1.0}),  # row 3 adds more than 1, but conflicts
    Case(name="spice", picks=[0, 2, 3], settings={"conflict_weight": 0.0}),
    Case(name="random", picks=None),
    Case(name="stratified", picks=None),
    Case(name="source-shares", picks=None),
    Case(name="top-norm", picks=[0, 3, 1]),
    Case(name="spice-official", picks=[0, 3, 1]),
    Case(name="herding", picks=[0, 3, 1]),  # the mean is (.6, .22); then w is (−2.8, .44), and (.8, .56)
    Case(name="gradmatch", picks=[0, 2, 3]),  # .15 times the first and .22 of the one across are the mean
    Case(name="craig", picks=[4, 0, 3]),  # then 0 and 1 save 4 each; then 3 saves 3, row 1 only 2
    Case(name="fishersft", picks=[0, 2, 3]),  # log 17; then log 2 of row 2, log 1.54 of row 3, log 1.24 of row 1
    Case(name="selectit", picks=[1, 3, 2]),
    Case(name="longest", picks=[1, 3, 4]),
    Case(name="margin-high", picks=[2, 0, 3]),
    Case(name="margin-low", picks=[1, 4, 3]),
    Case(name="implicit-high", picks=[4, 1, 2]),
    Case(name="implicit-low", picks=[0, 2, 3]),
    Case(name="full", picks=[0, 1, 2]),
    Case(name="loss-low", picks=[0, 1, 4]),
    Case(name="loss-mid", picks=[4, 1, 0]),  # the median is 1.2; row 0 is .7 away, row 2 .8
    Case(name="loss-high", picks=[3, 2, 4]),
    Case(name="ifd", picks=[0, 2, 1]),  # then 3, which its prompt hinders, and 4
    Case(name="k-center", picks=[4, 0, 2]),
    Case(name="facility-location", picks=[0, 3, 2]),
    Case(name="dpp", picks=[0, 3, 2]),
    Case(name="novelselect", picks=None),
    Case(name="deita", picks=[0, 2, 3]),  # row 1 is row 0's direction
    # the first task, mostly across, takes 2 for 20 tokens; the second, against the first, 3 for 40; the first again, 0
    Case(name="each-task", picks=[2, 3, 0]),
    # of all rows the second takes 0 for 10 tokens, so that it takes 3 before it is the first's turn again
    Case(name="each-task", picks=[2, 0, 3], settings={"agreeing": 1.0}),
    Case(name="bm25", picks=[3, 4, 2]),  # 1 2 is in row 3, 4 in row 4, 3 in row 2
    Case(name="rds", picks=[0, 3, 2]),  # the first task's row 0, the second's, the first's row 1
    Case(name="tsds", picks=None),
    Case(name="sift", picks=[0, 2, 1]),
    Case(name="less", picks=[3, 0, 1]),  # means of the first task .5 .5 .5 −.48 0, of the second −1 −1 0 1 0
    Case(name="less-rr", picks=[0, 3, 2]),
    Case(name="less-paper", picks=[3, 2, 0]),  # the mean (1, 4.5) lies across: cosines .22 .22 .98, and 1 with −1 0
    Case(name="greats", picks=[2, 0, 1], settings={"learning_rate": 1e-3}),  # ⟨g, t⟩ with t = (⅓, 3): ⁴⁄₃ ⅔ 3 −.7 0
    Case(name="greats", picks=[2, 0, 3], settings={"learning_rate": 1.0}),  # after row 0, row 3 stands at −.8 + 12
    Case(name="lead", picks=None),
)

ids: Callable[[Case], str] = lambda case: case.name  # noqa: E731
