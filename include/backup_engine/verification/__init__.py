"""Whether a backup is what its manifest says. It never passes on nothing compared or on a manifest nobody can read.

Quick: the guide's three checks (the archive exists, it lists, it has its size), and that the manifest beside it is the
one inside. Full: every byte read, every hash and every digest calculated again.
"""

from backup_engine.records import VerificationLevel
from backup_engine.verification.report import Problem, VerificationReport, require_passed
from backup_engine.verification.verifying import verify_backup

__all__ = ["Problem", "VerificationLevel", "VerificationReport", "require_passed", "verify_backup"]
