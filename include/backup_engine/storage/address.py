"""Where a store lies, as people write it.

    file:///var/backups/vectorizer
    s3://aws_default@bucket/prefix?sse=aws:kms&kms_key=alias/backups&staging=other-bucket
    gs://google_cloud_default@bucket/prefix

What stands before ``@`` is an Airflow connection, never a user; the command line takes its credentials from its
environment. Options are part of the address, so that whoever has it has all there is to know, in a task as on the
worst day.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

from backup_engine.errors import InvalidInput
from backup_engine.storage.contract import is_segment

SUPPORTED = "supported are file:///absolute/path, s3://[connection@]bucket/prefix and gs://[connection@]bucket/prefix"

_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]\Z")
_CONNECTION = re.compile(r"[A-Za-z0-9_.-]{1,250}\Z")


class Scheme(StrEnum):
    """The kinds of places a store can lie in."""

    FILE = "file"
    S3 = "s3"
    GS = "gs"


_OPTIONS: Mapping[Scheme, Mapping[str, re.Pattern[str]]] = {
    Scheme.FILE: {"shared": re.compile(r"yes\Z")},
    Scheme.S3: {
        "sse": re.compile(r"AES256\Z|aws:kms\Z"),
        "kms_key": re.compile(r"[A-Za-z0-9:/_.-]{1,2048}\Z"),
        "staging": _BUCKET,
    },
    Scheme.GS: {"kms_key": re.compile(r"[A-Za-z0-9:/_.-]{1,2048}\Z"), "staging": _BUCKET},
}
"""What may stand behind ``?``, and which values it may have.

* shared: every worker mounts this directory; without it a file store is refused where workers run on several hosts
* sse, kms_key: how the server is to encrypt; without them as the bucket says
* staging: another bucket for what a run keeps while it is at work, where objects of the first cannot be deleted
"""


@dataclass(frozen=True, slots=True)
class StoreAddress:
    """One root or base.

    :param path: of a file store: the absolute path; else the prefix within the bucket, "" for the whole bucket
    :param connection: the Airflow connection with the credentials; None: default credentials
    """

    scheme: Scheme
    path: str
    bucket: str = ""
    connection: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Where it is, for messages: without connection and options."""
        if self.scheme is Scheme.FILE:
            return f"file://{quote(self.path)}"
        return f"{self.scheme}://{self.bucket}" + (f"/{self.path}" if self.path else "")

    @property
    def shared(self) -> bool:
        """Whether workers on any host see the same objects there."""
        return self.scheme is not Scheme.FILE or self.options.get("shared") == "yes"

    def below(self, name: str) -> StoreAddress:
        """Give the address of the folder of this name in it."""
        return replace(self, path=f"{self.path}/{name}".lstrip("/") if self.bucket else f"{self.path}/{name}")

    def __str__(self) -> str:
        """Write it as ``parse_address`` reads it."""
        options = f"?{urlencode(self.options, safe=':/')}" if self.options else ""
        at = f"{self.scheme}://{self.connection}@" if self.connection else f"{self.scheme}://"
        return self.url.replace(f"{self.scheme}://", at, 1) + options


def parse_address(text: str) -> StoreAddress:
    """Read an address.

    :raises InvalidInput: no store can have it; the message says what is supported and repeats nothing that could be
        a password
    """
    parts = _split(text)
    if parts.scheme not in {*Scheme}:
        named = f"{parts.scheme}:…" if parts.scheme else "an address without a scheme"
        raise InvalidInput(f"{named} names no store that can be opened; {SUPPORTED}")
    scheme = Scheme(parts.scheme)
    if parts.fragment:
        raise InvalidInput(f"{scheme}:… an address of a store has no #fragment; {SUPPORTED}")
    options = _options(scheme, parts.query)
    if scheme is Scheme.FILE:
        return StoreAddress(scheme, _path(parts.netloc, parts.path), options=options)
    connection, bucket = _place(scheme, parts.netloc)
    return StoreAddress(scheme, _prefix(scheme, bucket, parts.path), bucket, connection, options)


def _split(text: str) -> SplitResult:
    """Take it apart; characters that the standard library would drop in silence are refused."""
    if not text.isprintable() or text != text.strip():
        raise InvalidInput(f"an address holds no line end, nothing unprintable and no space around it; {SUPPORTED}")
    try:
        return urlsplit(text)
    except ValueError as error:
        raise InvalidInput(f"this is no address: {SUPPORTED}") from error


def _unquoted(scheme: Scheme, quoted: str) -> str:
    try:
        return unquote(quoted, errors="strict")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{scheme}:… what is written as %XX is no UTF-8; {SUPPORTED}") from error


def _options(scheme: Scheme, query: str) -> dict[str, str]:
    allowed = _OPTIONS[scheme]
    pairs = parse_qsl(query, keep_blank_values=True)
    for name, value in pairs:
        if name not in allowed:
            raise InvalidInput(f"{scheme}:…?{name[:40]}: not known; known are {', '.join(allowed)}")
        if not allowed[name].match(value):
            raise InvalidInput(f"{scheme}:…?{name}: {value[:80]!r} is no value it can have")
    found = dict(pairs)
    if len(found) < len(pairs):
        raise InvalidInput(f"{scheme}:… names an option twice; which of the two is meant cannot be known")
    if scheme is Scheme.S3 and "kms_key" in found and found.get("sse") != "aws:kms":
        raise InvalidInput("s3:…?kms_key needs sse=aws:kms beside it")
    return found


def _path(host: str, quoted: str) -> str:
    if host not in {"", "localhost"}:
        raise InvalidInput(f"a file address with a host names no directory; {SUPPORTED}")
    path = _unquoted(Scheme.FILE, quoted)
    steps = [step for step in path.split("/") if step not in {"", "."}]
    if not path.startswith("/") or "\0" in path or ".." in steps or not steps:
        raise InvalidInput(f"{path!r} is not the absolute path of one directory below /; {SUPPORTED}")
    return "/" + "/".join(steps)


def _place(scheme: Scheme, netloc: str) -> tuple[str | None, str]:
    connection, at, bucket = netloc.rpartition("@")
    if at and not _CONNECTION.match(connection):
        raise InvalidInput(
            f"{scheme}:… what stands before @ is the id of an Airflow connection; users and passwords belong into it"
        )
    if not _BUCKET.match(bucket):
        raise InvalidInput(f"{scheme}:… {bucket[:80]!r} is not the name of a bucket; {SUPPORTED}")
    return (connection or None), bucket


def _prefix(scheme: Scheme, bucket: str, quoted: str) -> str:
    prefix = _unquoted(scheme, quoted).strip("/")
    if prefix and not all(is_segment(part) for part in prefix.split("/")):
        raise InvalidInput(
            f"{scheme}://{bucket}/… {prefix[:80]!r} is no prefix: parts of A-Z a-z 0-9 . _ - were expected, between /"
        )
    return prefix
