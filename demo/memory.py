"""How much memory the demo takes at most, all of its processes together."""

import contextlib
import threading
from collections.abc import Callable
from typing import Self

import psutil

INTERVAL_SECONDS = 5.0


class MemoryWatch:
    """Ask every five seconds, from a thread of its own.

    :param bytes_now: gives what is taken now
    """

    def __init__(self, bytes_now: Callable[[], int]) -> None:
        self.peak = 0
        self._bytes_now = bytes_now
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """End."""
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(INTERVAL_SECONDS):
            self.peak = max(self.peak, self._bytes_now())


def process_bytes(pid: int) -> int:
    """Tell what a process takes, pages it shares divided among all who share them; 0 when it is gone."""
    with contextlib.suppress(psutil.Error):
        return int(psutil.Process(pid).memory_full_info().pss)
    return 0
