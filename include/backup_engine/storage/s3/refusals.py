"""What an answer of S3, or none, means to somebody who waits for a backup.

No message holds a credential: of what the libraries raise, only the server's own code and sentence are repeated.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from botocore import exceptions as boto
from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from backup_engine.errors import (
    BackupError,
    ObjectChanged,
    ObjectNotFound,
    StoreDenied,
    StoreFull,
    StoreNotInitialised,
    StoreUnavailable,
)

_LONGEST = 300  # characters of a server's own words


class UploadGone(StoreUnavailable):
    """The multipart upload was ended meanwhile: completed by an earlier try whose answer was lost, or aborted."""


class Collision(StoreUnavailable):
    """Another request for the same key was at work at the same moment; S3 let neither be first."""


ACTIONS: Mapping[str, str] = {
    "HeadObject": "s3:GetObject",
    "GetObject": "s3:GetObject",
    "PutObject": "s3:PutObject",
    "CreateMultipartUpload": "s3:PutObject",
    "UploadPart": "s3:PutObject",
    "UploadPartCopy": "s3:PutObject here and s3:GetObject on the source",
    "CompleteMultipartUpload": "s3:PutObject",
    "AbortMultipartUpload": "s3:AbortMultipartUpload",
    "DeleteObjects": "s3:DeleteObject",
    "ListObjectsV2": "s3:ListBucket",
    "ListMultipartUploads": "s3:ListBucketMultipartUploads",
    "GetBucketVersioning": "s3:GetBucketVersioning",
    "GetObjectLockConfiguration": "s3:GetBucketObjectLockConfiguration",
    "GetBucketLifecycleConfiguration": "s3:GetLifecycleConfiguration",
    "GetBucketEncryption": "s3:GetEncryptionConfiguration",
}
"""The IAM action that each request needs."""

_NOT_FOUND = "does not exist"
_BAD_CREDENTIALS = (
    "the server does not accept these credentials ({reason}): check the access key, the secret and, for temporary "
    "ones, the session token and how long they are good"
)
_OTHER_REGION = (
    "the bucket lies in another region than the client asks ({reason}): set that region in the connection or in "
    "AWS_DEFAULT_REGION"
)
_UNABLE = "this server cannot do what a store needs ({reason}): `store check` tells what is missing; use another server"
_MEANINGS: Mapping[str, tuple[type[BackupError], str]] = {
    **dict.fromkeys(("NoSuchKey", "404"), (ObjectNotFound, _NOT_FOUND)),
    "NoSuchBucket": (
        StoreNotInitialised,
        "there is no such bucket: check its name and region, or make it and begin with `store init`",
    ),
    "NoSuchUpload": (UploadGone, "its upload was ended by somebody else, or swept for its age: run again"),
    **dict.fromkeys(("PreconditionFailed", "412"), (ObjectChanged, "is not what it was when it was looked at")),
    **dict.fromkeys(
        ("ConditionalRequestConflict", "OperationAborted", "409"),
        (Collision, "another request for it was at work at the same moment ({reason}): run again"),
    ),
    **dict.fromkeys(
        (
            "InvalidAccessKeyId",
            "SignatureDoesNotMatch",
            "ExpiredToken",
            "ExpiredTokenException",
            "InvalidToken",
            "TokenRefreshRequired",
            "InvalidClientTokenId",
            "UnrecognizedClientException",
        ),
        (StoreDenied, _BAD_CREDENTIALS),
    ),
    **dict.fromkeys(
        (
            "PermanentRedirect",
            "TemporaryRedirect",
            "AuthorizationHeaderMalformed",
            "IllegalLocationConstraintException",
        ),
        (StoreDenied, _OTHER_REGION),
    ),
    "RequestTimeTooSkewed": (
        StoreDenied,
        "this host's clock and the server's are too far apart{skew}; S3 allows 15 minutes: set it right (NTP)",
    ),
    **dict.fromkeys(("NotImplemented", "MethodNotAllowed", "501", "405"), (StoreDenied, _UNABLE)),
    **dict.fromkeys(
        (
            "QuotaExceeded",
            "InsufficientStorage",
            "XMinioStorageFull",
            "XMinioAdminBucketQuotaExceeded",
            "InsufficientCapacity",
            "507",
        ),
        (StoreFull, "there is no room ({reason}): free some, or raise the quota, and run again"),
    ),
    **dict.fromkeys(
        ("BadDigest", "XAmzContentSHA256Mismatch", "InvalidDigest", "XAmzContentChecksumMismatch"),
        (StoreUnavailable, "what arrived is not what was sent ({reason}); the server kept nothing of it: run again"),
    ),
    **dict.fromkeys(
        ("SlowDown", "ServiceUnavailable", "ThrottlingException", "Throttling", "RequestLimitExceeded", "429", "503"),
        (StoreUnavailable, "the server asks for fewer requests ({reason}), and still did after every retry"),
    ),
    **dict.fromkeys(
        ("RequestTimeout", "IncompleteBody", "InternalError", "BadGateway"),
        (StoreUnavailable, "the server could not answer ({reason}), and still could not after every retry"),
    ),
}
"""By the code of the error; a bare status where an answer to HEAD has no body to hold a code."""

_CREDENTIALS = (
    boto.NoCredentialsError,
    boto.PartialCredentialsError,
    boto.CredentialRetrievalError,
    boto.MetadataRetrievalError,
    boto.NoAuthTokenError,
    boto.TokenRetrievalError,
    boto.SSOError,
    boto.LoginError,
)
_NETWORK = (boto.HTTPClientError, boto.ConnectionError, boto.IncompleteReadError, boto.ChecksumError, HTTPError)
CUT_OFF = (*_NETWORK, OSError)
"""How the stream of an answer ends before its time."""


@contextmanager
def told(place: str, host: str) -> Iterator[None]:
    """Turn what the client raises inside the block into an error of the store contract.

    :param place: the object or bucket, for the message
    :param host: where the requests go
    """
    try:
        yield
    except (ClientError, BotoCoreError, HTTPError) as error:
        raise meaning(error, place, host) from error


def meaning(error: Exception, place: str, host: str) -> BackupError:
    """Give the error that says what is wrong and what to do."""
    if isinstance(error, ClientError):
        return _answered(error, f"{place} at {host}" if "amazonaws" not in host else place)
    if isinstance(error, _CREDENTIALS):
        return StoreDenied(
            f"{place}: there are no usable credentials ({type(error).__name__}): set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, AWS_PROFILE, a role, or the Airflow connection of the store's address"
        )
    if isinstance(error, boto.SSLError):
        return StoreUnavailable(
            f"{place}: no trusted connection to {host} (SSLError): check its certificate and AWS_CA_BUNDLE"
        )
    if isinstance(error, _NETWORK):
        return StoreUnavailable(
            f"{place}: {host} did not answer, or stopped in the middle ({type(error).__name__}), and still did after "
            "every retry: check the network and the server"
        )
    if isinstance(error, boto.FlexibleChecksumError):
        return StoreUnavailable(f"{place}: what arrived has not the checksum that {host} sent with it: run again")
    return StoreDenied(f"{place}: the request could not be made ({type(error).__name__}): check the client's settings")


def code_of(error: ClientError) -> str:
    """Give the code of the error."""
    return str(error.response.get("Error", {}).get("Code", ""))


def deletion_refused(place: str, code: str, said: str) -> BackupError:
    """Give the error for one of the keys of a batch that was to be deleted."""
    return _meant(place, "DeleteObjects", code, said, {}, 0)


def _answered(error: ClientError, place: str) -> BackupError:
    details: Mapping[str, Any] = error.response.get("Error", {})
    answer: Mapping[str, Any] = error.response.get("ResponseMetadata", {})
    said = str(details.get("Message", ""))
    return _meant(
        place,
        error.operation_name,
        code_of(error),
        said,
        answer.get("HTTPHeaders", {}),
        answer.get("HTTPStatusCode", 0),
    )


def _meant(place: str, operation: str, code: str, said: str, headers: Mapping[str, str], status: int) -> BackupError:
    reason = f"{operation}: {_plain(code)}" + (f", {_plain(said)}" if said else "")
    known = _MEANINGS.get(code) or _MEANINGS.get(str(status))
    if code in {"AccessDenied", "403", "AllAccessDisabled", "Forbidden"} or (known is None and status == 403):  # noqa: PLR2004
        return StoreDenied(f"{place}: {_denied(operation, reason)}")
    if code.startswith("KMS."):
        return StoreDenied(f"{place}: the encryption key cannot be used ({reason}): enable it, or name another")
    if known is not None:
        kind, words = known
        found = kind(f"{place}: {words.format(reason=reason, skew=_skew(headers))}")
    elif status >= 500:  # noqa: PLR2004
        found = StoreUnavailable(
            f"{place}: the server could not answer ({reason}), and still could not after every retry"
        )
    else:
        found = StoreDenied(f"{place}: the server refuses the request ({reason})")
    if isinstance(found, StoreUnavailable):
        found.retry_after = _seconds(headers.get("retry-after"))
    return found


def _denied(operation: str, reason: str) -> str:
    action = ACTIONS.get(operation, operation)
    reads = action == "s3:GetObject"
    hint = ", and s3:ListBucket on the bucket, for without it S3 denies what does not exist" if reads else ""
    bytes_pass = action.startswith(("s3:GetObject", "s3:PutObject"))
    key = "; with aws:kms also kms:GenerateDataKey and kms:Decrypt on the key" if bytes_pass else ""
    return f"these credentials may not do this ({reason}): allow {action}{hint}{key}"


def _skew(headers: Mapping[str, str]) -> str:
    """Tell how far this host's clock is from the one that answered."""
    try:
        there = parsedate_to_datetime(headers["date"])
    except (KeyError, ValueError):
        return ""
    return f" ({abs((datetime.now(UTC) - there).total_seconds()):,.0f} s)"


def _plain(text: str) -> str:
    """Make a server's words fit for one line of a log."""
    return re.sub(r"[^\x20-\x7e]+", " ", text)[:_LONGEST].strip()


def _seconds(text: str | None) -> float | None:
    return float(text) if text and text.isdigit() else None
