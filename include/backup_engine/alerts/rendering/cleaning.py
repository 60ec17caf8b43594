"""Texts from outside, made harmless for any message: one line, no longer than asked, nothing that is not seen."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import urlsplit

_ENDS = "…"
_LOOKED_AT = 4
"""Times what is shown: texts of any length cost the same."""

_BLANK = frozenset({"Cc", "Zl", "Zp"})
_DROPPED = frozenset({"Cf", "Co"})
"""What is not seen but changes what is: marks that turn the direction of writing, joiners, byte order marks."""

_BROKEN = frozenset({"Cs", "Cn"})
_CREDENTIALS = re.compile(r"(?<=://)[^\s/:@]*:[^\s/]*@")
"""User and password in an address, as errors of other programs repeat them."""

_LINK = 1000
"""Characters; the chats refuse much longer ones, and none of ours is."""

_NOT_IN_LINKS = frozenset("<>\"'`|\\^{}")


def one_line(text: str, most: int) -> str:
    """Give a text as one line of at most this many characters; what was cut off is marked."""
    looked_at = text[: most * _LOOKED_AT]
    line = " ".join("".join(map(_seen, without_credentials(looked_at))).split())
    return shorten(line + _ENDS if len(text) > len(looked_at) else line, most)


def without_credentials(text: str) -> str:
    """Take users and passwords out of addresses."""
    return _CREDENTIALS.sub(f"{_ENDS}@", text)


def shorten(line: str, most: int) -> str:
    """Cut a line, and show that it was cut."""
    return line if len(line) <= most else line[: most - 1].rstrip() + _ENDS


def link(url: str) -> str:
    """Give an address that may be made a link, or nothing: only the web, and nothing that ends a link early."""
    if len(url) > _LINK or not url.isascii() or any(one <= " " or one == "\x7f" or one in _NOT_IN_LINKS for one in url):
        return ""
    try:
        parts = urlsplit(url)
        harmless = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.username is None
    except ValueError:
        return ""
    return url if harmless else ""


def _seen(one: str) -> str:
    if one.isascii():
        return one if one.isprintable() else " "
    category = unicodedata.category(one)
    if category in _BLANK:
        return " "
    if category in _DROPPED:
        return ""
    return "\N{REPLACEMENT CHARACTER}" if category in _BROKEN else one
