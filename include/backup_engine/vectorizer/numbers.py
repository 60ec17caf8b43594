"""Numbers in payloads, written so that the server reads the very double that was meant.

The server's JSON parser is a hasty one (serde_json without ``float_roundtrip``): it takes the digits as one integer,
rounds that to a double, and multiplies or divides it by a power of ten, rounding again. One in eight random doubles
comes out as its neighbour. Many texts mean the same double, and nearly always one of them means it to the hasty parser
too; that one is chosen. It means the same to any other parser, so nothing depends on the haste. For about one in five
hundred random doubles there is no such text: the server cannot be told them, and keeps the neighbour.
"""

from __future__ import annotations

import re
from fractions import Fraction
from math import floor, inf, log10

_AT_RISK = re.compile(r"\d[\d.]{15}|\de[+-]")
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?', re.DOTALL)
_NUMBER = re.compile(r"-?(\d+)(?:\.(\d+))?(?:e([+-]?\d+))?")
_LARGEST = 1 << 64
_POWERS = 308
_DIGITS = range(16, 20)


def with_safe_numbers(payload: str) -> str:
    """Rewrite those floats of a canonical JSON text that the server would misread; everything else stays as it is."""
    return payload if not _AT_RISK.search(payload) else _TOKEN.sub(_safe_token, payload)


def safe_text(number: float) -> str:
    """Find a text that means this double to a correct parser and to a hasty one; where there is none, the shortest."""
    shortest = repr(number)
    if hasty_value(shortest) == number:
        return shortest
    exact, magnitude = Fraction(number), floor(log10(abs(number)))
    for places in (digits - 1 - magnitude for digits in _DIGITS):
        whole = int(float(abs(exact) * Fraction(10) ** places))
        text = f"{'-' if number < 0 else ''}{whole}e{-places}"
        if whole < _LARGEST and float(text) == number and hasty_value(text) == number:
            return text
    return shortest


def hasty_value(text: str) -> float:
    """Read a float as the server does.

    :param text: digits, point and exponent; no more digits than 64 bits hold
    """
    found = _NUMBER.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no float")
    whole, fraction, exponent = found.group(1), found.group(2) or "", int(found.group(3) or 0)
    value, power = float(int(whole + fraction)), exponent - len(fraction)
    while abs(power) > _POWERS and value:
        if power > 0:
            return -inf if text.startswith("-") else inf
        value, power = value / 1e308, power + _POWERS
    scale = float(f"1e{abs(power)}") if value else 1.0
    value = value * scale if power >= 0 else value / scale
    return -value if text.startswith("-") else value


def _safe_token(found: re.Match[str]) -> str:
    token = found.group()
    if token.startswith('"') or token.lstrip("-").isdecimal():
        return token
    return safe_text(float(token))
