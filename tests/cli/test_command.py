"""The command line: what it prints, and its exit codes. 0 done, 2 bad input without a traceback, 1 our fault."""

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Corpus = Callable[..., Path]


@pytest.fixture
def small(tiny_proxy: Path) -> tuple[str, ...]:
    return ("--model", str(tiny_proxy), "--sketch-dim", "32")


def test_select_prints_what_was_chosen_and_where_it_lies(spice, corpus: Corpus, small, tmp_path: Path) -> None:
    code, out, _ = spice("select", corpus(), "--budget", "25%", "--out", tmp_path / "r", *small)
    assert code == 0
    assert "not what they were chosen by" in " ".join(out.split())
    for words in ("40 in, 0 dropped", "10 rows (25.0%", "source mix", "math", "talk", "information", "certified", "≥"):
        assert words in out
    assert "selected.jsonl" in out.splitlines()[-1]


def test_show_prints_the_same_summary_again(spice, corpus: Corpus, small, tmp_path: Path) -> None:
    _, first, _ = spice("select", corpus(), "--budget", "5", "--out", tmp_path / "r", *small)
    code, again, _ = spice("show", tmp_path / "r")
    assert code == 0
    assert first.endswith(again)


def test_config_replays_and_flags_override_it(spice, corpus: Corpus, small, tmp_path: Path) -> None:
    spice("select", corpus(), "--budget", "25%", "--out", tmp_path / "a", *small)
    config = tmp_path / "a" / "config.yaml"
    assert spice("select", "--config", config, "--out", tmp_path / "b")[0] == 0
    assert spice("select", f"--config={config}", "--budget", "3", "--out", tmp_path / "c")[0] == 0
    chosen = {name: (tmp_path / name / "selected.jsonl").read_bytes() for name in "abc"}
    assert chosen["a"] == chosen["b"]
    assert len(chosen["c"].splitlines()) == 3


def test_without_out_the_run_lies_under_runs_and_is_found_again(
    spice, corpus: Corpus, small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert spice("select", corpus(), *small)[0] == 0
    code, out, _ = spice("select", corpus(), *small)
    assert code == 0
    assert "finished already" in out
    assert [path.name.startswith("train-") for path in (tmp_path / "runs").iterdir()] == [True]


def test_preview_marks_what_is_trained_on(spice, corpus: Corpus, small) -> None:
    rows = [{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello there"}]}]
    code, out, _ = spice("preview", corpus([*rows, {"messages": []}]), "--model", small[1])
    assert code == 0
    assert "⟦Hello there<|im_end|>⟧" in out
    assert "dropped" in out


def test_what_was_not_read_or_not_learnt_is_said_by_preview_and_by_the_summary(
    spice, corpus: Corpus, small, tmp_path: Path
) -> None:
    answers = [{"role": "assistant", "content": f"Number {i}", "weight": i % 2, "score": 1} for i in range(4)]
    talk = [turn for answer in answers for turn in ({"role": "user", "content": "Hi"}, answer)]
    rows = [{"messages": talk[: 2 * n], "id": n} for n in (2, 3, 4)]
    for arguments in (("preview", corpus(rows), *small[:2]), ("select", corpus(rows), "--budget", "2", *small)):
        out = spice(*arguments, *(("--out", tmp_path / "r") if arguments[0] == "select" else ()))[1]
        said = " ".join(out.split())
        told = (
            "Shown but not trained on, as the rows say (weight, train, loss) or as part of a prompt: 5 turns in 3 rows."
        )
        assert told in said
        assert "Not read: row fields `id` (3 rows); turn fields `score` (9 turns)." in said
    assert "⟦" not in spice("preview", corpus(rows), *small[:2])[1].split("Number 0")[1].split("Hi")[0]


def test_preview_beyond_the_corpus_is_refused(spice, corpus: Corpus, small) -> None:
    code, _, err = spice("preview", corpus(), "--model", small[1], "--start", "40")
    assert code == 2
    assert "rows 0 to 39" in err


def test_check_run_reports_every_check(spice, corpus: Corpus, small, tmp_path: Path) -> None:
    spice("select", corpus(), "--method", "spice", "--budget", "25%", "--out", tmp_path / "r", *small)
    code, out, _ = spice("check", "run", tmp_path / "r")
    assert code == 0
    assert "submodular" in out
    assert "holds" in out


def test_check_model_finds_a_sound_proxy_sound(spice, corpus: Corpus, small) -> None:
    code, out, _ = spice("check", "model", small[1], "--sketch-dim", "32", "--corpus", corpus())
    assert code == 0
    assert "fails" not in out
    assert out.count("holds") == 6
    assert "40 rows" in out


def test_check_model_catches_an_engine_that_is_wrong(spice, small, monkeypatch: pytest.MonkeyPatch) -> None:
    from spice_select.gradients.parameters.lora import _FreshCapture

    keep = _FreshCapture.keep
    monkeypatch.setattr(_FreshCapture, "keep", lambda self, inputs: keep(self, inputs).roll(1, dims=-2))
    code, out, errors = spice("check", "model", small[1], "--sketch-dim", "32")
    assert code == 2  # a script must not go on with such a model
    assert "fails" in out
    assert "not fit to be a proxy as it is: engine equals loop" in errors


def test_help_teaches_every_setting(spice) -> None:
    from spice_select.run.settings import SelectSettings

    code, out, _ = spice("select", "--help")
    assert code == 0
    for name in SelectSettings().flat():
        assert f"--{name.replace('_', '-')}" in out


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


GOOD = json.dumps({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]})
ALPACA = json.dumps({"instruction": "a", "input": "", "output": "b"})

BAD_FILES: dict[str, tuple[str, bytes, str]] = {
    "empty": ("x.jsonl", b"", "empty"),
    "broken JSON": ("x.jsonl", f"{GOOD}\n{GOOD}\n{{oops\n".encode(), "x.jsonl:3"),
    "mixed formats": ("x.jsonl", f"{GOOD}\n{ALPACA}\n".encode(), "alpaca"),
    "binary": ("x.jsonl", bytes(range(256)) * 9, "x.jsonl"),
    "not UTF-8": ("x.jsonl", f"{GOOD}\n".encode() + '{"messages": "é"}\n'.encode("latin-1"), "UTF-8"),
    "cut-off gzip": ("x.jsonl.gz", gzip.compress(f"{GOOD}\n".encode() * 999)[:-9], "x.jsonl.gz"),
    "a list of numbers": ("x.json", b"[1, 2]", "x.json"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_corpus_is_one_clear_error(spice, small, tmp_path: Path, name: str) -> None:
    file, content, word = BAD_FILES[name]
    code, _, err = spice("select", write(tmp_path / file, content), "--out", tmp_path / "r", *small)
    assert code == 2
    assert err.startswith("error: ")
    assert word in err
    assert "Traceback" not in err
    assert not (tmp_path / "r").exists()


def _directory_without_config(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"")


def _directory_with_pickled_weights(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "llama"}')
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04")


@pytest.mark.parametrize(
    ("make", "words"),
    [(_directory_without_config, "config.json"), (_directory_with_pickled_weights, "--allow-pickle")],
)
def test_a_bad_model_directory_is_one_clear_error(
    spice, corpus: Corpus, tiny_proxy: Path, tmp_path: Path, make: Any, words: str
) -> None:
    (tmp_path / "m").mkdir()
    make(tmp_path / "m")
    code, _, err = spice("select", corpus(), "--model", tmp_path / "m", "--out", tmp_path / "r")
    assert code == 2
    assert words in err
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize("model", ["./no/such/directory", "nobody/no-such-model"])
def test_an_unknown_model_is_one_clear_error(spice, corpus: Corpus, tmp_path: Path, model: str) -> None:
    code, _, err = spice("select", corpus(), "--model", model, "--out", tmp_path / "r")
    assert code == 2
    assert model in err
    assert not (tmp_path / "r").exists()


@pytest.mark.skipif(not Path("/sys").is_dir(), reason="needs a place where not even root may write")
def test_a_read_only_output_is_one_clear_error(spice, corpus: Corpus, small) -> None:
    code, _, err = spice("select", corpus(), "--out", "/sys/spice-run", *small)
    assert code == 2
    assert "--out" in err


def test_an_output_below_a_file_is_one_clear_error(spice, corpus: Corpus, small, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, _, err = spice("select", corpus(), "--out", tmp_path / "file" / "r", *small)
    assert code == 2
    assert "--out" in err


@pytest.mark.parametrize("place", ["corpus", "--model", "--out"])
def test_a_text_where_a_path_is_meant_is_one_clear_error(spice, corpus: Corpus, small, tmp_path: Path, place) -> None:
    text = "a question and its answer " * 20
    given = {"corpus": corpus(), "--model": small[1], "--out": tmp_path / "r"} | {place: text}
    code, _, err = spice("select", given["corpus"], "--model", given["--model"], "--out", given["--out"])
    assert code == 2
    assert "longer than the file system takes a name" in err


@pytest.mark.parametrize(
    "asked",
    [
        ("select", "x.jsonl", "--model="),
        ("select", "x.jsonl", "--adapter="),
        ("train", "RUN", "--model="),
        ("export", "RUN", "--to", "axolotl", "--model="),
        ("transfer", "RUN", "--model="),
        ("evaluate", "", "--held-out", "x.jsonl"),
        ("evaluate", "x", "--base=", "--held-out", "x.jsonl"),
    ],
)
def test_a_model_with_an_empty_name_is_not_the_default(spice, corpus: Corpus, small, tmp_path: Path, asked) -> None:
    """As a variable of the shell leaves it that was never set."""
    if "RUN" in asked:
        spice("select", corpus(), "--budget", "5", "--out", tmp_path / "r", *small)
    code, _, err = spice(*(tmp_path / "r" if word == "RUN" else word for word in asked))
    assert code == 2
    assert "= ''" in err or "is empty" in err


@pytest.mark.parametrize("budget", ["0", "200%", "41"])
def test_a_bad_budget_is_one_clear_error(spice, corpus: Corpus, small, tmp_path: Path, budget: str) -> None:
    code, _, err = spice("select", corpus(), "--budget", budget, "--out", tmp_path / "r", *small)
    assert code == 2
    assert "budget" in err


def test_a_missing_corpus_names_the_nearest_file(spice, corpus: Corpus, small) -> None:
    path = corpus()
    code, _, err = spice("select", path.with_name("trian.jsonl"), *small)
    assert code == 2
    assert "train.jsonl" in err


def test_no_corpus_at_all_says_what_to_give(spice) -> None:
    code, _, err = spice("select")
    assert code == 2
    assert "spice select train.jsonl" in err


def test_an_unknown_flag_suggests_the_nearest(spice, corpus: Corpus) -> None:
    code, out, err = spice("select", corpus(), "--budgett", "3")
    assert code == 2
    assert "--budget" in out + err


def test_a_fault_of_ours_exits_with_1(spice, corpus: Corpus, small, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spice_select.schedules.static.certificate", lambda *a, **k: 1 / 0)
    code, _, err = spice("select", corpus(), *small, "--out", corpus().parent / "r")
    assert code == 1
    assert "ZeroDivisionError" in err


def test_importing_the_package_imports_no_heavy_library() -> None:
    import subprocess
    import sys

    heavy = ("torch", "transformers", "datasets", "pyarrow", "numpy")
    script = f"import spice_select, sys; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout.strip() == "[]"


def test_a_locale_that_cannot_write_every_character_gets_the_summary_all_the_same(
    spice, corpus: Corpus, small, tmp_path: Path
) -> None:
    spice("select", corpus(), "--budget", "5", "--out", tmp_path / "r", *small)
    command = [sys.executable, "-c", "from spice_select.cli.main import main; main()", "show", str(tmp_path / "r")]
    done = subprocess.run(command, capture_output=True, env={**os.environ, "PYTHONIOENCODING": "ascii"}, check=False)
    assert done.returncode == 0
    assert b"5 rows (12.5% of the usable 40)" in done.stdout


def test_a_reader_that_has_seen_enough_is_no_fault(spice, corpus: Corpus, small, tmp_path: Path) -> None:
    spice("select", corpus(), "--budget", "5", "--out", tmp_path / "r", *small)
    command = [sys.executable, "-c", "from spice_select.cli.main import main; main()", "show", str(tmp_path / "r")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as show:
        show.stdout.close()
        assert show.stderr.read() == b""
    assert show.returncode == 0


def test_work_goes_on_when_whoever_reads_has_seen_enough(corpus: Corpus, small, tmp_path: Path) -> None:
    """Or `spice select … | head -1` would end well with nothing chosen."""
    command = [sys.executable, "-c", _MAIN, "select", str(corpus()), "--budget", "5", "--out", str(tmp_path / "r")]
    with subprocess.Popen([*command, *small], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as select:
        select.stdout.close()
        assert select.stderr.read() == b""
    assert select.returncode == 0
    assert (tmp_path / "r" / "manifest.json").is_file()


_MAIN = "from spice_select.cli.main import main; main()"


@pytest.mark.parametrize(
    ("asked", "code"), [("select --help >&-", 0), ("show nowhere 2>&-", 2), ("show nowhere >&- 2>&-", 2)]
)
def test_closed_streams_are_no_fault(asked: str, code: int) -> None:
    done = subprocess.run(f"'{sys.executable}' -c '{_MAIN}' {asked}", shell=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (code, b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")
@pytest.mark.parametrize("asked", ["--version >/dev/full", "select --help >/dev/full", "show nowhere 2>/dev/full"])
def test_an_output_that_takes_nothing_more_is_no_fault_of_ours(asked: str) -> None:
    done = subprocess.run(f"'{sys.executable}' -c '{_MAIN}' {asked}", shell=True, capture_output=True, check=False)
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    if not asked.endswith("2>/dev/full"):
        assert b"No space left on device" in done.stderr


def test_what_rows_hold_cannot_steer_the_terminal(spice, corpus: Corpus, small, tmp_path: Path) -> None:
    hostile = "\x1b[2J\x1b]0;title\x07 [red]\u202eno[/red] \x9b1m"
    rows = [{"instruction": hostile + str(i), "output": hostile, "source": hostile + str(i % 2)} for i in range(6)]
    path = corpus(rows)
    for arguments in (("select", path, "--budget", "3", "--out", tmp_path / "r"), ("preview", path)):
        code, out, _ = spice(*arguments, *small[: 4 if arguments[0] == "select" else 2])
        assert code == 0
        assert "␛[2J" in out
        assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(out)


def test_many_sources_take_few_lines_and_none_is_lost(spice, corpus: Corpus, small, tmp_path: Path) -> None:
    rows = [{"question": f"{i}?", "answer": "word " * (1 + i % 7), "source": f"s{i}"} for i in range(40)]
    code, out, _ = spice("select", corpus(rows), "--budget", "10", "--out", tmp_path / "r", *small)
    assert code == 0
    mix = out[out.index("source mix") : out.index("information")].splitlines()
    assert "(21 others)" in mix[-2]
    lines = [line.split() for line in mix[4:-1]]
    assert len(lines) == 20
    assert sum(int(line[-6]) for line in lines) == 40
    assert sum(int(line[-4]) for line in lines) == 10


@pytest.mark.parametrize("columns", ["50", "60", "80", "200"])
def test_no_number_of_the_first_picks_is_cut_whatever_the_width(
    spice, corpus: Corpus, small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    spice("select", corpus(), "--budget", "9", "--out", tmp_path / "r", *small)
    monkeypatch.setenv("COLUMNS", columns)
    _, out, _ = spice("show", tmp_path / "r", "--rows", "9")
    picks = out[out.index("first picks") : out.index("time:")].splitlines()
    assert "conflict" in picks[2]
    for rank, line in enumerate(picks[4:13], start=1):
        cells = line.split()[:5]
        assert int(cells[0]) == rank
        assert all(np.isfinite([float(cell) for cell in cells]))


def test_check_run_says_what_the_settings_do(spice, corpus: Corpus, small, tmp_path: Path) -> None:
    common = ("--method", "spice", "--budget", "25%", *small)
    spice("select", corpus(), *common, "--out", tmp_path / "r")
    spice("select", corpus(), *common, "--out", tmp_path / "p", "--schedule", "pools", "--pool-size", "10")
    spice("select", corpus(), *common, "--out", tmp_path / "q", "--per-source-min", "0.4")
    for name in "rp":
        _, out, _ = spice("check", "run", tmp_path / name)
        for words in ("› 0.1", "early stop", "not within the budget", "explains the corpus", "keeps 99% of the inform"):
            assert words in out
    spice("select", corpus(), *common, "--out", tmp_path / "t", "--objective", "target-variance")
    for name, words in (("q", "sources are not kept"), ("t", "log det alone is left out")):
        code, out, _ = spice("check", "run", tmp_path / name)
        assert code == 0
        assert words in out
        assert "early stop" in out
        assert "explains the corpus" in out


@pytest.mark.parametrize(
    ("flags", "words"),
    [(("--alpha", "inf"), "alpha = inf"), (("--conflict-weight", "nan"), "conflict_weight = nan")],
)
def test_a_number_out_of_range_is_named_and_ends_with_2(spice, corpus: Corpus, small, flags, words) -> None:
    code, out, err = spice("select", corpus(), *small, *flags)
    assert code == 2
    assert words in out + err
    assert "pydantic" not in out + err


def test_a_seed_below_zero_is_refused(spice, corpus: Corpus, small, tmp_path: Path) -> None:
    spice("select", corpus(), "--budget", "5", "--out", tmp_path / "r", *small)
    code, _, err = spice("check", "run", tmp_path / "r", "--seed", "-1")
    assert code == 2
    assert "seed=-1" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("select", "x.jsonl", "--per-source-min", "2"), "per_source_min = 2.0: input should be"),
        (("select", "x.jsonl", "--alpha", "-1", "--pool-size", "0"), "pool_size = 0"),
        (("train", "r", "--epochs", "-1"), "epochs = -1: input should be"),
        (("evaluate", "m", "--limit", "0"), "limit = 0: input should be"),
        (("check-model", "--sketch-dim", "0"), "sketch_dim = 0: input should be"),
    ],
)
def test_a_setting_out_of_range_is_told_without_the_parser_s_inner_names(spice, arguments, words) -> None:
    code, out, err = spice(*arguments)
    assert code == 2
    assert words in err
    assert not [name for name in ("tyro", "dummy", "pydantic", "TrainSettings") if name in out + err]


def test_check_alone_says_what_can_be_checked(spice) -> None:
    code, _, err = spice("check", "data")
    assert code == 2
    assert "spice check run RUN" in err


def test_halves_of_characters_in_unused_fields_leave_every_file_valid_utf8(
    spice, corpus: Corpus, sums, small, tmp_path: Path
) -> None:
    rows = [{**row, "note": "cut \ud83d", "k\udc00": ["\udfff"]} for row in sums(8)]
    path = corpus([json.dumps(row) for row in [*rows, {"messages": [], "note": "\ud83d"}]])
    assert spice("select", path, "--budget", "8", "--out", tmp_path / "r", *small)[0] == 0
    assert spice("export", tmp_path / "r", "--to", "jsonl", "--out", tmp_path / "x")[0] == 0
    for name in ("r/selected.jsonl", "r/dropped.jsonl", "x/train.jsonl"):
        records = [json.loads(line) for line in (tmp_path / name).read_text(encoding="utf-8").splitlines()]
        assert "\ud83d" in json.dumps(records, ensure_ascii=False)
    chosen = [{k: v for k, v in record.items() if k != "spice"} for record in records]
    assert sorted(chosen, key=lambda row: int(row["id"][1:])) == rows


def test_what_is_certified_is_named_for_what_the_budget_was(spice, corpus: Corpus, small, tmp_path: Path) -> None:
    cases = {
        "rows": (("--budget", "8"), "for this many rows ("),
        "tokens": (("--budget", "400-tokens"), "for 400 tokens ("),
        "pools": (
            ("--budget", "8", "--schedule", "interleaved", "--pool-size", "20"),
            "for as many rows of every pool (",
        ),
    }
    for name, (flags, words) in cases.items():
        code, out, _ = spice("select", corpus(), "--method", "spice", *flags, "--out", tmp_path / name, *small)
        assert code == 0
        assert words in " ".join(out.split())
    assert "to greedy with λ = 0" in " ".join(spice("show", tmp_path / "rows")[1].split())
    _, out, _ = spice("check", "run", tmp_path / "tokens")
    assert "within a cost of 400;" in " ".join(out.split())


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere file names are Unicode")
def test_a_corpus_whose_name_is_no_unicode_is_chosen_from_shown_and_exported(
    spice, corpus: Corpus, small, tmp_path: Path
) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.jsonl"))
    corpus().rename(path)
    assert spice("select", path, "--budget", "5", "--out", tmp_path / "r", *small)[0] == 0
    assert spice("show", tmp_path / "r")[0] == 0
    for target in ("trl", "llamafactory", "axolotl", "jsonl"):
        assert spice("export", tmp_path / "r", "--to", target, "--out", tmp_path / target)[0] == 0
    code, out, _ = spice("select", "--config", tmp_path / "r" / "config.yaml", "--out", tmp_path / "r", *small)
    assert code == 0
    assert "finished already" in out


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("selected.jsonl", ("show",)),
        ("summary.json", ("show",)),
        ("selection.parquet", ("check", "run")),
    ],
)
@pytest.mark.parametrize("fault", ["is missing", "was altered after the run"])
def test_a_run_whose_files_were_lost_or_altered_says_so(
    spice, corpus: Corpus, small, tmp_path: Path, name: str, command: tuple[str, ...], fault: str
) -> None:
    asked = ("select", corpus(), "--budget", "5", "--out", tmp_path / "r", *small)
    spice(*asked)
    (tmp_path / "r" / name).unlink() if fault == "is missing" else (tmp_path / "r" / name).write_text("{")
    code, _, err = spice(*command, tmp_path / "r")
    assert code == 2
    assert f"{name} {fault}" in err
    assert spice(*asked)[0] == spice(*command, tmp_path / "r")[0] == 0


def test_summary_and_checks_count_conflicting_picks_alike(spice, corpus: Corpus, small, tmp_path: Path) -> None:
    from spice_select.diagnosis import conflict_statistics
    from spice_select.run.finished import load
    from spice_select.selection import LogDet

    flags = ("--budget", "12", "--schedule", "pools", "--pool-size", "10", "--conflict-weight", "0", "--seed", "3")
    spice("select", corpus(), "--method", "spice", *flags, "--out", tmp_path / "r", *small)
    run = load(tmp_path / "r")
    apart = conflict_statistics(run.matrix, run.selection, LogDet()).conflicting
    assert run.summary.judged.conflicting == pytest.approx(apart)
    assert np.mean(run.selection.conflicts > 0) < apart
