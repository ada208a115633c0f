"""The command `prathu`: global options, errors as one line, and the list of verbs."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from appliance.cli import context, version
from appliance.cli.verbs import VERBS, overview
from appliance.errors import BoxError, WrongUse
from appliance.search.printable import printable
from captive_portal.errors import PortalError, Unfit
from collector.errors import Busy, CollectorError, SettingsError


def _program() -> typer.Typer:
    return typer.Typer(
        name="prathu",
        help="The gate of a school's network: who was on it, what passed, and the proof.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


app = _program()
"""With the verbs that were called in this process; with all after `register([])`."""


def _version(wanted: bool) -> None:
    if wanted:
        print(version.line())
        raise typer.Exit


@app.callback()
def options(
    ctx: typer.Context,
    home: Annotated[
        Path,
        typer.Option(
            envvar="PRATHU_HOME", help="The folder with settings, logs and ledger.", readable=False
        ),
    ] = context.DEFAULT_HOME,
    as_json: Annotated[
        bool, typer.Option("--json", help="Answer with JSON where the answer is data.")
    ] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Say only what was asked.")] = False,
    debug: Annotated[bool, typer.Option(help="Show where in the code an error arose.")] = False,
    _: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Say which program this is."
        ),
    ] = False,
) -> None:
    """Keep what was said before the verb."""
    if home.is_dir() and not os.access(home, os.R_OK | os.X_OK):
        raise BoxError(f"{home}: Permission denied", hint=_RIGHTS)
    ctx.obj = context.Context(home=home, as_json=as_json, quiet=quiet, debug=debug)


BEFORE_THE_VERB = ("--home", "--json", "--quiet", "-q", "--debug")
"""Options of every verb, which one looks for after it."""
COMPLETING = "_PRATHU_COMPLETE"
"""In the environment when the shell asks what may follow: the words are there too."""
_added: set[str] = set()
"""Modules whose verbs are in already: a process may run several commands, one after the other."""
_RIGHTS = "run it as the user of the box, or with sudo"


def run(arguments: list[str] | None = None) -> None:
    """Run the command line; every expected error is one line on stderr and a status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in arguments
    # Names, logs and answers are nobody else's on this machine, wherever the home lies.
    os.umask(os.umask(0o077) | 0o007)
    try:
        program = _ready(arguments)
        sys.exit(program(args=arguments, prog_name="prathu", standalone_mode=False))
    except (BoxError, CollectorError, PortalError, OSError) as error:
        if debug:
            raise
        print(f"prathu: {printable(_one_line(error))}", file=sys.stderr)
        sys.exit(_status(error))
    except typer.TyperException as error:
        if told := _wrong_words(error):
            print(f"prathu: {printable(told)}", file=sys.stderr)
        sys.exit(WrongUse.status)


def _ready(arguments: Sequence[str]) -> typer.Typer:
    """Return the program with what `arguments` need: a verb of it, or only the lines about all."""
    if _verb(arguments) is None and COMPLETING not in os.environ:
        program = _program()
        program.callback()(options)
        overview(program)
        return program
    register(arguments)
    return app


def register(arguments: Sequence[str]) -> None:
    """Add the verb that `arguments` name, or all when they name none.

    One verb alone, because each process of the box is a verb too: the receiver must not carry the
    memory of the search engine.
    """
    verb = _verb(arguments)
    for module, _ in VERBS.values() if verb is None else (VERBS[verb],):
        if module not in _added:
            _added.add(module)
            import_module(f"appliance.cli.{module}").register(app)


def _verb(arguments: Sequence[str]) -> str | None:
    """Return the first known verb, unless another word stands before it."""
    words = iter(arguments)
    for word in words:
        if word == "--home":
            next(words, None)
        elif not word.startswith("-"):
            return word if word in VERBS else None
    return None


def _status(error: Exception) -> int:
    if isinstance(error, BoxError):
        return error.status
    if isinstance(error, Unfit):
        return WrongUse.status
    return 2 if isinstance(error, SettingsError) and not isinstance(error, Busy) else 3


def _one_line(error: Exception) -> str:
    """Return an error as one line; one of the system, as the file and what is wrong with it."""
    if isinstance(error, OSError) and error.strerror:
        file = error.filename2 or error.filename
        if isinstance(error, PermissionError) and file:
            return f"{file}: {error.strerror}; {_RIGHTS}"
        return f"{file}: {error.strerror}" if file else f"{error.strerror}; see the disk (df)"
    return " ".join(str(error).split())


def _wrong_words(error: typer.TyperException) -> str:
    """Return what is wrong with the words of a command; nothing where the help was shown."""
    tell = getattr(error, "format_message", error.__str__)
    told = " ".join(tell().split()).rstrip(".").replace(": Value error,", ":")
    ctx: typer.Context | None = getattr(error, "ctx", None)
    path = ctx.command_path if ctx is not None else "prathu"
    option = getattr(error, "option_name", "")
    if option in BEFORE_THE_VERB and path != "prathu":
        return f"{option} stands before the verb: prathu {option} {path.partition(' ')[2]}"
    return f"{told}; see: {path} --help" if told else ""


if __name__ == "__main__":
    run()
