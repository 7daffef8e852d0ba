"""lm-eval on a tiny model with task files written here: no network, no data set."""

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path

import pytest

import spice_select
from spice_select.errors import InputError
from spice_select.evaluation import harness as harness_module
from spice_select.evaluation.settings import BenchmarkSettings
from spice_select.evaluation.subjects import find_subject, open_subject
from spice_select.progress import Silent
from tests.evaluation.models import write_adapter
from tests.evaluation.test_subjects import SETTINGS

needs_lm_eval = pytest.mark.skipif(importlib.util.find_spec("lm_eval") is None, reason="lm-eval is not installed")
Command = Callable[..., tuple[int, str, str]]

CHOICE = """task: arc_challenge_local
dataset_path: json
dataset_kwargs: {data_files: {test: %s}}
output_type: multiple_choice
test_split: test
doc_to_text: "{{question}}"
doc_to_choice: "{{choices}}"
doc_to_target: "{{answer}}"
metric_list:
  - {metric: acc, aggregation: mean, higher_is_better: true}
  - {metric: acc_norm, aggregation: mean, higher_is_better: true}
"""
CODE = """task: humaneval_local
dataset_path: json
dataset_kwargs: {data_files: {test: %s}}
output_type: generate_until
unsafe_code: true
test_split: test
num_fewshot: 0
doc_to_text: "{{question}}"
doc_to_target: "{{answer}}"
generation_kwargs: {until: ["."], max_gen_toks: 4, do_sample: false}
metric_list:
  - {metric: exact_match, aggregation: mean, higher_is_better: true}
"""


@pytest.fixture
def tasks(tmp_path: Path) -> Path:
    folder = tmp_path / "tasks"
    folder.mkdir()
    rows = [{"question": f"What is {i} + 1?", "choices": ["one", f"{i + 1}", "many"], "answer": 1} for i in range(9)]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "choice.yaml").write_text(CHOICE % (folder / "rows.jsonl"))
    (folder / "code.yaml").write_text(CODE % (folder / "rows.jsonl"))
    return folder


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if importlib.util.find_spec("lm_eval") is not None:
        import datasets

        monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


@needs_lm_eval
def test_benchmarks_of_two_models_stand_side_by_side_and_are_kept(
    tiny_proxy: Path, tasks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = write_adapter(tiny_proxy, tmp_path / "adapter")
    options = {"tasks": "arc_challenge", "include_path": tasks, "num_fewshot": 1, "out": tmp_path / "out"}
    found = spice_select.evaluate(tiny_proxy, adapter, **options)
    first, second = (model.scores[0] for model in found.models)
    assert (first.task, first.metric, first.shots) == ("arc_challenge_local", "acc_norm,none", (1, 1))
    assert first.score.count == 9
    assert first.score.value == pytest.approx(first.reported["arc_challenge_local"]["acc_norm,none"])
    assert second.difference is not None
    assert second.difference.value == pytest.approx(second.score.value - first.score.value)
    monkeypatch.setattr(harness_module.Harness, "run", lambda *_: pytest.fail("computed again"))
    assert spice_select.evaluate(tiny_proxy, adapter, **options).models == found.models


@needs_lm_eval
def test_the_standard_error_is_lm_evals_own(tiny_proxy: Path, tasks: Path) -> None:
    import lm_eval
    from lm_eval.models.huggingface import HFLM

    settings = BenchmarkSettings(tasks="arc_challenge", include_path=tasks)
    harness = harness_module.Harness(settings, allow_network=False)
    planned = harness.plan(harness_module.Benchmark(name="arc_challenge", task="arc_challenge", shots=0), chat=True)
    opened = open_subject(find_subject(str(tiny_proxy), SETTINGS), SETTINGS)
    ours = harness.run(planned, opened, Silent())
    theirs = lm_eval.simple_evaluate(
        model=HFLM(pretrained=opened.model, tokenizer=opened.tokenizer, batch_size=8),
        tasks=["arc_challenge_local"],
        task_manager=harness._own,
        apply_chat_template=True,
        num_fewshot=0,
    )
    metric, answer = ours.metric.split(",")
    reported = theirs["results"]["arc_challenge_local"]
    assert ours.score.value == pytest.approx(reported[ours.metric])
    assert ours.score.stderr == pytest.approx(reported[f"{metric}_stderr,{answer}"])


@needs_lm_eval
def test_progress_counts_every_request(tiny_proxy: Path, tasks: Path, tmp_path: Path) -> None:
    told: dict[str, list[int]] = {}

    class Counting(Silent):
        def task(self, name, total, unit, *, done=0):  # type: ignore[no-untyped-def]
            told[name] = [total, 0]
            plain = super().task(name, total, unit, done=done)

            class Counter:
                def __enter__(self):  # type: ignore[no-untyped-def]
                    plain.__enter__()
                    return lambda amount: told[name].__setitem__(1, told[name][1] + amount)

                def __exit__(self, *error):  # type: ignore[no-untyped-def]
                    return plain.__exit__(*error)

            return Counter()

    spice_select.evaluate(
        tiny_proxy,
        tasks=["arc_challenge", "humaneval"],
        include_path=tasks,
        limit=5,
        num_fewshot=0,
        confirm_run_unsafe_code=True,
        out=tmp_path / "out",
        progress=Counting(),
    )
    assert told["arc_challenge"] == [15, 15]
    assert told["humaneval"] == [5, 5]


@needs_lm_eval
def test_code_is_run_only_when_confirmed_and_nothing_is_loaded_before(
    spice: Command, tiny_proxy: Path, tasks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from spice_select.evaluation import stage

    monkeypatch.setattr(stage, "open_subject", lambda *_: pytest.fail("a model was loaded"))
    asked = ("evaluate", tiny_proxy, "--tasks", "arc_challenge,humaneval", "--include-path", tasks)
    code, _, errors = spice(*asked, "--out", tmp_path / "out")
    assert code == 2
    assert "runs the code that the model writes" in errors
    assert "--confirm-run-unsafe-code" in errors


@needs_lm_eval
def test_own_tasks_that_run_code_under_another_name_are_stopped_too(
    tiny_proxy: Path, tasks: Path, tmp_path: Path
) -> None:
    (tasks / "code.yaml").write_text((tasks / "code.yaml").read_text().replace("humaneval_local", "homework"))
    with pytest.raises(InputError, match=r"'homework'.*runs the code"):
        spice_select.evaluate(tiny_proxy, tasks="homework", include_path=tasks, out=tmp_path / "out")


@needs_lm_eval
def test_a_changed_task_file_is_run_anew(tiny_proxy: Path, tasks: Path) -> None:
    settings = BenchmarkSettings(tasks="arc_challenge", include_path=tasks)
    benchmark = harness_module.Benchmark(name="arc_challenge", task="arc_challenge")

    def identity() -> object:
        harness = harness_module.Harness(settings, allow_network=False)
        return harness.identity(harness.plan(benchmark, chat=False))

    before = identity()
    assert identity() == before
    (tasks / "choice.yaml").write_text((tasks / "choice.yaml").read_text() + "# changed\n")
    assert identity() != before


@needs_lm_eval
def test_task_files_that_cannot_be_loaded_say_so(tiny_proxy: Path, tasks: Path, tmp_path: Path) -> None:
    (tasks / "rows.jsonl").unlink()
    with pytest.raises(InputError, match="--include-path: it cannot be loaded"):
        spice_select.evaluate(tiny_proxy, tasks="arc_challenge", include_path=tasks, out=tmp_path / "out")
    with pytest.raises(InputError, match="no such folder"):
        spice_select.evaluate(tiny_proxy, tasks="arc_challenge", include_path=tmp_path / "gone", out=tmp_path / "out")


def test_without_lm_eval_the_error_names_the_extra(
    tiny_proxy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "lm_eval" else plain(name))
    with pytest.raises(InputError, match=r"pip install 'spice-select\[evaluate\]'"):
        spice_select.evaluate(tiny_proxy, tasks="gsm8k", out=tmp_path / "out")


@needs_lm_eval
def test_what_was_set_is_put_back(tasks: Path) -> None:
    import logging

    import datasets
    import huggingface_hub.constants as hub
    import lm_eval.api.task as building

    before = (logging.getLogger("lm_eval").level, datasets.config.HF_HUB_OFFLINE, hub.HF_HUB_OFFLINE, building.tqdm)
    harness = harness_module.Harness(BenchmarkSettings(include_path=tasks), allow_network=False)
    with harness._quiet():
        assert hub.HF_HUB_OFFLINE
        assert datasets.config.HF_HUB_OFFLINE
    after = (logging.getLogger("lm_eval").level, datasets.config.HF_HUB_OFFLINE, hub.HF_HUB_OFFLINE, building.tqdm)
    assert after == before
