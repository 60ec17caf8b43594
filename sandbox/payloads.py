"""Payload text as the server keeps and prints it."""

import json
import re
from decimal import Decimal
from typing import Any

# Whatever JSON holds.
Json = Any

SIGNED_64 = range(-(2**63), 2**63)
UNSIGNED_64 = range(2**64)
FIRST_EXPONENT = -5
_WRITTEN_OTHERWISE = re.compile(r"\d[eE][+-]?\d|\d{19}")
_MAYBE_BEYOND_64_BITS = re.compile(r"[:,\[{-][0-9]{19}")


def to_text(value: Json) -> str:
    """Write compact JSON in the order given, numbers as the server does.

    Exponents carry no leading zeros (`1e+20`, `1.5e-7`); integers of more than 64 bits become floats.
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return _write(value) if _WRITTEN_OTHERWISE.search(text) else text


def from_text(text: str) -> Json:
    """Parse a payload text."""
    return json.loads(text)


def as_points_show_it(text: str | None) -> str:
    """Write the Qdrant dialect: objects only, else null; integers beyond 64 bits become floats."""
    if text is None or not text.startswith("{"):
        return "null"
    if not _MAYBE_BEYOND_64_BITS.search(text):
        return text
    return to_text(_narrowed(from_text(text)))


def normalized(text: str) -> str:
    """Do what loading from disk and retrieving by id do to every string: line ends, blanks, empty lines."""
    value = from_text(text)
    return text if _is_encrypted(value) else to_text(_normalized(value))


def _write(value: Json) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"{to_text(key)}:{_write(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_write, value)) + "]"
    if isinstance(value, int) and value not in SIGNED_64 and value not in UNSIGNED_64:
        value = _as_float(value)
    if isinstance(value, float):
        return _write_float(value)
    return json.dumps(value, ensure_ascii=False)


def _write_float(value: float) -> str:
    text = repr(value)
    if "e" not in text:
        return text
    mantissa, _, exponent = text.partition("e")
    if int(exponent) == FIRST_EXPONENT:  # Python writes 1e-05 where the server still writes 0.00001
        return format(Decimal(text), "f")
    return f"{mantissa}e{int(exponent):+d}"


def _narrowed(value: Json) -> Json:
    if isinstance(value, dict):
        return {key: _narrowed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_narrowed(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and value not in SIGNED_64:
        return _as_float(value)
    return value


def _as_float(value: int) -> float | str:
    try:
        return float(value)
    except OverflowError:
        return str(value)


def _normalized(value: Json) -> Json:
    if isinstance(value, str):
        return _normalized_text(value)
    if isinstance(value, dict):
        return {key: _normalized(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_normalized(item) for item in value]
    return value


def _normalized_text(text: str) -> str:
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    while "\n\n\n" in text:
        text = text.replace("\n\n\n", "\n\n")
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    return "\n".join(line.rstrip(_BLANKS) for line in lines).strip(_BLANKS)


def _is_encrypted(value: Json) -> bool:
    parts = {"nonce", "tag", "encrypted_data", "ephemeral_public_key", "algorithm"}
    return isinstance(value, dict) and parts <= value.keys()


# Unicode White_Space; Python's own strip also takes U+001C to U+001F, which the server keeps.
_BLANKS = (
    "\t\n\x0b\x0c\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
