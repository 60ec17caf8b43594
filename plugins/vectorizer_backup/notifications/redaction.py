"""What others say, made fit for a log: one line, short, and without what they may not have told."""

from __future__ import annotations

import re
from collections.abc import Iterable

LENGTH = 200
"""Characters that are passed on."""

_WHOLE, _PIECE = 3, 6
"""Shorter secrets, and shorter pieces of one, are ordinary words."""

_ADDRESS = re.compile(r"\S*://\S*|(?<![\w.])/\S{3,}")
"""Addresses, and what stands behind the host of one."""


def one_line(text: str) -> str:
    """Give a text without line breaks and other control characters."""
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())


def said(text: str, secrets: Iterable[str | None]) -> str:
    """Give what somebody said, without these secrets and without pieces of them.

    :param text: of any length, from anybody
    """
    line = one_line(text)
    for one in sorted(_pieces(secrets), key=len, reverse=True):
        line = line.replace(one, "***")
    return _cut(line)


def without_addresses(text: str) -> str:
    """Give what an unknown library says: addresses are where secrets stand."""
    return _cut(_ADDRESS.sub("…", one_line(text)))


def _pieces(secrets: Iterable[str | None]) -> set[str]:
    whole = {one.strip() for one in secrets if one and len(one.strip()) >= _WHOLE}
    parts = {part for one in whole for part in re.split(r"[\s/?&=:@]+", one) if len(part) >= _PIECE}
    return whole | parts


def _cut(line: str) -> str:
    return line if len(line) <= LENGTH else f"{line[:LENGTH]}…"
