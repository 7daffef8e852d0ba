"""The command `spice`: one thin file a verb, one line each in `spice_select.cli.verbs`.

Exit codes: 0 done, 2 bad input, 1 a fault on our side, 3 parts are left to others, 130 interrupted.
"""

import contextlib
import errno
import functools
import io
import sys
import textwrap
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from spice_select.cli.interrupts import INTERRUPTED, interrupted_once
from spice_select.cli.streams import open_closed
from spice_select.cli.verbs import VERBS, Verb, examples
from spice_select.data.printable import printable
from spice_select.errors import InputError, PartsDueError, full_disk

if TYPE_CHECKING:
    from rich.console import Console


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line; always ends with SystemExit."""
    open_closed()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # hours of work must not end in a ± that a locale cannot write
    with interrupted_once():
        sys.exit(_run(list(sys.argv[1:] if argv is None else argv)))


def _run(argv: list[str]) -> int:
    try:
        from rich.console import Console

        errors = Console(stderr=True)
        return _reported(argv, errors)
    except KeyboardInterrupt:
        print(INTERRUPTED, file=sys.stderr)  # plain: whatever was at work may have left rich half-way
        return 130


def _reported(argv: list[str], errors: "Console") -> int:
    try:
        _dispatch(argv)
        sys.stdout.flush()
    except InputError as error:
        return _bad_input(errors, str(error))
    except PartsDueError as due:
        errors.print(printable(str(due)), markup=False, highlight=False, soft_wrap=True)
        return 3
    except BrokenPipeError:
        return 0
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):  # how rich ends when whoever reads has seen enough
            return 0
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:  # only a person names anything so
            shown = f"{str(error.filename)[:60]}…" if error.filename else "a path"
            return _bad_input(errors, f"{shown!r}: longer than the file system takes a name. Give a path, not a text.")
        if (no_space := full_disk(error)) is not None:
            return _bad_input(errors, no_space)
        errors.print_exception()
        errors.print(
            f"[bold red]fault:[/] {type(error).__name__}: this is ours, not yours. Finished parts are kept; "
            "please report the lines above.",
        )
        return 1
    return 0


def _bad_input(errors: "Console", what: str) -> int:
    with contextlib.suppress(OSError, SystemExit):  # where nobody can be told, the exit code still says it
        errors.print("[bold red]error:[/] ", end="")
        errors.print(printable(what), markup=False, highlight=False, soft_wrap=True)
    return 2


def _dispatch(argv: list[str]) -> None:
    if argv in (["--version"], ["-V"]):
        from importlib.metadata import version

        print(f"spice-select {version('spice-select')}")
        return
    read_command(argv)()


def read_command(argv: list[str]) -> Callable[[], None]:
    """What a command line asks for, every argument read and nothing done yet.

    Raises:
        InputError: values that cannot be used.
        SystemExit: unknown flags, or help was asked for.
    """
    argv = _in_one_word(argv)
    begun = [verb for verb in VERBS if [verb.name.split()[0]] == argv[:1]]
    if len(begun) > 1 and argv[1:] in (["--help"], ["-h"]):
        return functools.partial(_list, begun)
    _refuse_renamed(argv)
    _refuse_empty(argv)
    verbs: dict[str, Callable[..., Any]] = {verb.key: _not_asked_for(verb) for verb in VERBS}
    asked = next((verb for verb in VERBS if argv[:1] == [verb.key]), None)
    if asked is not None:
        verbs[asked.key], argv = _asked_for(asked, argv)
    return _parsed({key: _deferred(verb) for key, verb in verbs.items()}, argv or ["--help"])


def _asked_for(verb: Verb, argv: list[str]) -> tuple[Callable[..., Any], list[str]]:
    """The verb's function and its arguments; `select` takes `--config` out of them, for its defaults."""
    if verb.key != "select":
        return verb.load(), argv
    config, argv = _take_config(argv)
    return verb.load()(config), argv


def _list(verbs: Sequence[Verb]) -> None:
    """What begins with one word, for those who ask it for help."""
    for verb in verbs:
        print(f"spice {verb.name} --help\n{textwrap.indent(textwrap.fill(verb.summary, 100), '    ')}")


def _in_one_word(argv: list[str]) -> list[str]:
    """`check run` as the parser has it: two words read better than a hyphen, but only one names a verb."""
    for verb in VERBS:
        words = verb.name.split()
        if argv[: len(words)] == words:
            return [verb.key, *argv[len(words) :]]
    return argv


def _refuse_renamed(argv: list[str]) -> None:
    """Tell what a command of earlier days is called now."""
    if argv[:2] == ["check", "features"] or argv[:1] == ["check-features"]:
        raise InputError("`spice check features RUN` is now `spice check run RUN`.")
    if argv[:1] == ["check"]:
        raise InputError("check what? `spice check run RUN` or `spice check model MODEL`.")
    for place, argument in enumerate(argv):
        flag, _, value = argument.partition("=")
        if argv[0] == "select" and flag == "--picker":
            value = value or next(iter(argv[place + 1 :]), "NAME")
            raise InputError(f"`--picker {value}` is now `--method {value}`.")


def _refuse_empty(argv: list[str]) -> None:
    """Refuse `--out ""`, and a file or run of no name: a path takes them for the folder that a person is in."""
    unset = next((place for place, word in enumerate(argv) if not word and not argv[place - 1].startswith("-")), None)
    if unset:
        raise InputError(
            f"an argument after {argv[unset - 1]!r} is empty, as a shell's variable is that was never set. Name a file "
            "or folder; here is `.`."
        )
    if "--out=" in argv or ("--out", "") in pairwise(argv):
        raise InputError("--out is empty, as a shell's variable is that was never set. Give a folder; here is `.`.")


def _not_asked_for(verb: Verb) -> Callable[[], None]:
    """What `spice --help` lists of a verb: its summary. Its module is not imported."""

    def listed() -> None: ...

    listed.__doc__ = verb.summary
    return listed


def _deferred(verb: Callable[..., None]) -> Callable[..., Callable[[], None]]:
    """The same signature and help, but the call waits until every argument has been read."""

    @functools.wraps(verb)
    def wait(*args: Any, **settings: Any) -> Callable[[], None]:
        return functools.partial(verb, *args, **settings)

    return wait


def _parsed(verbs: dict[str, Callable[..., Callable[[], None]]], argv: list[str]) -> Callable[[], None]:
    """The call that the arguments ask for. Settings out of range are told as elsewhere, not in the parser's frame."""
    import tyro

    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            call: Callable[[], None] = tyro.extras.subcommand_cli_from_dict(
                verbs, prog="spice", description=_DESCRIPTION, args=argv
            )
    except SystemExit as end:
        refused = _refused(end)
        if refused is not None:
            raise refused from None
        sys.stderr.write(said.getvalue())
        raise
    sys.stderr.write(said.getvalue())
    return call


def _refused(end: BaseException | None) -> InputError | None:
    """The settings that could not be used, where these ended the parsing."""
    while end is not None:
        if isinstance(end, InputError):
            return end
        end = end.__cause__ or end.__context__
    return None


def _take_config(argv: list[str]) -> tuple[str | None, list[str]]:
    """Take `--config FILE` out of the arguments: its settings become the defaults that the others override."""
    rest, config = [], None
    arguments = iter(argv)
    for argument in arguments:
        flag, _, value = argument.partition("=")
        if flag != "--config":
            rest.append(argument)
            continue
        given = value if "=" in argument else next(arguments, None)
        if given is None:
            raise InputError("--config needs a file: `spice select --config runs/x/config.yaml`.")
        if config is not None:
            raise InputError(f"--config {config} and --config {given}: settings are taken from one file. Give one.")
        config = given
    return config, rest


_DESCRIPTION = f"""Pick the part of an instruction corpus worth training on, by the gradients its samples produce.

{textwrap.indent(examples(), "  ")}

  spice VERB --help explains a verb and its settings
"""
