"""JSON text taken apart into the texts of its values, so that no parser rounds a number in them."""

from __future__ import annotations

import json
import re

_SPACES = re.compile(r"[ \t\r\n]*")
_names = json.JSONDecoder()
_ends = json.JSONDecoder(parse_int=float)  # integers of any length


def value_end(text: str, start: int = 0) -> int:
    """Tell where the JSON value ends that begins at ``start``.

    :raises JSONDecodeError: it does not end in this text, or is no JSON
    :raises ValueError: it is nested deeper than any server nests
    """
    return read_value(text, start)[1]


def read_value(text: str, start: int) -> tuple[object, int]:
    """Read the JSON value that begins at ``start``, its integers as floats; tell where it ends too. Raises likewise."""
    try:
        return _ends.raw_decode(text, start)
    except RecursionError as error:
        raise ValueError(f"nested too deep: {text[start : start + 80]!r}") from error


def skip_spaces(text: str, at: int) -> int:
    """Go on to what is no space."""
    found = _SPACES.match(text, at)
    return found.end() if found else at


def members(text: str, start: int = 0) -> dict[str, str]:
    """Cut an object into its members, each value as its own text; of equal keys the last one wins.

    :raises ValueError: no object begins at ``start``
    """
    found, at = dict[str, str](), _into(text, start, "{")
    while not text.startswith("}", at):
        key, at = _names.raw_decode(text, at)
        begin = skip_spaces(text, skip_spaces(text, at) + 1)
        end = value_end(text, begin)
        found[key] = text[begin:end]
        at = _beyond_comma(text, end)
    return found


def items(text: str, start: int = 0) -> list[str]:
    """Cut an array into the texts of its items.

    :raises ValueError: no array begins at ``start``
    """
    found, at = list[str](), _into(text, start, "[")
    while not text.startswith("]", at):
        end = value_end(text, at)
        found.append(text[at:end])
        at = _beyond_comma(text, end)
    return found


def _into(text: str, start: int, bracket: str) -> int:
    at = skip_spaces(text, start)
    if not text.startswith(bracket, at):
        raise ValueError(f"{bracket} was expected, found {text[at : at + 80]!r}")
    return skip_spaces(text, at + 1)


def _beyond_comma(text: str, at: int) -> int:
    at = skip_spaces(text, at)
    return skip_spaces(text, at + 1) if text.startswith(",", at) else at
