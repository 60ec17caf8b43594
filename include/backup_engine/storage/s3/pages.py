"""One page of a listing, without the minute that boto3 takes for forty thousand dates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from threading import local
from typing import Any
from xml.etree import ElementTree as Xml

from backup_engine.storage.contract import ListedObject
from backup_engine.storage.layout import Layout, Spot
from backup_engine.storage.s3.objects import Objects, whole_second

_EVENT = "before-parse.*.ListObjectsV2"
"""The star has it come before botocore's own handlers, which would read the whole page too."""
_asking = local()


@dataclass(frozen=True, slots=True)
class Page:
    """Up to a thousand objects, and how to ask for the next.

    :param names: full names in the bucket, in the server's order, ours or not
    :param found: of them those that are keys of the store
    :param next: None: this is the last
    """

    names: tuple[str, ...]
    found: tuple[ListedObject, ...]
    next: str | None


def read_page(objects: Objects, layout: Layout, searched: Spot, position: Mapping[str, Any]) -> Page:
    """Ask for one page.

    :param position: ``StartAfter`` or ``ContinuationToken`` and its value; empty: the first
    """
    objects.client.meta.events.register(_EVENT, _take_objects_out, unique_id="backup-engine-pages")
    _asking.now = True
    try:
        with objects.told(searched):
            answer: Mapping[str, Any] = objects.client.list_objects_v2(
                Bucket=searched.bucket, Prefix=searched.name, **position
            )
    finally:
        _asking.now = False
    every = [(one["Key"], one["Size"], _moment(one["LastModified"])) for one in answer.get("Contents", [])]
    keyed = ((layout.key(searched.bucket, name), size, at) for name, size, at in every)
    return Page(
        names=tuple(name for name, _, _ in every),
        found=tuple(ListedObject(key, size, at) for key, size, at in keyed if key is not None),
        next=answer.get("NextContinuationToken"),
    )


def _take_objects_out(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: object) -> None:
    """Read the objects of a page here, before botocore does, and leave it the rest: it takes a hundred times as long,
    most of it for guessing how a date is written. Other users of the client get what they always get.
    """
    if not getattr(_asking, "now", False) or response_dict["status_code"] != 200:  # noqa: PLR2004
        return
    try:
        page = Xml.fromstring(response_dict["body"])  # noqa: S314 - as botocore reads it; expat bounds entities itself
    except Xml.ParseError:
        return  # botocore takes what was cut off for a passing failure, and asks again
    space = page.tag.partition("}")[0] + "}" if page.tag.startswith("{") else ""
    contents = page.findall(f"{space}Contents")
    read = [tuple(one.findtext(space + field, "") for field in ("Key", "Size", "LastModified")) for one in contents]
    if not all(map(all, read)):
        return  # botocore's own reader says what is wrong with it
    page[:] = [one for one in page if one.tag != f"{space}Contents"]
    response_dict["body"] = Xml.tostring(page)
    if read:
        customized_response_dict["Contents"] = [
            {"Key": key, "Size": int(size), "LastModified": at} for key, size, at in read
        ]


@lru_cache(4096)
def _moment(said: datetime | str) -> datetime:
    """Read a time; of many objects it is the same."""
    return whole_second(said if isinstance(said, datetime) else datetime.fromisoformat(said))
