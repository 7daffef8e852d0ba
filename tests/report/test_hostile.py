"""Text from data is text: it ends no element, steers no terminal, and the page is valid UTF-8 whatever rows hold."""

import json
import re
from pathlib import Path

import pytest

from spice_select.report import write_report
from spice_select.report.page import Templates, cut
from spice_select.report.page.document import policy
from spice_select.report.page.templating import as_data, ticked
from spice_select.run.finished import load
from tests.report import hostile


@pytest.mark.parametrize("text", hostile.ALL)
def test_a_template_makes_a_value_inert(tmp_path: Path, text: str) -> None:
    (tmp_path / "one.html").write_text("<p>{{ text }}</p>")
    filled = Templates(tmp_path).fill("one.html", text=text)
    assert filled.startswith("<p>")
    assert "<" not in filled[3:-4]
    assert filled.encode("utf-8")
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", filled)


@pytest.mark.parametrize("text", hostile.ALL)
def test_data_in_a_script_element_cannot_end_it(text: str) -> None:
    written = as_data({"text": text, text: [text]})
    assert "<" not in written
    assert written.encode("utf-8")
    assert list(json.loads(written)) == ["text", json.loads(as_data([text]))[0]]


@pytest.mark.parametrize("text", hostile.ALL)
def test_code_between_backticks_is_escaped_as_all_else_is(text: str) -> None:
    shown = ticked(f"a `{text}` b")
    assert shown.count("<code>") == 1
    assert not re.search(r"<(?!/?code>)", shown)
    assert ticked("an odd ` one") == "an odd ` one"


def test_long_text_is_cut_and_said_to_be() -> None:
    assert cut("x" * 1_000_000, 5) == "xxxxx … (cut: 1,000,000 characters in all)"
    assert cut("short", 5) == "short"


def test_the_policy_lets_in_what_is_in_the_page_and_no_more() -> None:
    said = policy(["a"], ["b"])
    assert "default-src 'none'" in said
    assert "unsafe" not in said
    assert "script-src 'sha256-ypeBEsobvcr6wjGzmiPcTaeG7/gUfE5yuYB3ha/uSLs='" in said


def test_a_page_of_hostile_rows_has_no_element_of_theirs(spice, corpus, tiny_proxy: Path, tmp_path: Path) -> None:
    path, run = corpus(hostile.rows()), tmp_path / "run"
    asked = ("--model", tiny_proxy, "--budget", 12, "--sketch-dim", 32, "--device", "cpu")
    code, out, err = spice("select", path, "--out", run, *asked)
    assert (code, err) == (0, "")
    page = (run / "report.html").read_bytes().decode("utf-8")
    assert len(page) < 3_000_000
    assert page.count("<script") == len(re.findall(r'<figure id="', page)) + 3
    assert not re.search(r"<(img|svg|textarea)\b", re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL))
    assert "window.harmed" in page
    assert "\x1b" not in out
    write_report(load(run))
    assert (run / "report.html").read_bytes().decode("utf-8") == page
