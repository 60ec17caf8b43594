"""Lengths of time as people write them in a configuration: 90s, 15min, 4h or 7d."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer

_DURATION = re.compile(r"(\d{1,6}) ?(s|min|m|h|d)\Z")
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}


def _read(value: object) -> object:
    if isinstance(value, timedelta):
        return value
    match = _DURATION.match(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("a length of time like 90s, 15min, 4h or 7d was expected")
    return timedelta(seconds=int(match[1]) * _SECONDS[match[2]])


def _written(length: timedelta) -> str:
    seconds = length // timedelta(seconds=1)
    unit = next(unit for unit in ("d", "h", "min", "s") if seconds % _SECONDS[unit] == 0)
    return f"{seconds // _SECONDS[unit]}{unit}"


Duration = Annotated[timedelta, BeforeValidator(_read), PlainSerializer(_written, return_type=str, when_used="json")]
