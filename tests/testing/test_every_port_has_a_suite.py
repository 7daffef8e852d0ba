"""What the package of suites says of itself is so: each suite it names is there."""

import re
from importlib import import_module

import spice_select.testing


def test_each_suite_that_is_named_is_there() -> None:
    named = re.findall(r"`(spice_select\.testing\.\w+)\.(check_\w+)`((?:, `check_\w+`)*)", spice_select.testing.__doc__)
    assert len(named) == 8
    for module, first, others in named:
        for name in (first, *re.findall(r"check_\w+", others)):
            assert callable(getattr(import_module(module), name))
