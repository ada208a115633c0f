"""The options that define a case, written once for the verbs that take them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any, get_args

import typer

from appliance.cases.case import Words
from appliance.cli.hold import actor
from appliance.errors import WrongUse
from appliance.search import times
from appliance.settings import BoxSettings

OPTIONS: dict[str, Any] = {
    "person": Annotated[str, typer.Option(help="Show this person: id, account or name.")],
    "question": Annotated[str, typer.Option(help="Or what this question finds (C0).")],
    "log": Annotated[list[str] | None, typer.Option(help="Of this log: flows; may be repeated.")],
    "since": Annotated[str, typer.Option("--from", help="What happened since.")],
    "to": Annotated[str, typer.Option("--to", help="And before.")],
    "level": Annotated[str, typer.Option(help="How complete: C0, C1 or C2; by person C1.")],
    "withhold": Annotated[
        list[str] | None, typer.Option(help="Leave names, hosts and such of this log out.")
    ],
    "site": Annotated[str, typer.Option(help="Of this site; needed when there are several.")],
    "approver": Annotated[
        str, typer.Option(help="Who approved it: an account of the staff, not who exports.")
    ],
    "exporter": Annotated[str, typer.Option(help="Id of who exports; you when left out.")],
    "recipient": Annotated[
        str, typer.Option(help="Class of the recipient, such as police or court.")
    ],
    "request": Annotated[str, typer.Option(help="Number of the request.")],
    "authority": Annotated[str, typer.Option(help="Who asks.")],
    "legal_basis": Annotated[
        str, typer.Option("--legal-basis", help="Section of the law, order no.")
    ],
}
"""Each with its help; all may be left out, for a case that is defined already."""
_NEEDED = {
    "since": "--from",
    "to": "--to",
    "approver": "--approver",
    "recipient": "--recipient",
    "request": "--request",
}
"""Without these there is no new case."""


class Told:
    """The words that define a case, as they stood on the command line."""

    def __init__(self, **words: Any) -> None:  # noqa: ANN401  # as typer gives them
        self._words = words

    @property
    def any(self) -> bool:
        """Whether there is any of them."""
        return any(self._words.values())

    def case(self, case: str, settings: BoxSettings, now_us: int) -> Words:
        """Return what defines the case.

        Raises:
            WrongUse: a word is missing, or no time or site of this box.
        """
        words = self._words
        for name, option in _NEEDED.items():
            if not words[name]:
                message = f"the case {case} is new: {option} is needed"
                raise WrongUse(message, hint="see: prathu export --help")
        asis = ("person", "question", "level", "approver", "recipient", "request", "authority")
        return Words(
            case=case,
            site=_site(settings, words["site"]),
            logs=tuple(dict.fromkeys(words["log"] or ("flows",))),
            start_us=times.parse(words["since"], now_us).us,
            end_us=times.parse(words["to"], now_us).end_us,
            withhold=tuple(dict.fromkeys(words["withhold"] or ())),
            exporter=words["exporter"] or actor(),
            legal_basis=words["legal_basis"],
            **{name: words[name] for name in asis},
        )


def defining(command: Callable[..., None]) -> Callable[..., None]:
    """Give a verb these options in place of its parameter `told`, which is made of them."""

    @wraps(command)
    def run(**given: Any) -> None:  # noqa: ANN401  # as typer gives them
        words = {name: given.pop(name) for name in OPTIONS}
        command(**given, told=Told(**words))

    own = inspect.signature(command, eval_str=True).parameters.values()
    keyword = inspect.Parameter.KEYWORD_ONLY
    kept = [one.replace(kind=keyword) for one in own if one.name != "told"]
    more = [
        inspect.Parameter(name, keyword, annotation=option, default=_default(option))
        for name, option in OPTIONS.items()
    ]
    # Typer reads both: the one for the order and the defaults, the other for the types.
    run.__signature__ = inspect.Signature([*kept, *more])  # type: ignore[attr-defined]  # as PEP 362
    run.__annotations__ = {one.name: one.annotation for one in (*kept, *more)}
    return run


def _default(option: Any) -> str | None:  # noqa: ANN401  # an annotation
    """Return what stands for an option that was left out."""
    return "" if get_args(option)[0] is str else None


def _site(settings: BoxSettings, wanted: str) -> str:
    known = [site.id for site in settings.sites]
    if wanted in known:
        return wanted
    if wanted or len(known) > 1:
        raise WrongUse(f"--site {wanted!r} is not a site here", hint=f"known: {', '.join(known)}")
    return known[0]
