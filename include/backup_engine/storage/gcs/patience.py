"""How long a request, and a thing that needs several, may take."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass

from google.api_core.retry import Retry
from google.cloud.storage.retry import DEFAULT_RETRY

from backup_engine.errors import BackupError


@dataclass(frozen=True, slots=True)
class Patience:
    """Bounds of every request; what answers 408, 429 or 5xx, or not at all, is asked again within them.

    :param connect: seconds for a connection to come about
    :param silence: seconds the server may be silent in the middle of an answer
    :param progress: seconds in which some megabytes have to go through, all tries together
    :param first_pause: seconds before the second try, about; each further pause is twice as long
    :param longest_pause: seconds
    """

    connect: float = 10
    silence: float = 60
    progress: float = 180
    first_pause: float = 1
    longest_pause: float = 20

    @property
    def timeout(self) -> tuple[float, float]:
        """What every request says to the library."""
        return self.connect, self.silence

    @property
    def retry(self) -> Retry:
        """The library's own rule of what is worth another try, with these bounds.

        Every writing request carries a generation condition, so that a second try can do no harm.
        """
        rule: Retry = DEFAULT_RETRY.with_timeout(self.progress).with_delay(self.first_pause, self.longest_pause, 2.0)
        return rule


class Trying:
    """One thing that is tried until it succeeds or the time is over."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self.progressed()

    def progressed(self) -> None:
        """Begin anew: something went through."""
        self._end = time.monotonic() + self._patience.progress
        self._pause = self._patience.first_pause

    def pause(self, over: BackupError) -> None:
        """Wait a little before the next try.

        :raises BackupError: ``over``, as the time is
        """
        if time.monotonic() + self._pause > self._end:
            raise over
        time.sleep(self._pause * random.uniform(0.5, 1))  # noqa: S311 - spreads retries, guards nothing
        self._pause = min(self._pause * 2, self._patience.longest_pause)
