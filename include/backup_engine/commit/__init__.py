"""Commit: what turns a run's fragments into a backup."""

from backup_engine.commit.committing import Committed, commit_capture

__all__ = ["Committed", "commit_capture"]
