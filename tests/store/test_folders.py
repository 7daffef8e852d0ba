"""Folders and text files that are whole or absent."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from spice_select.errors import InputError
from spice_select.store import sweep, whole_folder, write_json, write_lines, write_text


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_folder_replaces_the_one_before_as_a_whole(tmp_path: Path) -> None:
    for name in ("one", "two"):
        with whole_folder(tmp_path / "deep" / "place") as aside:
            (aside / name).touch()
            assert "place/two" not in names(tmp_path / "deep")
    assert names(tmp_path) == ["deep/place/two"]
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["place"]


@pytest.mark.parametrize("fault", [RuntimeError("ours"), OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))])
def test_a_folder_that_fails_leaves_the_one_before_and_nothing_else(tmp_path: Path, fault: Exception) -> None:
    (tmp_path / "place").mkdir()
    (tmp_path / "place" / "old").touch()
    expected = InputError if isinstance(fault, OSError) else RuntimeError
    with pytest.raises(expected), whole_folder(tmp_path / "place") as aside:
        (aside / "half").touch()
        raise fault
    assert names(tmp_path) == ["place/old"]
    assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_that_a_killed_process_left_half_written_is_swept_away(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from spice_select.store import whole_folder\n"
        "with whole_folder(Path(sys.argv[1]) / 'place') as aside:\n"
        "    (aside / 'half').touch(); os._exit(9)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert len(names(tmp_path)) == 1
    with whole_folder(tmp_path / "mine") as aside:
        (aside / "file").touch()
        sweep(tmp_path)
    assert names(tmp_path) == ["mine/file"]
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_what_a_killed_process_of_the_same_number_left_is_in_no_folder(tmp_path: Path) -> None:
    """In a container every process is the first: it would write into what the last one left."""
    place = tmp_path / "place"
    with whole_folder(place) as aside:
        left = aside
    left.mkdir()
    (left / "half").touch()
    old = left.with_name(left.name.replace(".place.", ".place.old."))
    place.rename(old)
    (old / "kept").touch()
    with pytest.raises(RuntimeError), whole_folder(place):
        raise RuntimeError
    assert names(tmp_path) == ["place/kept"]
    left.mkdir()
    (left / "half").touch()
    old.mkdir()
    (old / "older").touch()
    with whole_folder(place) as aside:
        (aside / "new").touch()
    assert [path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.rglob("*"))] == ["place", "place/new"]


def test_text_makes_its_folder_and_takes_any_name_of_a_file(tmp_path: Path) -> None:
    write_text(tmp_path / "a" / "text", "né \udcff\n")
    assert (tmp_path / "a" / "text").read_bytes() == "né ".encode() + b"\\udcff\n"
    write_json(tmp_path / "b" / "x.json", {"é": [1, "\ud83d"]})
    assert (tmp_path / "b" / "x.json").read_text() == '{\n  "é": [\n    1,\n    "\\ud83d"\n  ]\n}\n'
    write_lines(tmp_path / "lines", iter(["1", "2"]))
    assert (tmp_path / "lines").read_text() == "1\n2\n"


def test_json_is_strict_and_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", 1)
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "x.json", float("nan"))
    with pytest.raises(ZeroDivisionError):
        write_lines(tmp_path / "x.json", (str(1 // number) for number in (1, 0)))
    assert (tmp_path / "x.json").read_text() == "1\n"
    assert names(tmp_path) == ["x.json"]


def test_what_was_there_stays_where_an_interrupt_comes_as_it_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, renamed = tmp_path / "place", os.rename
    place.mkdir()
    (place / "old").write_text("kept")

    def interrupted(source: Path, target: Path) -> None:
        if target == place and source.name.count(".old.") == 0:
            raise KeyboardInterrupt
        renamed(source, target)

    monkeypatch.setattr(os, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt), whole_folder(place) as aside:
        (aside / "new").write_text("lost")
    assert [path.name for path in tmp_path.rglob("*")] == ["place", "old"]


@pytest.mark.parametrize("finder", ["the next writer", "sweep"])
def test_what_was_there_comes_back_where_a_process_was_killed_between_the_two_renames(
    tmp_path: Path, finder: str
) -> None:
    code = (
        "import os, sys; from pathlib import Path; from spice_select.store import whole_folder\n"
        "place, rename = Path(sys.argv[1]) / 'place', os.rename\n"
        "with whole_folder(place) as aside: (aside / 'first').touch()\n"
        "def once(*names): rename(*names); os._exit(9)\n"
        "with whole_folder(place) as aside:\n"
        "    (aside / 'second').touch(); os.rename = once\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert not (tmp_path / "place").exists()
    if finder == "sweep":
        sweep(tmp_path)
    else:
        with pytest.raises(RuntimeError), whole_folder(tmp_path / "place"):
            raise RuntimeError
    assert (tmp_path / "place" / "first").is_file()
