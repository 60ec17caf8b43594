"""Canonical JSON: one text for one value, whoever writes it. ``docs/format.md`` has the rules in words.

Keys sorted by code point, the last of equal keys wins, no spaces, UTF-8, only what must be escaped is escaped;
integers keep all their digits, floats are the shortest text that gives the same double (as Python writes it), -0.0
stays -0.0. NaN and infinities are no JSON.

msgspec reads and writes nearly every text in a quarter of the time that ``json`` takes, to the same result: floats are
left to Python there too, and what it refuses, ``json`` decides.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from math import isinf
from typing import Never

import msgspec

from backup_engine.errors import UnexpectedAnswer

MAX_DEPTH = 200
"""Objects and arrays inside each other; the server's own parser stops at 128."""

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_SURROGATE = re.compile("[\ud800-\udfff]")
_LONGEST_INT = 4_300  # digits that Python converts to an int
_MANY_DIGITS = re.compile(rf"\d{{{_LONGEST_INT + 1}}}")


def _refuse_constant(word: str) -> Never:
    raise ValueError(f"{word} is no JSON number")


class _Digits(str):
    """An integer too long to convert; only its digits matter."""

    __slots__ = ()


def _as_python_writes(number: str) -> msgspec.Raw:
    value = float(number)
    if isinf(value):
        raise ValueError(f"{number} is more than a double holds")
    return msgspec.Raw(repr(value).encode())


_NOT_TAKEN = (msgspec.MsgspecError, ValueError, OverflowError)
"""What msgspec and the function above raise; ``json`` may take such a text all the same."""

_read_fast = msgspec.json.Decoder(float_hook=_as_python_writes).decode
_write_fast = msgspec.json.Encoder(order="sorted").encode
_read_only = msgspec.json.Decoder().decode

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")).encode
_decode = json.JSONDecoder(parse_constant=_refuse_constant).decode
_decode_long = json.JSONDecoder(parse_constant=_refuse_constant, parse_int=_Digits).decode


def canonical_json(value: object) -> str:
    """Write a value of dicts (with string keys), lists, strings, numbers, booleans and None.

    :raises UnexpectedAnswer: it holds NaN, an infinity, or too many levels
    """
    try:
        return _encodable(_encode(value))
    except (ValueError, RecursionError) as error:
        raise UnexpectedAnswer(f"a value has no JSON form: {error}") from error


def canonical_text(raw: str | bytes) -> str:
    """Rewrite JSON text in its canonical form, exactly: integers of any length, doubles to the bit.

    :raises UnexpectedAnswer: it is no JSON, not UTF-8, or nested deeper than ``MAX_DEPTH``
    """
    try:
        if depth_exceeds(raw, MAX_DEPTH):
            raise UnexpectedAnswer(f"JSON nested deeper than {MAX_DEPTH} levels: {raw[:80]!r}…")
        try:
            return _write_fast(_read_fast(raw)).decode()
        except _NOT_TAKEN:
            return exact_text(raw if isinstance(raw, str) else raw.decode())
    except ValueError as error:
        raise UnexpectedAnswer(f"not the JSON that was expected ({error}): {raw[:80]!r}") from error


def exact_text(text: str) -> str:
    """Rewrite JSON text, nested no deeper than ``MAX_DEPTH``, with ``json`` alone: what ``canonical_text`` must equal.

    :raises ValueError: it is no JSON
    """
    if len(text) > _LONGEST_INT and _MANY_DIGITS.search(text):
        return _encodable("".join(_pieces(_decode_long(text))))
    return _encodable(_encode(_decode(text)))


def is_json(text: str) -> bool:
    """Tell whether a text is exactly one JSON value, nested no deeper than ``MAX_DEPTH``."""
    if depth_exceeds(text, MAX_DEPTH):
        return False
    try:
        _read_only(text)
    except _NOT_TAKEN:
        return _is_json(text)
    return True


def _is_json(text: str) -> bool:
    try:
        _decode_long(text)
    except ValueError:
        return False
    return True


def depth_exceeds(raw: str | bytes, limit: int) -> bool:
    """Tell whether brackets nest deeper than ``limit``, without decoding anything.

    :raises ValueError: not UTF-8
    """
    if _openings(raw) <= limit:
        return False
    text, depth = raw if isinstance(raw, str) else raw.decode(), 0
    for bracket in re.findall(r"[\[\]{}]", _STRING.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        if depth > limit:
            return True
    return False


def _openings(raw: str | bytes) -> int:
    return raw.count("{") + raw.count("[") if isinstance(raw, str) else raw.count(b"{") + raw.count(b"[")


def _encodable(text: str) -> str:
    """Write lone surrogates, which UTF-8 cannot carry, as JSON escapes."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return _SURROGATE.sub(lambda found: f"\\u{ord(found.group()):04x}", text)
    return text


def _pieces(value: object) -> Iterator[str]:
    match value:
        case _Digits():
            yield "0" if value == "-0" else str(value)
        case dict():
            yield from _enclosed("{}", ((f"{_encode(key)}:", value[key]) for key in sorted(value)))
        case list():
            yield from _enclosed("[]", (("", item) for item in value))
        case _:
            yield _encode(value)


def _enclosed(brackets: str, items: Iterator[tuple[str, object]]) -> Iterator[str]:
    yield brackets[0]
    for position, (label, item) in enumerate(items):
        yield "," + label if position else label
        yield from _pieces(item)
    yield brackets[1]
