"""The command `spice`: one thin file a verb.

Exit codes: 0 done, 2 bad input, 1 a fault on our side, 130 interrupted.
"""

import contextlib
import functools
import io
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from spice_select.cli.interrupts import INTERRUPTED, interrupted_once
from spice_select.cli.plain import plain
from spice_select.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line; always ends with SystemExit."""
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
    except InputError as error:
        errors.print("[bold red]error:[/] ", end="")
        errors.print(plain(str(error)), markup=False, highlight=False, soft_wrap=True)
        return 2
    except BrokenPipeError:
        return 0
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):  # how rich ends when whoever reads has seen enough
            return 0
        raise
    except Exception as error:
        errors.print_exception()
        errors.print(
            f"[bold red]fault:[/] {type(error).__name__}: this is ours, not yours. Finished parts are kept; "
            "please report the lines above.",
        )
        return 1
    return 0


def _dispatch(argv: list[str]) -> None:
    from spice_select.cli.check import check_features, check_model
    from spice_select.cli.evaluate import evaluate
    from spice_select.cli.export import export
    from spice_select.cli.preview import preview
    from spice_select.cli.recipes import show_recipes
    from spice_select.cli.select import select_with_defaults
    from spice_select.cli.show import show
    from spice_select.cli.train import train
    from spice_select.cli.transfer import transfer

    defaults, argv = _take_config(argv)
    verbs: dict[str, Callable[..., Any]] = {
        "select": select_with_defaults(defaults),
        "preview": preview,
        "show": show,
        "recipes": show_recipes,
        "export": export,
        "train": train,
        "evaluate": evaluate,
        "transfer": transfer,
        "check-features": check_features,
        "check-model": check_model,
    }
    if argv[:1] == ["check"] and argv[1:2] in (["features"], ["model"]):  # two words read better than a hyphen
        argv = [f"check-{argv[1]}", *argv[2:]]
    if argv in (["--version"], ["-V"]):
        from importlib.metadata import version

        print(f"spice-select {version('spice-select')}")
        return
    if argv[:1] == ["check"]:
        raise InputError("check what? `spice check features RUN` or `spice check model MODEL`.")
    _parsed({name: _deferred(verb) for name, verb in verbs.items()}, argv or ["--help"])()


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
    from pydantic import ValidationError

    from spice_select.settings.base import refusal

    while end is not None:
        if isinstance(end, InputError):
            return end
        if isinstance(end, ValidationError):
            return refusal(end)
        end = end.__cause__ or end.__context__
    return None


def _take_config(argv: list[str]) -> tuple[str | None, list[str]]:
    """Take `--config FILE` out of the arguments: its settings become the defaults that the others override."""
    rest, config = [], None
    arguments = iter(argv)
    for argument in arguments:
        if argument == "--config":
            config = next(arguments, None)
            if config is None:
                raise InputError("--config needs a file: `spice select --config runs/x/config.yaml`.")
        elif argument.startswith("--config="):
            config = argument.removeprefix("--config=")
        else:
            rest.append(argument)
    return config, rest


_DESCRIPTION = """Pick the part of an instruction corpus worth training on, by the gradients its samples produce.

  spice select train.jsonl --budget 10%                 choose a tenth with the embedded proxy
  spice select train.jsonl --model ./Qwen2.5-0.5B       choose by a proxy of your target's family
  spice select --config runs/x/config.yaml --out y      replay a run
  spice preview train.jsonl                             see what the proxy is trained on
  spice show runs/x                                     print a finished run again
  spice train runs/x --model ./Qwen2.5-7B               fine-tune the target on the chosen rows
  spice export runs/x --to trl                          ready to train on: trl, llamafactory, axolotl, jsonl
  spice evaluate trained/ --held-out test.jsonl         held-out loss and benchmarks, models side by side
  spice transfer runs/x --model ./Qwen2.5-7B            would that model have chosen the same rows?
  spice check model ./Qwen2.5-0.5B                      is it fit to be a proxy, and what will it cost?
  spice check features runs/x                           does the theory hold on a run's own gradients?
"""
