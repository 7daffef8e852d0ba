"""Every recipe that ships can be read as it is, by its name, and says what it is for."""

from pathlib import Path

import pytest

from spice_select.errors import InputError
from spice_select.recipes import FOLDER, Recipe, config_path, recipes
from spice_select.run.feasible import refuse_settings
from spice_select.run.settings import SelectSettings, read_config

each = pytest.mark.parametrize("recipe", recipes(), ids=lambda recipe: recipe.name)


def test_every_file_of_the_folder_is_a_recipe() -> None:
    assert {path.stem for path in FOLDER.glob("*.yaml")} == {recipe.name for recipe in recipes()} >= {"spice"}


@each
def test_a_recipe_differs_from_the_defaults_and_its_settings_go_together(recipe: Recipe) -> None:
    corpus, settings = read_config(recipe.path)
    assert corpus is None
    assert settings != SelectSettings()
    refuse_settings(settings)


@each
def test_a_recipe_says_in_a_sentence_what_it_is_for_and_how_it_is_called(recipe: Recipe) -> None:
    assert 40 < len(recipe.purpose) < 200
    assert recipe.purpose.endswith(".")
    assert f"--config {recipe.name}" in recipe.path.read_text(encoding="utf-8")


@each
def test_a_recipe_is_found_by_its_name(recipe: Recipe) -> None:
    assert config_path(recipe.name) == recipe.path


def test_a_file_of_a_recipe_s_name_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "spice").write_text("selection: {budget: 3}\n")
    assert config_path("spice") == Path("spice")


def test_an_unknown_recipe_is_told_with_the_nearest() -> None:
    with pytest.raises(InputError, match=r"Recipes are spice, spice-pools, target-variance. Did you mean 'spice'"):
        config_path("spise")


def test_a_run_by_a_recipe_s_name_is_a_run_by_its_file(spice, corpus, tiny_proxy: Path, tmp_path: Path) -> None:
    small = ("--model", tiny_proxy, "--sketch-dim", "32", "--budget", "5", "--pool-size", "20", "--device", "cpu")
    path = corpus()
    for name, config in (("a", "spice-pools"), ("b", str(FOLDER / "spice-pools.yaml"))):
        code, _, err = spice("select", path, "--config", config, "--out", tmp_path / name, *small)
        assert (code, err) == (0, "")
    chosen = [(tmp_path / name / "selected.jsonl").read_bytes() for name in "ab"]
    assert chosen[0] == chosen[1]
