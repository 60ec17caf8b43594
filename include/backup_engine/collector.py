"""The garbage collector, where thousands of objects come to be at once and all of them stay."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Keep it from walking over a hundred thousand objects again and again: that takes as long as making them.

    Frozen and let go again they count as old. Otherwise all would be walked over as soon as one more is made.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        if not gc.get_freeze_count():  # else somebody else's would be let go
            gc.freeze()
            gc.unfreeze()
        gc.enable()
