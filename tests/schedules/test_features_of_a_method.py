"""A method may need any features of the table, several too: each is computed in parts, shared, and of the same rows."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

import spice_select as spice
from spice_select.data.records import Example
from spice_select.features import FEATURES
from spice_select.features.base import Compute, FeatureRequest
from spice_select.methods import METHODS, Method
from spice_select.methods.ranked import best_ranked
from spice_select.pipeline import run_select
from spice_select.run.settings import SelectSettings
from spice_select.settings.table import Table
from spice_select.store import FeatureBlock


class Vowels:
    """A feature without a model: how many even token numbers a row has. Row 5 has no number."""

    name, summary = "vowels", "columns alone"
    opened = 0

    @classmethod
    def of(cls, request: FeatureRequest) -> "Vowels":
        return cls()

    def facts(self) -> dict[str, str]:
        return {}

    def open(self) -> Compute:
        type(self).opened += 1
        return self._of

    def _of(self, batch: Sequence[Example]) -> FeatureBlock:
        rows = np.array([example.row for example in batch])
        even = np.array([(example.input_ids % 2 == 0).sum() for example in batch], np.float64)
        tokens = np.array([example.num_tokens for example in batch])
        supervised = np.array([example.num_supervised for example in batch])
        columns = {"even": even, "tokens": tokens, "supervised": supervised}
        return FeatureBlock(rows=rows, columns=columns, finite=rows != 5)


class MostVowels(Method):
    name, summary, source = "most-vowels", "", ""

    def needs(self) -> tuple[str, ...]:
        return ("vowels",)

    def choose(self, candidates, allowance, *, seed, progress):
        order = np.lexsort((candidates.rows, -candidates.features["vowels"]["even"]))
        return best_ranked(order, candidates, allowance, path=self.name)


class BothKnown(MostVowels):
    name = "both"

    def needs(self) -> tuple[str, ...]:
        return ("gradients", "vowels")


@pytest.fixture
def asked(monkeypatch, tiny_proxy: Path) -> Callable[..., SelectSettings]:
    """Settings that ask for a method of this file."""
    monkeypatch.setattr("spice_select.run.parts.FEATURES", Table("feature", *FEATURES, Vowels))
    methods = Table("method", *METHODS, MostVowels, BothKnown)
    for home in ("schedules.static", "run.feasible", "run.pairs", "run.settings", "run.summary", "run.worker"):
        monkeypatch.setattr(f"spice_select.{home}.METHODS", methods)
    Vowels.opened = 0

    def settings(method: str, **others) -> SelectSettings:
        plain = SelectSettings.from_flat({"model": str(tiny_proxy), "sketch_dim": 32, "budget": 6, **others})
        return plain.model_copy(update={"selection": plain.selection.model_copy(update={"method": method})})

    return settings


def test_a_method_that_needs_columns_alone_gets_them_and_nothing_else(corpus, asked, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("spice_select.features.proxy.load_model", lambda *a, **k: pytest.fail("a model was loaded"))
    plain = asked("most-vowels").model_copy(update={"gradients": SelectSettings().gradients})
    run = run_select(str(corpus()), plain, out=tmp_path / "a")
    assert len(run.row_numbers) == 6
    assert run.summary.judged is None
    assert run.summary.dropped == {"non-finite": 1}
    assert 5 not in run.row_numbers
    assert Vowels.opened == 1
    assert list((run.path / "vowels").glob("part-*.parquet"))
    again = run_select(
        str(corpus()),
        plain.model_copy(update={"selection": plain.selection.model_copy(update={"budget": "7"})}),
        out=tmp_path / "b",
    )
    assert again.row_numbers[:6].tolist() == run.row_numbers.tolist()
    assert Vowels.opened == 1, "parts of equal facts are shared"


def test_several_features_are_of_the_same_rows_and_picks_are_judged(corpus, asked, tmp_path) -> None:
    run = run_select(str(corpus()), asked("both"), out=tmp_path / "a")
    assert 5 not in run.row_numbers
    assert run.summary.judged is not None
    assert run.summary.usable == 39
    alone = run_select(
        str(corpus()),
        asked("most-vowels").model_copy(update={"gradients": SelectSettings().gradients}),
        out=tmp_path / "elsewhere" / "b",
    )
    assert run.row_numbers.tolist() == alone.row_numbers.tolist()
    assert isinstance(run.selection, spice.Selection)
