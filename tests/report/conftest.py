"""Finished runs of a tiny proxy, made once, whose pages the tests look at."""

import json
from pathlib import Path

import pytest

import spice_select
from spice_select.run.finished import Run
from tests.conftest import make_sums


@pytest.fixture(autouse=True)
def _page_aside() -> None:
    """Pages are what is tested here."""


def written(path: Path, rows: list[dict]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def run(tiny_proxy: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """SPICE's choice of 12 of 40 rows, for a target, its page written by the selection itself."""
    folder = tmp_path_factory.mktemp("page")
    corpus, target = written(folder / "train.jsonl", make_sums(40)), written(folder / "dev.jsonl", make_sums(8, 7))
    asked = {"model": str(tiny_proxy), "budget": 12, "sketch_dim": 32, "target": str(target)}
    return spice_select.select(corpus, out=folder / "run", **asked)


@pytest.fixture(scope="session")
def draw(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A random draw: no gradients."""
    folder = tmp_path_factory.mktemp("draw")
    corpus = written(folder / "train.jsonl", make_sums(40))
    return spice_select.select(corpus, out=folder / "run", method="random", budget=12)
