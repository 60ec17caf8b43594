"""Listing what lies below a prefix."""

from __future__ import annotations

from collections.abc import Iterator

from backup_engine.storage.contract import ListedObject
from backup_engine.storage.layout import Layout, Spot
from backup_engine.storage.s3.objects import Objects, whole_second


def list_objects(objects: Objects, layout: Layout, prefix: str) -> Iterator[ListedObject]:
    """Give every object with the prefix, sorted by key.

    Amazon sorts by key; servers that keep objects in folders sort by folder, and two buckets have two orders: so all
    pages are read before the first object is given. That takes some 300 bytes of memory an object.

    :raises UnsafeKey: it is no prefix
    """
    searched = layout.searched(prefix)
    return iter(sorted((one for spot in searched for one in _below(objects, layout, spot)), key=lambda one: one.key))


def _below(objects: Objects, layout: Layout, searched: Spot) -> Iterator[ListedObject]:
    with objects.told(searched):
        for page in objects.client.get_paginator("list_objects_v2").paginate(
            Bucket=searched.bucket, Prefix=searched.name
        ):
            for one in page.get("Contents", []):
                key = layout.key(searched.bucket, one["Key"])
                if key is not None:
                    yield ListedObject(key, one["Size"], whole_second(one["LastModified"]))
