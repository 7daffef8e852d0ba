"""Settings: one declaration, three doors, every fault at once."""

from pathlib import Path

import pytest

from spice_select.errors import InputError
from spice_select.run.settings import SelectSettings, read_asked, read_config, write_config


def test_a_config_file_gives_back_the_settings(tmp_path: Path) -> None:
    settings = SelectSettings.from_flat({"budget": 0.05, "sketch_dim": 12, "lora_targets": ("q_proj",)})
    write_config(tmp_path / "c.yaml", "x.jsonl", settings)
    assert read_config(tmp_path / "c.yaml") == ("x.jsonl", settings)


def test_relative_paths_lead_from_any_folder_to_where_they_led(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("here/model", "here/adapter", "elsewhere/other"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    settings = SelectSettings.from_flat({"model": "./model", "adapter": "adapter"})
    write_config(tmp_path / "c.yaml", "x.jsonl", settings)
    assert read_config(tmp_path / "c.yaml")[1] == settings  # a run is known by what its model was called
    monkeypatch.chdir(tmp_path / "elsewhere")
    found = read_config(tmp_path / "c.yaml")[1]
    assert found.proxy.model == str(tmp_path / "here" / "model")
    assert found.gradients.adapter == str(tmp_path / "here" / "adapter")
    text = (tmp_path / "c.yaml").read_text()
    (tmp_path / "c.yaml").write_text(text.replace("model: ./model", "model: ./other"))
    assert read_config(tmp_path / "c.yaml")[1].proxy.model == "./other"  # changed by hand, it is another model


def test_every_fault_is_reported_at_once_with_the_nearest_name() -> None:
    with pytest.raises(InputError) as caught:
        SelectSettings.from_flat({"budgett": 1, "sketch_dim": 0, "loss": "max", "alpha": -1.0})
    message = str(caught.value)
    assert "Did you mean 'budget'" in message
    assert all(name in message for name in ("sketch_dim = 0", "loss = 'max'", "alpha = -1.0"))


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("- a\n", "mapping"),
        ("selection: {budgets: 1}\n", "budget"),
        ("budget: 5%\n", "It is a setting of the group 'selection'"),
        ("selektion: {}\n", "Did you mean 'selection'"),
        ("selection: 3\n", "expected settings"),
        ("a: [\n", "not valid YAML"),
    ],
)
def test_a_bad_config_file_is_explained(tmp_path: Path, text: str, word: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=word):
        read_config(path)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("selection: {method: random}\nselection: {budget: 5%}\n", "'selection' stands there twice"),
        ("selection: {seed: 1, seed: 2}\n", "'seed' stands there twice"),
        ("corpus: 5\n", "corpus: 5 is no path"),
        ("corpus: [c.jsonl]\n", "is no path"),
        ("1: {a: 2}\n", "1 is no name"),
        ("selection: {1: 2}\n", "1 is no name"),
        ("selection: {budget: 2024-13-45}\n", "not valid YAML"),
    ],
)
def test_nothing_in_a_config_file_is_lost_or_a_fault_of_ours(tmp_path: Path, text: str, word: str) -> None:
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(InputError, match=word):
        read_config(tmp_path / "c.yaml")


@pytest.mark.parametrize("asked", [{}, {"method": "spice"}, {"target": ("t.jsonl",)}, {"method": "random"}])
def test_what_a_run_came_to_is_open_to_another_method_or_target(tmp_path: Path, asked: dict[str, object]) -> None:
    came_to = SelectSettings.from_flat(asked).settled()
    write_config(tmp_path / "c.yaml", "x.jsonl", came_to)
    assert read_config(tmp_path / "c.yaml")[1] == came_to
    found = read_asked(tmp_path / "c.yaml")[1]
    assert found.settled() == came_to
    for other in ({"method": "spice"}, {"method": "information"}, {"target": ("other.jsonl",)}):
        changed = SelectSettings.from_flat({**found.flat(), **other}).settled()
        assert changed == SelectSettings.from_flat({**asked, **other}).settled()


def test_what_a_run_or_a_file_asked_for_stays(tmp_path: Path) -> None:
    asked = SelectSettings.from_flat({"method": "spice", "objective": "target-variance", "conflict_weight": 0.5})
    write_config(tmp_path / "c.yaml", "x.jsonl", asked.settled())
    assert read_asked(tmp_path / "c.yaml")[1] == asked
    (tmp_path / "own.yaml").write_text("selection: {method: spice}\nspice: {objective: log-det}\n")
    assert read_asked(tmp_path / "own.yaml")[1].spice.objective == "log-det"


def test_an_empty_place_in_a_file_of_an_earlier_version_is_none(tmp_path: Path) -> None:
    write_config(tmp_path / "c.yaml", "x.jsonl", SelectSettings())
    text = (tmp_path / "c.yaml").read_text()
    for name in ("store", "model", "adapter"):
        assert f"  {name}: null\n" in text
        text = text.replace(f"  {name}: null\n", f"  {name}: ''\n")
    (tmp_path / "c.yaml").write_text(text)
    assert read_config(tmp_path / "c.yaml") == ("x.jsonl", SelectSettings())


def test_a_missing_config_file_is_explained(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_config(tmp_path / "none.yaml")


@pytest.mark.parametrize(("value", "text"), [(0.1, "0.1"), (500, "500"), ("10%", "10%"), (1.0, "1.0"), (1, "1")])
def test_budgets_keep_the_difference_between_shares_and_counts(value: object, text: str) -> None:
    assert SelectSettings.from_flat({"budget": value}).selection.budget == text
