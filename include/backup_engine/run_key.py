"""The key of a run: what makes two attempts the same work."""

from __future__ import annotations

from hashlib import sha256
from secrets import token_hex

_DIGITS = 16


def run_key(*parts: str) -> str:
    """Derive 16 hex digits from what identifies the run (a DAG and its run id, say); the same parts give the same."""
    spelled = "".join(f"{len(part)}:{part}" for part in parts)
    return sha256(spelled.encode()).hexdigest()[:_DIGITS]


def random_run_key() -> str:
    """Make a key for a run that will not come back, as one from the command line."""
    return token_hex(_DIGITS // 2)
