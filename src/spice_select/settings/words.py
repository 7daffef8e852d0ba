"""Settings as words of the command line, for commands that are shown to be given again."""

from spice_select.settings.base import Group


def command_words(group: Group) -> list[str]:
    """The settings of a group that differ from their defaults, as the command line has them."""
    words = list[str]()
    for name, value in group.changed().items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            words += [f"--{flag}", *map(str, value if isinstance(value, tuple) else [value])]
    return words
