"""Whether a backup is what its manifest says. It never passes on nothing compared or on a manifest nobody can read.

Quick: the guide's three checks (the archive exists, it lists, it has its size), and that the manifest beside it is the
one inside. Full: every byte read, every hash and every digest calculated again.

An incremental is verified for what lies in it and for what it directly hangs on: those backups must be there and be
what was meant, and its states must be theirs with its changes. Of them only manifest and digests are read: their
records are verified with them.
"""

from backup_engine.records import VerificationLevel
from backup_engine.verification.report import Problem, VerificationReport, require_passed
from backup_engine.verification.verifying import verify_backup

__all__ = ["Problem", "VerificationLevel", "VerificationReport", "require_passed", "verify_backup"]
