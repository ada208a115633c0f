"""The command `prathu`: global options, errors as one line, and the list of verbs."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer

from appliance.cli import context
from appliance.errors import BoxError
from captive_portal.errors import PortalError
from collector.errors import Busy, CollectorError, SettingsError

app = typer.Typer(
    name="prathu",
    help="The gate of a school's network: who was on it, what passed, and the proof.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def options(
    ctx: typer.Context,
    home: Annotated[
        Path, typer.Option(envvar="PRATHU_HOME", help="The folder with settings, logs and ledger.")
    ] = context.DEFAULT_HOME,
    as_json: Annotated[
        bool, typer.Option("--json", help="Answer with JSON where the answer is data.")
    ] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Say only what was asked.")] = False,
    debug: Annotated[bool, typer.Option(help="Show where in the code an error arose.")] = False,
) -> None:
    """Keep what was said before the verb."""
    ctx.obj = context.Context(home=home, as_json=as_json, quiet=quiet, debug=debug)


VERBS: tuple[ModuleType, ...] = ()
"""The modules that bring the verbs, in the order of `prathu --help`."""

for verb in VERBS:
    verb.register(app)


def run(arguments: list[str] | None = None) -> None:
    """Run the command line; every expected error is one line on stderr and a status."""
    debug = "--debug" in (arguments if arguments is not None else sys.argv)
    try:
        app(args=arguments)
    except (BoxError, CollectorError, PortalError, OSError) as error:
        if debug:
            raise
        print(f"prathu: {_one_line(error)}", file=sys.stderr)
        sys.exit(_status(error))


def _status(error: Exception) -> int:
    if isinstance(error, BoxError):
        return error.status
    return 2 if isinstance(error, SettingsError) and not isinstance(error, Busy) else 3


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


if __name__ == "__main__":
    run()
