"""What is set for the buckets of a store, as far as backups depend on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from backup_engine.errors import StoreDenied
from backup_engine.findings import Finding, Level
from backup_engine.storage.address import Scheme
from backup_engine.storage.layout import STAGING, Layout, Spot
from backup_engine.storage.s3.objects import Objects
from backup_engine.storage.s3.refusals import code_of

if TYPE_CHECKING:
    from types_boto3_s3.type_defs import LifecycleRuleOutputTypeDef

_NOT_SET = frozenset({
    "ObjectLockConfigurationNotFoundError",
    "NoSuchLifecycleConfiguration",
    "ServerSideEncryptionConfigurationNotFoundError",
})
_FROZEN = frozenset({"GLACIER", "DEEP_ARCHIVE"})
_LEAST_STAGING_DAYS = 7


def look_at_settings(objects: Objects, layout: Layout) -> Iterator[Finding]:
    """Look at versioning, object lock, lifecycle rules and encryption of each bucket."""
    for bucket in layout.buckets:
        for what, look in _LOOKS.items():
            try:
                yield from look(objects, layout, bucket)
            except StoreDenied as error:
                found = f"could not be looked at: {error}"
                yield Finding(Level.NOTE, f"{what} of {bucket}", found, "look at it by another way")


def _versioning(objects: Objects, layout: Layout, bucket: str) -> Iterator[Finding]:
    answer = _ask(objects, bucket, lambda: objects.client.get_bucket_versioning(Bucket=bucket))
    what, on = f"versioning of {bucket}", answer.get("Status") == "Enabled"
    if bucket == layout.bucket:
        yield (
            Finding(Level.OK, what, "on: what is deleted or written over can be brought back")
            if on
            else Finding(Level.NOTE, what, "off: what is deleted is gone", "turn it on")
        )
    elif on:
        yield Finding(Level.NOTE, what, "on: every fragment of every run is kept", "turn it off for the staging bucket")
    else:
        yield Finding(Level.OK, what, "off, as is right for staging")


def _lock(objects: Objects, layout: Layout, bucket: str) -> Iterator[Finding]:
    answer = _ask(objects, bucket, lambda: objects.client.get_object_lock_configuration(Bucket=bucket))
    what, settings = f"object lock of {bucket}", answer.get("ObjectLockConfiguration", {})
    retention = settings.get("Rule", {}).get("DefaultRetention")
    if bucket != layout.bucket or (retention and layout.staging is None):
        yield (
            Finding(
                Level.NOTE,
                what,
                f"on ({_retention(retention)}): fragments of runs are kept that long too",
                "give the store ?staging= another bucket without a lock",
            )
            if retention
            else Finding(Level.OK, what, "none, as is right for staging")
        )
    elif retention:
        yield Finding(Level.OK, what, f"on: {_retention(retention)}")
    else:
        yield Finding(
            Level.NOTE,
            what,
            "no default retention: who may delete can delete every backup",
            "turn it on with a default retention, and give the store ?staging= another bucket",
        )


def _retention(retention: Any) -> str:  # noqa: ANN401 - a part of boto3's answer
    for unit in ("Days", "Years"):
        if unit in retention:
            return f"{retention.get('Mode', '')} for {retention[unit]} {unit.lower()}"
    return str(retention.get("Mode", ""))


def _lifecycle(objects: Objects, layout: Layout, bucket: str) -> Iterator[Finding]:
    answer = _ask(objects, bucket, lambda: objects.client.get_bucket_lifecycle_configuration(Bucket=bucket))
    folder = layout.folder if bucket == layout.bucket else layout.folder + STAGING
    rules = [rule for rule in answer.get("Rules", []) if _touches(rule, folder)]
    wrong = [finding for rule in rules for finding in _judge_rule(rule, layout, bucket)]
    yield from wrong
    if not wrong:
        yield Finding(Level.OK, f"expiry in {bucket}", "no rule takes backups away by age")
    what = f"abort of old multipart uploads in {bucket}"
    days = [
        rule["AbortIncompleteMultipartUpload"].get("DaysAfterInitiation")
        for rule in rules
        if "AbortIncompleteMultipartUpload" in rule
    ]
    if days:
        yield Finding(Level.OK, what, f"after {min(day or 0 for day in days)} days")
    else:
        yield Finding(
            Level.NOTE,
            what,
            "no rule; only this product's own sweep ends them",
            "add a rule AbortIncompleteMultipartUpload after 7 days",
        )


def _touches(rule: LifecycleRuleOutputTypeDef, folder: str) -> bool:
    """Tell whether the rule is on and means objects of this store, which have no tags."""
    chosen: Any = rule.get("Filter", {})
    both = chosen.get("And", {})
    if rule.get("Status") != "Enabled" or "Tag" in chosen or both.get("Tags"):
        return False
    prefix = rule.get("Prefix") or chosen.get("Prefix") or both.get("Prefix") or ""
    return prefix.startswith(folder) or folder.startswith(prefix)


def _judge_rule(rule: LifecycleRuleOutputTypeDef, layout: Layout, bucket: str) -> Iterator[Finding]:
    what = f"lifecycle rule {rule.get('ID', 'without a name')!r} of {bucket}"
    expiry = rule.get("Expiration", {})
    if bucket != layout.bucket:
        days = expiry.get("Days", _LEAST_STAGING_DAYS)
        if days < _LEAST_STAGING_DAYS or "Date" in expiry:
            yield Finding(
                Level.MISSING,
                what,
                "takes fragments away from runs that are still at work",
                f"let it wait {_LEAST_STAGING_DAYS} days at least",
            )
        return
    if "Days" in expiry or "Date" in expiry:
        when = f"after {expiry['Days']} days" if "Days" in expiry else f"on {expiry.get('Date'):%Y-%m-%d}"
        yield Finding(
            Level.MISSING,
            what,
            f"deletes backups {when}, whatever retention says and whatever is pinned",
            "remove the rule; let the product prune",
        )
    for move in rule.get("Transitions", []):
        if move.get("StorageClass") in _FROZEN:
            yield Finding(
                Level.MISSING,
                what,
                f"moves backups to {move.get('StorageClass')}, where nothing can read them",
                "use GLACIER_IR or STANDARD_IA instead",
            )


def _encryption(objects: Objects, _: Layout, bucket: str) -> Iterator[Finding]:
    asked = objects.sealing.kind
    answer = _ask(objects, bucket, lambda: objects.client.get_bucket_encryption(Bucket=bucket))
    rules: Sequence[Any] = answer.get("ServerSideEncryptionConfiguration", {}).get("Rules", [])
    kinds = [rule.get("ApplyServerSideEncryptionByDefault", {}).get("SSEAlgorithm", "") for rule in rules]
    what = f"encryption of {bucket}"
    if asked:
        yield Finding(Level.OK, what, f"{asked}, asked for with every write")
    elif any(kinds):
        yield Finding(Level.OK, what, f"{', '.join(kinds)}, as the bucket's default")
    else:
        yield Finding(
            Level.NOTE, what, "neither a default nor asked for", "add ?sse=AES256 or ?sse=aws:kms to the address"
        )


def _ask(objects: Objects, bucket: str, question: Callable[[], Any]) -> Any:  # noqa: ANN401 - boto3's answers
    """Give the answer; an empty one where nothing is set."""
    with objects.told(Spot(Scheme.S3, bucket, "")):
        try:
            return question()
        except ClientError as error:
            if code_of(error) in _NOT_SET:
                return {}
            raise


_LOOKS: Mapping[str, Callable[[Objects, Layout, str], Iterator[Finding]]] = {
    "versioning": _versioning,
    "object lock": _lock,
    "lifecycle rules": _lifecycle,
    "encryption": _encryption,
}
