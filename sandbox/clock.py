"""Time as the server writes it."""

import time
from datetime import UTC, datetime


def now() -> str:
    """RFC 3339 in UTC with nanoseconds, `+00:00` at the end."""
    nanoseconds = time.time_ns()
    moment = datetime.fromtimestamp(nanoseconds // 1_000_000_000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{nanoseconds % 1_000_000_000:09d}+00:00"
