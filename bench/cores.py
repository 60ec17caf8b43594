"""Which core measures and which ones serve."""

import os
from collections.abc import Iterator
from contextlib import contextmanager


def measuring_core() -> set[int]:
    """Choose the one core that everything measured runs on."""
    return {max(os.sched_getaffinity(0))}


def other_cores() -> set[int]:
    """Give the cores that are left, or the same one where there is no other."""
    return os.sched_getaffinity(0) - measuring_core() or measuring_core()


@contextmanager
def on_cores(cores: set[int]) -> Iterator[None]:
    """Keep to these cores; processes started meanwhile keep to them for good."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
