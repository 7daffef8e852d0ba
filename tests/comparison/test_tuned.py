"""Tuned and judged on a tiny model: three arms, two seeds, resumed where it was cut short."""

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import spice_select
from spice_select.comparison import stage, tuning
from spice_select.comparison.reading import read_comparison
from spice_select.comparison.settings import CompareSettings
from spice_select.comparison.tuning import seeds_of_control
from spice_select.errors import InputError
from spice_select.evaluation.result import Failure
from spice_select.progress import Advance, Silent
from tests.conftest import make_sums

Corpus = Callable[..., Path]


@pytest.fixture
def options(tiny_proxy: Path, tmp_path: Path) -> dict[str, Any]:
    return {
        "model": str(tiny_proxy), "seeds": (0, 1), "out": tmp_path / "c", "methods": "longest", "budget": "20%",
        "train": True, "train_steps": 2, "train_batch_size": 2, "train_accumulation": 1, "device": "cpu",
        "control_seeds": 2, "held_out_rows": 8,
    }  # fmt: skip


class Stops:
    """A display that ends the work when a task of this name begins for the n-th time."""

    def __init__(self, name: str, after: int) -> None:
        self.name, self.left = name, after

    @contextlib.contextmanager
    def task(self, name: str, total: int, unit: str, *, done: int = 0) -> Iterator[Advance]:
        if name == self.name:
            self.left -= 1
            if self.left < 0:
                raise KeyboardInterrupt
        yield lambda amount: None

    def note(self, sentence: str) -> None:
        return


def test_arms_are_tuned_on_equal_steps_and_judged_by_rows_that_no_arm_could_choose(
    corpus: Corpus, options: dict[str, Any], tmp_path: Path
) -> None:
    pool, outside = corpus(make_sums(60)), corpus(make_sums(6, 9), "outside.jsonl")
    with pytest.raises(KeyboardInterrupt):
        spice_select.compare(pool, outside=(str(outside),), progress=Stops("Training", 3), **options)
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "c" / "records").iterdir()}
    assert set(before) == {"untuned--0.json", "random--0.json", "stratified--0.json", "longest--0.json"}
    found = spice_select.compare(pool, outside=(str(outside),), **options)
    assert found.failures == ()
    after = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "c" / "records").iterdir()}
    assert before.items() <= after.items(), "what is on record is not done again"
    assert len(after) == 1 + 4 * 2
    records = [json.loads(path.read_text()) for path in (tmp_path / "c" / "records").iterdir()]
    assert {record["steps"] for record in records} == {0, 2}
    assert {tuple(held["name"] for held in record["held"]) for record in records} == {("pool", "outside")}
    assert found.ruling is not None
    assert {one.bed.held for one in found.ruling.sets} == {"pool", "outside"}
    assert [one.bed.held for one in found.ruling.primaries] == ["outside"]
    assert all((tmp_path / "c" / name).is_file() for name in ("report.md", "report.html", "figures/verdicts.svg"))
    again = read_comparison(tmp_path / "c")
    assert again.to_json() == json.loads(json.dumps(found.to_json()))
    held = {
        json.dumps(json.loads(line)) for line in (tmp_path / "c" / "judges" / "pool.jsonl").read_text().splitlines()
    }
    assert len(held) == 8
    assert not held & set((tmp_path / "c" / "pool.jsonl").read_text().splitlines())
    assert not list((tmp_path / "c" / "trained").glob("*/model")), "judged, and not asked to be kept"
    assert json.loads((tmp_path / "c" / "comparison.json").read_text())["ruling"]["paragraph"] == found.ruling.paragraph


def test_the_model_to_tune_is_found_before_an_arm_chooses_and_known_by_its_content(
    corpus: Corpus, options: dict[str, Any], tmp_path: Path, tiny_proxy: Path
) -> None:
    pool = corpus(make_sums(60))
    with pytest.raises(InputError, match="no such directory"):
        spice_select.compare(pool, train_model=str(tmp_path / "gone"), **options)
    assert not (tmp_path / "c").exists()
    other = Path(shutil.copytree(tiny_proxy, tmp_path / "other"))
    with pytest.raises(KeyboardInterrupt):
        spice_select.compare(pool, train_model=str(other), progress=Stops("Training", 0), **options)
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, "rms_norm_eps": 0.1}))
    with pytest.raises(InputError, match="train_model_files_sha256"):
        spice_select.compare(pool, train_model=str(other), **options)


def test_a_proxy_of_an_arms_own_chooses_and_is_not_tuned(
    corpus: Corpus, options: dict[str, Any], tmp_path: Path, tiny_proxy: Path
) -> None:
    other = Path(shutil.copytree(tiny_proxy, tmp_path / "other"))
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, "rms_norm_eps": 0.1}))
    asked = {**options, "methods": f"longest,aside=longest:model={other}", "train_steps": 1}
    assert spice_select.compare(corpus(make_sums(60)), **asked).failures == ()
    trained = {
        path.parent.name: json.loads(path.read_text()) for path in (tmp_path / "c" / "trained").glob("*/manifest.json")
    }
    assert {name.partition("=")[0] for name in trained} >= {"longest--0", "aside"}
    assert {one["identity"]["model"] for one in trained.values()} == {str(options["model"])}


def test_benchmarks_are_run_on_every_model(
    corpus: Corpus, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """lm-eval itself is tried elsewhere: here, that every model is put to it once, and what becomes of the scores."""
    asked = list[str]()

    class Scored:
        failures = ()

        def to_json(self) -> dict[str, Any]:
            return {"models": [{"tasks": [{"benchmark": "arc", "score": {"value": len(asked) / 10}}]}]}

    def put(models: list[str], settings: Any, **_: Any) -> Scored:
        assert settings.benchmarks.tasks == ("arc",)
        asked.append(Path(models[0]).name)
        return Scored()

    monkeypatch.setattr(tuning, "run_evaluate", put)
    monkeypatch.setattr(stage, "require", lambda package, extra: None)
    monkeypatch.setattr(stage, "check_tasks", lambda name, settings: None)
    found = spice_select.compare(corpus(make_sums(60)), tasks=("arc",), **{**options, "methods": "random"})
    assert asked[1:] == [f"{arm}--{seed}" for seed in (0, 1) for arm in ("stratified", "random", "full")]
    assert {arm: len(scores) for arm, scores in found.scores["arc"].items()} == {
        "untuned": 1, "random": 2, "stratified": 2, "full": 2,
    }  # fmt: skip


def test_a_benchmark_that_fails_takes_no_loss_with_it_and_is_tried_again(
    corpus: Corpus, options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = {"ifeval"}

    class Scored:
        def __init__(self) -> None:
            said = {"model": "m", "cause": "a bolt came loose", "mendable": False, "trace": "in bolt"}
            self.failures = [Failure(what=name, **said) for name in sorted(broken)]

        def to_json(self) -> dict[str, Any]:
            tasks = [name for name in ("arc", "ifeval") if name not in broken]
            return {"models": [{"tasks": [{"benchmark": name, "score": {"value": 0.5}} for name in tasks]}]}

    monkeypatch.setattr(tuning, "run_evaluate", lambda *_, **__: Scored())
    monkeypatch.setattr(stage, "require", lambda package, extra: None)
    monkeypatch.setattr(stage, "check_tasks", lambda name, settings: None)
    pool, asked = corpus(make_sums(60)), {**options, "methods": "random", "tasks": ("arc", "ifeval"), "train_steps": 1}
    first = spice_select.compare(pool, **asked)
    assert {(one.what, one.cause, one.trace) for one in first.failures} == {("ifeval", "a bolt came loose", "in bolt")}
    assert {one.arm for one in first.failures} == {"untuned", "random", "stratified", "full"}
    assert first.ruling is not None, "the losses stand"
    assert set(first.scores) == {"arc"}
    assert list((tmp_path / "c" / "trained").glob("*/model")), "kept for what is left to do"
    broken.clear()
    monkeypatch.setattr(tuning, "run_train", None)  # nothing is tuned again
    again = spice_select.compare(pool, **asked)
    assert again.failures == ()
    assert {name: set(arms) for name, arms in again.scores.items()} == {
        name: {"untuned", "random", "stratified", "full"} for name in ("arc", "ifeval")
    }
    assert not list((tmp_path / "c" / "trained").glob("*/model"))


def test_benchmarks_that_cannot_be_run_are_refused_before_an_arm_chooses(
    corpus: Corpus, options: dict[str, Any], tmp_path: Path
) -> None:
    pytest.importorskip("lm_eval")
    with pytest.raises(InputError, match="gsm8kk"):
        spice_select.compare(corpus(make_sums(60)), tasks=("gsm8kk",), **options)
    assert not (tmp_path / "c").exists()


def test_a_revision_is_the_proxys_and_benchmarks_know_none(options: dict[str, Any], monkeypatch) -> None:
    monkeypatch.setattr(stage, "require", lambda package, extra: None)
    asked = {"model": "owner/name", "model_revision": "v2", "train": True, "tasks": ("arc",)}
    with pytest.raises(InputError, match="--tasks with --model-revision v2"):
        spice_select.compare("nowhere.jsonl", **asked)


def test_more_methods_are_judged_with_those_on_record(corpus: Corpus, options: dict[str, Any]) -> None:
    pool, asked = corpus(make_sums(60)), {**options, "train_steps": 1}
    first = spice_select.compare(pool, **asked)
    more = spice_select.compare(pool, **{**asked, "methods": "loss-low"})
    assert first.ruling is not None
    assert more.ruling is not None
    assert [one.arm for one in sorted(more.ruling.primaries[0].claimed, key=lambda one: one.arm)] == [
        "longest",
        "loss-low",
    ]
    assert "Judged too, for they are on record in this folder: longest, seeds 0, 1." in more.notes
    assert read_comparison(more.path).to_json()["ruling"] == json.loads(json.dumps(more.to_json()["ruling"]))


def test_another_first_seed_is_another_comparison(corpus: Corpus, options: dict[str, Any]) -> None:
    held = {**options, "train_steps": 1, "held_out_rows": None, "held_out": str(corpus(make_sums(9, 5), "h.jsonl"))}
    pool = corpus(make_sums(60))
    with pytest.raises(KeyboardInterrupt):
        spice_select.compare(pool, progress=Stops("Training", 1), **held)
    with pytest.raises(InputError, match="first_seed: there None, now 1"):
        spice_select.compare(pool, **{**held, "seeds": (1, 0)})


def test_fewer_draws_of_the_control_than_seeds_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="--control-seeds 1 with 2 --seeds"):
        CompareSettings.from_flat({"train": True, "seeds": "0,1", "control_seeds": 1})


def test_a_tuning_that_fails_is_recorded_and_tried_again(
    corpus: Corpus, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = tuning.run_train

    def diverging(run: Any, settings: Any, **how: Any) -> Any:
        if "longest" in str(how["out"]):
            raise InputError("training stopped: the loss of step 2 is not a finite number")
        return real(run, settings, **how)

    pool = corpus(make_sums(60))
    with monkeypatch.context() as patch:
        patch.setattr(tuning, "run_train", diverging)
        found = spice_select.compare(pool, **options)
    assert [(one.arm, one.seed, one.what) for one in found.failures] == [
        ("longest", 0, "tuning"), ("longest", 1, "tuning"),
    ]  # fmt: skip
    assert found.ruling is not None
    assert {one.arm for one in found.ruling.sets[0].compared.arms} == {"stratified", "full"}
    mended = spice_select.compare(pool, **options)
    assert mended.failures == ()
    assert mended.ruling is not None
    assert {one.arm for one in mended.ruling.sets[0].compared.arms} == {"stratified", "full", "longest"}


def test_the_control_has_more_seeds_the_more_arms_lean_on_it() -> None:
    asked = CompareSettings.from_flat({"seeds": "0,1,2,3,4"})
    assert seeds_of_control(asked, 12) == tuple(range(17)), "5·√12 is 17.3"
    assert seeds_of_control(asked, 1) == (0, 1, 2, 3, 4)


def test_rows_that_cannot_judge_are_told_and_too_few_are_refused_before_an_arm_chooses(
    corpus: Corpus, options: dict[str, Any]
) -> None:
    """One row that judged ended a comparison when all was tuned; rows without an answer were left out in silence."""
    pool, few = corpus(make_sums(60)), make_sums(6, 9)
    empty = [{**row, "messages": [row["messages"][0], {"role": "assistant", "content": ""}]} for row in few[:5]]
    del options["held_out_rows"]
    out = options.pop("out")
    with pytest.raises(InputError, match=r"pool: 1 of its 6 rows can judge \(5 .*nothing can be said"):
        spice_select.compare(pool, held_out=corpus([*empty, few[5]], "held.jsonl"), out=out, **options)
    assert not out.exists()
    settings = CompareSettings.from_flat({**options, "held_out": corpus([*empty[:2], *few[2:]], "held.jsonl")})
    grounds = stage.read_grounds(str(pool), settings, Silent())
    assert [*stage.unused_rows(grounds, settings)] == ["2 rows of pool cannot be used to judge: 2 empty-turn."]
