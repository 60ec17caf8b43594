"""What holds for every test."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("patient", deadline=None)  # a busy machine is no failure; what hangs, the timeout ends
settings.load_profile("patient")
