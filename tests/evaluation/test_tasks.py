"""lm-eval tasks of every kind of score, written here: shown as lm-eval aggregates them, or refused before the run."""

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import spice_select
from spice_select.errors import InputError
from spice_select.evaluation import aggregates, stage
from spice_select.evaluation import harness as harness_module
from spice_select.evaluation.benchmarks import Benchmark
from spice_select.evaluation.settings import BenchmarkSettings
from tests.evaluation.models import write_adapter

pytestmark = pytest.mark.skipif(importlib.util.find_spec("lm_eval") is None, reason="lm-eval is not installed")
Command = Callable[..., tuple[int, str, str]]

HEAD = """task: {name}
dataset_path: json
dataset_kwargs: {{data_files: {{test: {rows}}}}}
test_split: test
output_type: {kind}
doc_to_target: "{{{{{target}}}}}"
num_fewshot: 0
"""
CHOICE = 'doc_to_text: "{{question}}"\ndoc_to_choice: "{{choices}}"\n'
SAID = 'doc_to_text: "{{question}}"\ngeneration_kwargs: {until: ["\\n"], max_gen_toks: 6, do_sample: false}\n'


def metrics(*names: str) -> str:
    return "metric_list:\n" + "".join(f"  - {{metric: {name}}}\n" for name in names)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "tasks"
    made.mkdir()
    rows = [
        {
            "question": f"Is {i} + {i % 3} odd?",
            "choices": ["no", "yes"],
            "answer": (i + i % 3) % 2,
            "words": f"{i} is " * 3,
        }
        for i in range(12)
    ]
    many = [{**row, "choices": ["a", "b", "c"], "answer": place % 3} for place, row in enumerate(rows)]
    for name, content in (("rows", rows), ("many", many)):
        (made / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in content))
    return made


@pytest.fixture(autouse=True)
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of the test's own, and few draws."""
    import datasets

    monkeypatch.setattr(aggregates, "DRAWS", 50)
    monkeypatch.setattr(aggregates, "SLOW_DRAWS", 5)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def write_task(folder: Path, name: str, kind: str, rest: str, *, target: str = "answer", rows: str = "rows") -> None:
    head = HEAD.format(name=name, kind=kind, target=target, rows=folder / f"{rows}.jsonl")
    (folder / f"{name}.yaml").write_text(head + rest)


def lm_evals_own(model: Path, folder: Path, task: str) -> dict[str, Any]:
    """The task's results as lm-eval itself gives them."""
    import lm_eval
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager
    from transformers import AutoModelForCausalLM, AutoTokenizer

    wrapped = HFLM(
        pretrained=AutoModelForCausalLM.from_pretrained(model),
        tokenizer=AutoTokenizer.from_pretrained(model),
        batch_size=8,
    )
    found = lm_eval.simple_evaluate(
        model=wrapped,
        tasks=[task],
        task_manager=TaskManager(include_path=str(folder), include_defaults=False),
        bootstrap_iters=0,
    )
    return dict(found["results"])


def judged(folder: Path, *models: Path, task: str, **options: Any) -> spice_select.evaluation.result.Evaluation:
    given = {"include_path": folder, "apply_chat_template": "no", "dtype": "float32", "out": folder.parent / "out"}
    return spice_select.evaluate(*models, tasks=task, **{**given, **options})


@pytest.mark.parametrize(
    ("kind", "rest", "target", "names"),
    [
        (
            "loglikelihood_rolling",
            'doc_to_text: ""\n',
            "words",
            ("word_perplexity", "byte_perplexity", "bits_per_byte"),
        ),
        ("loglikelihood", 'doc_to_text: "{{question}}"\n', "words", ("perplexity", "acc")),
        ("multiple_choice", CHOICE, "answer", ("mcc", "f1", "acc")),
        ("generate_until", SAID, "words", ("bleu", "chrf", "ter")),
    ],
)
def test_scores_of_all_documents_are_lm_evals_own_and_compared_in_pairs(
    folder: Path, tiny_proxy: Path, tmp_path: Path, kind: str, rest: str, target: str, names: tuple[str, ...]
) -> None:
    adapter, same = write_adapter(tiny_proxy, tmp_path / "adapter"), tmp_path / "same"
    same.symlink_to(tiny_proxy)
    for name in names:
        write_task(folder, f"asks_{name}", kind, rest + metrics(name), target=target)
        found = judged(folder, tiny_proxy, adapter, same, task=f"asks_{name}")
        assert found.failures == ()
        first, second, again = (model.scores[0] for model in found.models)
        expected = lm_evals_own(tiny_proxy, folder, f"asks_{name}")[f"asks_{name}"][f"{name},none"]
        assert first.metric == f"{name},none"
        assert first.score.value == pytest.approx(expected)
        assert first.score.count == 12
        assert first.reported[f"asks_{name}"][f"{name},none"] == pytest.approx(expected)
        assert second.difference is not None
        assert again.difference is not None
        assert second.difference.value == pytest.approx(second.score.value - first.score.value)
        assert second.difference.stderr == second.difference.stderr  # a number
        assert (again.difference.value, again.difference.stderr) == (
            0,
            0,
        )  # the same model: the pairs differ by nothing


def test_a_score_that_is_no_share_is_not_printed_in_per_cent(
    folder: Path, tiny_proxy: Path, tmp_path: Path, spice: Command
) -> None:
    write_task(
        folder, "text", "loglikelihood_rolling", 'doc_to_text: ""\n' + metrics("word_perplexity"), target="words"
    )
    write_task(folder, "choice", "multiple_choice", CHOICE + metrics("acc"))
    asked = ("evaluate", tiny_proxy, "--tasks", "text,choice", "--include-path", folder, "--apply-chat-template", "no")
    code, text, _ = spice(*asked, "--out", tmp_path / "out")
    value = json.loads((tmp_path / "out" / "results.json").read_text())["models"][0]["tasks"][0]["score"]["value"]
    assert code == 0
    assert value > 1
    lines = text.splitlines()
    (row,) = (line for line in lines if line.split()[:1] == ["text"])
    assert f"{value:.3f}"[:-3] in row
    assert lines.index(row) > next(i for i, line in enumerate(lines) if "whose score is no share" in line)


def test_a_metric_that_cannot_be_computed_is_refused_before_the_run(
    folder: Path, tiny_proxy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "open_subject", lambda *_: pytest.fail("a model was loaded"))
    write_task(folder, "three", "multiple_choice", CHOICE + metrics("f1"), rows="many")
    with pytest.raises(InputError, match=r"'three': none of its metrics .*f1: its aggregation fails .*multiclass"):
        judged(folder, tiny_proxy, task="three")
    write_task(folder, "idle", "generate_until", SAID + metrics("bypass"))
    with pytest.raises(InputError, match=r"'idle': none of its metrics .*computes no score"):
        judged(folder, tiny_proxy, task="idle")


def test_a_metric_that_fails_at_the_end_is_named_and_the_others_stand(folder: Path, tiny_proxy: Path) -> None:
    write_task(folder, "three", "multiple_choice", CHOICE + metrics("f1", "acc"), rows="many")
    (found,) = judged(folder, tiny_proxy, task="three").models
    assert found.scores[0].metric == "acc,none"
    assert list(found.scores[0].missing) == ["f1"]
    assert any(note.startswith("three: no f1: its aggregation fails (ValueError") for note in found.notes)


OWN_CODE = """
def one(doc, results):
    return {"found": 1.0}

def some(doc, results):
    return {"found": 1.0} if doc["question"] < "Is 3" else {}

def none(doc, results):
    raise KeyError("gone")

def documents(dataset):
    raise RuntimeError("no such documents")
"""


def write_own(folder: Path, name: str, rest: str, *, code: str = "one", rows: str = "rows") -> None:
    (folder / "utils.py").write_text(OWN_CODE)
    given = f"process_results: !function utils.{code}\nmetric_list:\n  - {{metric: found, aggregation: mean}}\n"
    write_task(folder, name, "multiple_choice", rest + given, rows=rows)


@pytest.mark.parametrize(
    ("rest", "rows", "cause"),
    [
        (CHOICE.replace("{{question}}", "{{question"), "rows", "TemplateSyntaxError: unexpected end of template"),
        (CHOICE.replace("{{choices}}", "{{chioces}}"), "rows", "UndefinedError: 'chioces' is undefined"),
        (CHOICE + "process_docs: !function utils.documents\n", "rows", "no such documents"),
        (CHOICE, "none", "StopIteration"),
    ],
)
def test_a_task_file_that_cannot_be_loaded_is_named_whatever_it_raises(
    folder: Path, tiny_proxy: Path, rest: str, rows: str, cause: str
) -> None:
    (folder / "none.jsonl").write_text("")
    write_own(folder, "own", rest, rows=rows)
    with pytest.raises(InputError, match=rf"task 'own' of --include-path: it cannot be loaded \({cause}"):
        judged(folder, tiny_proxy, task="own")


def test_a_fault_of_a_tasks_own_code_is_the_persons_to_mend(folder: Path, tiny_proxy: Path) -> None:
    write_own(folder, "own", CHOICE, code="none")
    with pytest.raises(InputError, match=r"--include-path: it fails at .*utils\.py:\d+ \(KeyError: 'gone'\)"):
        judged(folder, tiny_proxy, task="own")


@pytest.mark.parametrize(
    ("given", "cause"),
    [
        ("beam: 3", "beam"),
        ("max_gen_toks: many", "invalid literal for int"),
        ("do_sample: true, temperature: -1", "temperature"),
        ("max_gen_toks: 4096", "requested max tokens to generate"),
    ],
)
def test_settings_of_generation_that_cannot_be_are_the_persons_to_mend(
    folder: Path, tiny_proxy: Path, given: str, cause: str
) -> None:
    said = f'doc_to_text: "{{{{question}}}}"\ngeneration_kwargs: {{until: ["x"], {given}}}\n'
    write_task(folder, "own", "generate_until", said + metrics("exact_match"))
    with pytest.raises(InputError, match=rf"'own' of --include-path: .* as its generation_kwargs say .*{cause}"):
        judged(folder, tiny_proxy, task="own")


@pytest.mark.parametrize(
    ("metric", "cause"),
    [
        ("{metric: akkuracy}", "its metric 'akkuracy' names no aggregation"),
        (
            "{metric: akkuracy, aggregation: mean, higher_is_better: true}",
            "its metric 'akkuracy' is known neither to lm-eval nor, on this machine",
        ),
        (
            "{metric: exact_match, aggregation: medain, higher_is_better: true}",
            "lm-eval knows no aggregation so called as that of its metric 'exact_match'",
        ),
    ],
)
@pytest.mark.parametrize(("kind", "rest"), [("generate_until", SAID), ("multiple_choice", CHOICE)])
def test_metrics_that_nobody_knows_are_named_before_a_model_is_loaded(
    folder: Path, tiny_proxy: Path, monkeypatch: pytest.MonkeyPatch, kind: str, rest: str, metric: str, cause: str
) -> None:
    monkeypatch.setattr(stage, "open_subject", lambda *_: pytest.fail("a model was loaded"))
    write_task(folder, "own", kind, f"{rest}metric_list:\n  - {metric}\n")
    with pytest.raises(InputError, match=cause):
        judged(folder, tiny_proxy, task="own")


def test_a_task_file_that_is_no_yaml_is_named(folder: Path, tiny_proxy: Path) -> None:
    (folder / "own.yaml").write_text("task: own\nmetric_list: [\n")
    with pytest.raises(InputError, match=r"own\.yaml cannot be read .*so its tasks are not known"):
        judged(folder, tiny_proxy, task="own")


def test_documents_without_the_metric_are_counted(folder: Path, tiny_proxy: Path) -> None:
    write_own(folder, "own", CHOICE, code="some")
    (found,) = judged(folder, tiny_proxy, task="own").models
    assert found.scores[0].score.count == 5  # of the questions 0 to 11: 0, 1, 10, 11, 2
    assert any("7 of its 12 documents report no found and are not in the score" in note for note in found.notes)


def test_a_task_that_fails_takes_no_other_with_it(
    folder: Path, tiny_proxy: Path, tmp_path: Path, spice: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_task(folder, "first", "multiple_choice", CHOICE + metrics("acc"))
    write_task(folder, "second", "multiple_choice", CHOICE + metrics("acc"))
    plain = harness_module.Harness.run

    def failing(self: Any, planned: Any, *rest: Any) -> Any:
        if planned.task == "first":
            raise RuntimeError("a bolt came loose")
        return plain(self, planned, *rest)

    monkeypatch.setattr(harness_module.Harness, "run", failing)
    asked = ("evaluate", tiny_proxy, "--tasks", "first,second", "--include-path", folder, "--out", tmp_path / "out")
    code, text, _ = spice(*asked)
    assert code == 1
    assert "failed" in text
    assert "a bolt came loose" in text
    written = json.loads((tmp_path / "out" / "results.json").read_text())["models"][0]
    assert [task["task"] for task in written["tasks"]] == ["second"]
    assert [failure["what"] for failure in written["failures"]] == ["first"]
    assert "in failing" in written["failures"][0]["trace"]
    assert "please report them" in " ".join(text.split())
    alone = ("evaluate", tiny_proxy, "--tasks", "first", "--include-path", folder, "--out", tmp_path / "alone")
    _, _, err = spice(*alone)
    assert "in failing" in err, "where it failed, also where nothing stands"
    monkeypatch.setattr(harness_module.Harness, "run", plain)
    assert spice(*asked)[0] == 0  # what failed is made up for, what stood is kept


@pytest.mark.parametrize(("own", "asked", "shown"), [(None, None, 2), (1, None, 1), (1, 3, 3), (0, 3, 0), (0, None, 0)])
def test_a_tasks_own_worked_examples_hold_unless_others_are_asked_for(
    folder: Path, tiny_proxy: Path, own: int | None, asked: int | None, shown: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = Benchmark(name="choice", task="choice", shots=2)
    monkeypatch.setattr("spice_select.evaluation.trial.wanted", lambda _: (known,))
    write_task(folder, "choice", "multiple_choice", CHOICE + metrics("acc"))
    text = (folder / "choice.yaml").read_text()
    (folder / "choice.yaml").write_text(
        text.replace("num_fewshot: 0\n", "" if own is None else f"num_fewshot: {own}\n")
    )
    (found,) = judged(folder, tiny_proxy, task="choice", num_fewshot=asked).models
    assert found.scores[0].shots == (shown, shown)
    assert any("--num-fewshot 3 is not followed" in note for note in found.notes) == (own == 0 and asked == 3)
    assert any("drawn from the documents that it asks" in note for note in found.notes) == (shown > 0)


def test_more_worked_examples_than_there_are_documents_are_refused_before_the_run(
    folder: Path, tiny_proxy: Path
) -> None:
    write_task(folder, "choice", "multiple_choice", CHOICE + metrics("acc"))
    text = (folder / "choice.yaml").read_text()
    (folder / "choice.yaml").write_text(text.replace("num_fewshot: 0\n", ""))
    with pytest.raises(InputError, match=r"'choice': it has 12 documents to draw 20 worked examples from"):
        judged(folder, tiny_proxy, task="choice", num_fewshot=20)


def test_a_groups_score_is_lm_evals_own_by_size_or_not(folder: Path, tiny_proxy: Path) -> None:
    write_task(folder, "small", "multiple_choice", CHOICE + metrics("acc"), rows="few")
    write_task(folder, "large", "multiple_choice", CHOICE + metrics("acc"))
    rows = (folder / "rows.jsonl").read_text().splitlines(keepends=True)
    (folder / "few.jsonl").write_text("".join(rows[:3]))
    for by_size in ("true", "false"):
        (folder / "both.yaml").write_text(
            f"group: both_{by_size}\ntask: [small, large]\n"
            f"aggregate_metric_list:\n  - {{metric: acc, aggregation: mean, weight_by_size: {by_size}}}\n"
        )
        (found,) = judged(folder, tiny_proxy, task=f"both_{by_size}").models
        expected = lm_evals_own(tiny_proxy, folder, f"both_{by_size}")[f"both_{by_size}"]["acc,none"]
        assert found.scores[0].score.value == pytest.approx(expected)
        assert found.scores[0].score.count == 15


def test_tasks_of_a_group_without_the_metric_are_named(folder: Path, tiny_proxy: Path) -> None:
    write_task(folder, "one", "multiple_choice", CHOICE + metrics("acc"))
    write_task(folder, "other", "multiple_choice", CHOICE + metrics("mcc"))
    (folder / "both.yaml").write_text("group: both\ntask: [one, other]\n")
    (found,) = judged(folder, tiny_proxy, task="both").models
    assert found.scores[0].metric == "acc,none"
    assert any("1 of its 2 tasks report no acc and are not in the score: other" in note for note in found.notes)


@pytest.mark.parametrize("change", ["data", "examples", "prompt", "code", "nothing"])
def test_a_changed_task_is_another_question(folder: Path, change: str) -> None:
    extra = "process_docs: !function made.kept\nfewshot_split: train\n"
    write_task(folder, "choice", "multiple_choice", CHOICE + extra + metrics("acc"))
    text = (folder / "choice.yaml").read_text()
    (folder / "choice.yaml").write_text(text.replace("{test:", f"{{train: {folder / 'many.jsonl'}, test:"))
    (folder / "made.py").write_text("def kept(docs):\n    return docs\n")

    def digest() -> str:
        settings = BenchmarkSettings(tasks="choice", include_path=folder)
        harness = harness_module.Harness(settings, allow_network=False)
        return str(harness.identity(harness.plan(Benchmark(name="choice", task="choice"), chat=False))["task_sha256"])

    before = digest()
    if change in ("data", "examples"):
        path = folder / {"data": "rows.jsonl", "examples": "many.jsonl"}[change]
        path.write_text(path.read_text().replace("3 + 0", "three and nothing"))
    elif change == "prompt":
        path = folder / "choice.yaml"
        path.write_text(path.read_text().replace("{{question}}", "{{question}} "))
    elif change == "code":
        (folder / "made.py").write_text("def kept(docs):\n    return docs.select(range(11))\n")
    assert (digest() == before) == (change == "nothing")


def test_equal_tasks_in_two_folders_are_one_question(folder: Path) -> None:
    import shutil

    write_task(folder, "choice", "multiple_choice", CHOICE + metrics("acc"))
    moved = folder.with_name("moved")
    shutil.copytree(folder, moved)
    text = (moved / "choice.yaml").read_text()
    (moved / "choice.yaml").write_text(text.replace(str(folder), str(moved)))
    digests = set()
    for place in (folder, moved):
        harness = harness_module.Harness(BenchmarkSettings(tasks="choice", include_path=place), allow_network=False)
        planned = harness.plan(Benchmark(name="choice", task="choice"), chat=False)
        digests.add(harness.identity(planned)["task_sha256"])
    assert len(digests) == 1


@pytest.mark.parametrize("kind", ["multiple_choice", "generate_until"])
def test_prompts_that_do_not_fit_in_the_model_are_counted(folder: Path, tiny_proxy: Path, kind: str) -> None:
    rest = CHOICE + metrics("acc") if kind == "multiple_choice" else SAID + metrics("exact_match")
    write_task(folder, "long", kind, rest)
    rows = [json.loads(line) for line in (folder / "rows.jsonl").read_text().splitlines()]
    for row in rows[:2]:
        row["question"] *= 60
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (found,) = judged(folder, tiny_proxy, task="long").models
    count = 4 if kind == "multiple_choice" else 2  # a request a choice
    assert any(note.startswith(f"long: {count} prompts are longer than the 512 tokens") for note in found.notes)
