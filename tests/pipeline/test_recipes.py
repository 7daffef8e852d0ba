"""Every recipe and example that ships can be read as it is."""

from pathlib import Path

import pytest

from spice_select.recipes import recipes
from spice_select.run.settings import SelectSettings, read_config

RECIPES = [recipe.path for recipe in recipes()]


def test_there_are_recipes() -> None:
    assert len(RECIPES) >= 2


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.name)
def test_a_recipe_differs_from_the_defaults_and_is_valid(recipe: Path) -> None:
    assert read_config(recipe)[1] != SelectSettings()
