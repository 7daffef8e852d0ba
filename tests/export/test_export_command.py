"""`spice export`: from a real selection to a folder, and one clear error where that cannot be."""

import shutil
from collections.abc import Callable
from pathlib import Path

from spice_select.export import DESTINATIONS
from tests.training.runs import finished_run, turns


def test_a_selection_exports_to_every_destination(
    spice, corpus: Callable[..., Path], tiny_proxy: Path, tmp_path: Path
) -> None:
    run = tmp_path / "r"
    code, _, err = spice(
        "select", corpus(), "--budget", "25%", "--out", run, "--model", tiny_proxy, "--sketch-dim", "32"
    )
    assert code == 0, err
    for destination in DESTINATIONS.names:
        code, out, _ = spice("export", run, "--to", destination)
        assert code == 0
        assert f"10 rows for {destination}" in out
        assert (tmp_path / f"r-{destination}" / "export.json").is_file()
    assert str(tmp_path) not in (tmp_path / "r-trl" / "README.md").read_text()  # cards are published


def test_a_proxy_that_changed_since_the_run_is_said(
    spice, corpus: Callable[..., Path], tiny_proxy: Path, tmp_path: Path
) -> None:
    proxy = Path(shutil.copytree(tiny_proxy, tmp_path / "proxy"))
    spice("select", corpus(), "--budget", "5", "--out", tmp_path / "r", "--model", proxy, "--sketch-dim", "32")
    path = proxy / "chat_template.jinja"
    path.write_text(path.read_text().replace("<|im_start|>", "<|im_start|>the "))
    words = "no longer the one that the rows were chosen with"
    for arguments, said in ((("axolotl",), True), (("axolotl", "--model", proxy), False), (("jsonl",), False)):
        code, out, _ = spice("export", tmp_path / "r", "--to", *arguments)
        assert code == 0
        assert (words in " ".join(out.split())) == said


def test_what_is_not_exported_is_said_on_the_screen(spice, tmp_path: Path) -> None:
    raw = {"messages": turns("a", "b"), "id": 7}
    finished_run(tmp_path / "r", [raw], "messages")
    code, out, _ = spice("export", tmp_path / "r", "--to", "trl")
    assert code == 0
    assert "id (1 row)" in " ".join(out.split())


def test_bad_input_is_one_clear_error(spice, tmp_path: Path) -> None:
    for arguments, words in (
        ((tmp_path, "--to", "trl"), "not a run folder"),
        ((tmp_path, "--to", "jsonl", "--messages"), "--to trl alone"),
        ((tmp_path, "--to", "axolot"), "axolotl"),
    ):
        code, _, err = spice("export", *arguments)
        assert code == 2
        assert words in err
        assert "Traceback" not in err
