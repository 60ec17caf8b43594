"""One tree of errors. What decides is whether trying the same thing again can help.

Every message names the thing, what was expected, what was found, and what to do.
"""


class BackupError(Exception):
    """Whatever the engine refuses or fails at."""


class TransientError(BackupError):
    """The same call may succeed later.

    :param retry_after: seconds the other side asked us to wait, if it did
    """

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class PermanentError(BackupError):
    """The same call will fail again: a person or another plan is needed."""


# ---------------------------------------------------------------- input


class InvalidInput(PermanentError):
    """What the caller asked for makes no sense: refused before anything was touched."""


class ConfigurationError(InvalidInput):
    """A deployment's entry cannot be used as it stands."""


class UnknownCollection(InvalidInput):
    """A collection was named that the server or the backup does not list."""


class UnknownBackup(InvalidInput):
    """No backup answers to this name, word or time."""


class NothingToBackUp(InvalidInput):
    """The scope holds no collection, and an empty backup was not allowed."""


# ---------------------------------------------------------------- the server


class ServerUnavailable(TransientError):
    """No connection, no answer in time, or an answer that broke off."""


class ServerBusy(TransientError):
    """The server asked us to come back later (429, 503)."""


class ServerFault(TransientError):
    """The server answered 5xx without saying that it is busy."""


class ServerLoading(TransientError):
    """The server still loads its collections: what it lists is not what it has."""


class CollectionMoved(TransientError):
    """A collection changed in the middle of a read so that this pass is worth nothing: read it again."""


class AuthenticationFailed(PermanentError):
    """The server does not accept these credentials."""


class AccessDenied(PermanentError):
    """The credentials are good, but not for this."""


class RequestRefused(PermanentError):
    """The server answered 4xx: the request itself is wrong.

    :param status: the HTTP status
    """

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class TooLarge(RequestRefused):
    """The body exceeds the server's limit (413): send less at once."""


class CollectionNotFound(RequestRefused):
    """The server does not have the collection it was asked for."""


class CollectionExists(RequestRefused):
    """The name is taken, by a collection or by an alias."""


class SnapshotNotFound(RequestRefused):
    """The server's disk does not have this snapshot of this collection (any more)."""


class UnexpectedAnswer(PermanentError):
    """The server answered something this product does not understand."""


class Unsupported(PermanentError):
    """This server's version cannot do it; the message names the alternative."""


class NotFlushed(PermanentError):
    """The server did not confirm that it wrote its data to disk."""


# ---------------------------------------------------------------- stores


class StoreUnavailable(TransientError):
    """The store does not answer now."""


class StoreDenied(PermanentError):
    """The store refuses this operation to these credentials."""


class StoreFull(PermanentError):
    """There is no room left."""


class StoreNotInitialised(PermanentError):
    """The root holds no store.json: not mounted, not shared, or never initialised."""


class WrongStore(PermanentError):
    """The root is another store than the plan names."""


class UnsafeKey(PermanentError):
    """A key that could leave the store's root, or is no key at all."""


class ObjectNotFound(PermanentError):
    """There is no object under this key."""


class ObjectExists(PermanentError):
    """Create-only, and the key is taken."""


class ObjectChanged(PermanentError):
    """Replace-if-unchanged, and somebody was faster."""


class LeaseHeld(TransientError):
    """Somebody else holds the lease."""


class LeaseLost(PermanentError):
    """Our lease ran out or was taken over: what it guarded must not go on."""


# ---------------------------------------------------------------- archives and backups


class DamagedArchive(PermanentError):
    """Stored bytes are not what was written: truncated, flipped, swapped, missing."""


class HostileArchive(PermanentError):
    """An archive that asks for more than any honest one would: refused before decoding."""


class UnknownFormat(PermanentError):
    """Written by a newer product, or not by this product."""


class CaptureRefused(PermanentError):
    """What was read must not be committed."""


class RestoreMeanwhile(CaptureRefused):
    """A restore ran while the server was read: these results never become a backup, but the run may begin again."""


class BrokenChain(PermanentError):
    """A backup hangs on another one that is missing, damaged, or not what it was.

    :param link: name of that one, where there is a single one
    """

    def __init__(self, message: str, link: str | None = None) -> None:
        super().__init__(message)
        self.link = link


class ChainBrokenMeanwhile(CaptureRefused):
    """What an incremental was compared with went while the server was read: the run may begin again, and will be whole
    where it has to be.
    """


class NoGoodBackup(PermanentError):
    """The run ends without a good backup: the reason it is red."""


class PartialBackup(NoGoodBackup):
    """It ends with one that holds less than the server had; the message says which collections."""


class SuspectBackup(NoGoodBackup):
    """It ends with one that a person has to look at: much that the last good one held is missing."""


class CopyMissing(PermanentError):
    """A store does not hold a backup that it should hold a copy of; the backup itself is safe where it is."""


class VerificationFailed(PermanentError):
    """The backup is not what its manifest says."""


class RestoreRefused(PermanentError):
    """The plan cannot be carried out on this server as it is."""


class RestoreRejected(RestoreRefused):
    """Somebody who was asked said no: nothing was touched, and nothing is wrong."""


class ComparisonFailed(PermanentError):
    """What the server holds after the restore is not the restore point."""


# ---------------------------------------------------------------- pruning


class PruningRefused(PermanentError):
    """Nothing is deleted: a person has to agree first, or what would go may not."""


class StalePlan(PruningRefused):
    """What was planned is not what the retention would do now: plan again."""


class ClockDiffers(PruningRefused):
    """The store's clock and ours are apart: ages cannot be told."""


# ---------------------------------------------------------------- telling people


class NobodyTold(PermanentError):
    """Something is wrong, and there is no channel, or none that could be reached, to tell it through."""


class NotJudged(PermanentError):
    """How well a deployment is protected could not be told: nobody knows."""


class ChannelUnavailable(TransientError):
    """A way to tell people did not answer, or asked to be tried again."""


class ChannelRefused(PermanentError):
    """A way to tell people did not take the message, or cannot be used as configured. No secret is in the message."""
