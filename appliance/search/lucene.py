"""From what was typed to luqum's tree, bounded, with every fault at its place.

luqum reads Lucene syntax, where a colon ends a field's name and a minus means "not". Addresses,
times and MACs are full of both, so a pass before it hides those that belong to a value behind
single private-use characters (positions stay), and `value_of` brings them back.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from luqum import tree
from luqum.exceptions import ParseError
from luqum.thread import parse as luqum_parse

from appliance.errors import WrongQuestion

MAX_LENGTH = 4096
"""Characters in a question."""
MAX_DEPTH = 40
MAX_TERMS = 200

_COLON, _MINUS = "\ue000", "\ue001"
_BACK = str.maketrans({_COLON: ":", _MINUS: "-"})
_POSITION = re.compile(r"at position (\d+)")
_NAMED = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*:")
_ADDRESS_LIKE = re.compile(
    r"[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:./*?]*|[0-9.]+:[0-9*]+|\[[0-9A-Fa-f:.]+\]:\d+"
)
_CHUNK_END = re.compile(r"[\s()\"\[\]{}]")


@dataclass(frozen=True, slots=True)
class Value:
    """One value in a question."""

    text: str
    """As meant: quotes and escapes taken away, Unicode NFC."""
    like: str | None
    r"""With wildcards: the pattern for SQL LIKE, escaped with `\`; else None."""
    at: int
    """Where it stands, counted from 0."""
    quoted: bool = False

    @property
    def anything(self) -> bool:
        """Whether it is a lone `*`."""
        return self.like == "%"


def read(question: str) -> tree.Item:
    """Return luqum's tree of a question.

    Raises:
        WrongQuestion: empty, too long, or not Lucene syntax; says where.
    """
    if not question.strip():
        raise WrongQuestion("the question is empty", hint="to see everything, ask: *")
    if len(question) > MAX_LENGTH:
        raise WrongQuestion(f"the question has {len(question)} characters, {MAX_LENGTH} at most")
    for at, char in enumerate(question):
        if unicodedata.category(char) in ("Cc", "Co", "Cs") and char not in "\t\n\r":
            raise wrong(f"the character U+{ord(char):04X} is not text", at)
    try:
        return luqum_parse(_hide(question))
    except ParseError as error:
        raise _syntax(error, question) from error
    except (ValueError, ArithmeticError) as error:  # a number after ~ or ^ that is none
        sign = re.search(r"[~^][0-9.]", question)
        raise _no_distance(sign.start() if sign else 0) from error


def wrong(what: str, at: int, hint: str = "") -> WrongQuestion:
    """Return the error that says what is wrong and at which character, counted from 1."""
    return WrongQuestion(f"the question is wrong at character {at + 1}: {what}", hint=hint)


def value_of(item: tree.Item) -> Value:
    """Return the value in a word, a phrase, or a word with a minus before it.

    Raises:
        WrongQuestion: for what the question language does not have.
    """
    at = int(item.pos or 0)
    if isinstance(item, tree.Phrase):
        plain = re.sub(r"\\(.)", r"\1", item.value[1:-1].translate(_BACK), flags=re.DOTALL)
        return Value(_nfc(plain), None, at, quoted=True)
    if isinstance(item, tree.Word):
        return _word(item.value.translate(_BACK), at)
    if isinstance(item, tree.Regex):
        raise wrong("there are no regular expressions", at, 'use * and ?, or quote it: "/…/"')
    if isinstance(item, tree.Fuzzy | tree.Proximity | tree.Boost):
        raise _no_distance(at)
    raise wrong("wanted a value here", at)


def _no_distance(at: int) -> WrongQuestion:
    return wrong("~ and ^ have no meaning here", at, 'quote it to look for the sign: "a~b"')


def _word(word: str, at: int) -> Value:
    plain: list[str] = []
    like: list[str] = []
    wild, escaped = False, False
    for char in word:
        if not escaped and char == "\\":
            escaped = True
            continue
        if not escaped and char in "*?":
            wild = True
            if char == "?" or like[-1:] != ["%"]:
                like.append("%" if char == "*" else "_")
        else:
            like.append("\\" + char if char in "\\%_" else char)
        plain.append(char)
        escaped = False
    text = _nfc("".join(plain))
    return Value(text, _nfc("".join(like)) if wild else None, at)


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _hide(question: str) -> str:
    """Hide colons and minuses inside values; same length, quotes and escapes untouched."""
    out: list[str] = []
    at, brackets = 0, 0
    while at < len(question):
        char = question[at]
        if char == '"':
            end = _phrase_end(question, at)
            out.append(question[at:end])
        elif _CHUNK_END.match(char):
            brackets = max(0, brackets + (char in "[{") - (char in "]}"))
            out.append(char)
            end = at + 1
        else:
            end = _chunk_end(question, at)
            chunk = question[at:end]
            out.append(_hide_all(chunk) if brackets else _hide_chunk(chunk))
        at = end
    return "".join(out)


def _phrase_end(question: str, at: int) -> int:
    at += 1
    while at < len(question) and question[at] != '"':
        at += 2 if question[at] == "\\" else 1
    return min(at + 1, len(question))


def _chunk_end(question: str, at: int) -> int:
    while at < len(question) and not _CHUNK_END.match(question[at]):
        at += 2 if question[at] == "\\" else 1
    return min(at, len(question))


def _hide_chunk(chunk: str) -> str:
    """Hide within one run of characters: after `field:` and `>=`, or the whole of an address."""
    sign = chunk[:1] if chunk[:1] in "+-" else ""
    body = chunk[len(sign) :]
    if _ADDRESS_LIKE.fullmatch(body):
        return sign + _hide_all(body)
    named = _NAMED.match(body)
    if not named:
        return chunk
    value = body[named.end() :]
    compared = re.match(r"[<>]=?", value)
    start = compared.end() if compared else 0
    return sign + body[: named.end()] + value[:start] + _hide_all(value[start:])


def _hide_all(text: str) -> str:
    hidden = re.sub(r"(?<!\\):", _COLON, text)
    return _MINUS + hidden[1:] if hidden.startswith("-") else hidden


def _syntax(error: ParseError, question: str) -> WrongQuestion:
    said = str(error).translate(_BACK)
    place = _POSITION.search(said)
    if place is None:
        return wrong("it ends too early", len(question), "is a ) or a value missing?")
    at = min(int(place[1]), len(question) - 1)
    return wrong(f"{question[at]!r} is not wanted here", at, 'quote values with signs: "…"')
