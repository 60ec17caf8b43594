"""Listing what lies below a prefix, from one end to the other or in parts side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from backup_engine.storage.contract import ListedObject
from backup_engine.storage.layout import Layout, Spot
from backup_engine.storage.s3.objects import Objects
from backup_engine.storage.s3.pages import Page, read_page

PAGE = 1_000
"""Objects of a page (Amazon S3, ListObjectsV2)."""
_AT_ONCE = 8


def list_objects(objects: Objects, layout: Layout, prefix: str) -> Iterator[ListedObject]:
    """Give every object with the prefix, sorted by key.

    Amazon sorts by key; servers that keep objects in folders sort by folder, and two buckets have two orders: so all
    pages are read before the first object is given. That takes some 300 bytes of memory an object.

    :raises UnsafeKey: it is no prefix
    """
    pages = (page for spot in layout.searched(prefix) for page in _pages(objects, layout, spot))
    return iter(sorted((one for page in pages for one in page.found), key=lambda one: one.key))


def list_side_by_side(objects: Objects, layout: Layout, prefix: str, expected: Sequence[str]) -> Iterator[ListedObject]:
    """Give what ``list_objects`` gives, in a fraction of the time where most of it is known.

    As every page begins after the thousandth key of the one before, what is expected is asked for page by page at
    once; where something else is met, a part goes on until it has passed the beginning of the next. A server without
    an order that is known has no such parts, and is listed from one end to the other.

    :param expected: keys that are probably there, sorted; what is no key is passed over
    :raises UnsafeKey: it is no prefix
    """
    names = (layout.folder + key for key in expected[PAGE - 1 :: PAGE])
    cuts = [name for name in names if layout.key(layout.bucket, name)]
    searched = layout.searched(prefix)
    if not cuts or len(searched) > 1:
        return list_objects(objects, layout, prefix)
    with ThreadPoolExecutor(min(_AT_ONCE, len(cuts) + 1), thread_name_prefix="s3-list") as pool:
        begins, ends = ["", *cuts], [*cuts, ""]
        parts = [*pool.map(lambda part: _part(objects, layout, searched[0], *part), zip(begins, ends, strict=True))]
    if not all(_in_order(page.names) for part in parts for page in part):
        return list_objects(objects, layout, prefix)
    found = {one.key: one for part in parts for page in part for one in page.found}
    return iter(sorted(found.values(), key=lambda one: one.key))


def _part(objects: Objects, layout: Layout, searched: Spot, begin: str, end: str) -> list[Page]:
    """Read pages from after one name until one has passed another; "" is the beginning, and the end."""
    read: list[Page] = []
    for page in _pages(objects, layout, searched, begin):
        read.append(page)
        if end and page.names and _passed(page.names[-1], end):
            break
    return read


def _pages(objects: Objects, layout: Layout, searched: Spot, after: str = "") -> Iterator[Page]:
    page = read_page(objects, layout, searched, {"StartAfter": after} if after else {})
    yield page
    while page.next is not None:
        page = read_page(objects, layout, searched, {"ContinuationToken": page.next})
        yield page


def _passed(name: str, end: str) -> bool:
    """Tell whether everything up to the end came before, whichever of the two orders the server keeps."""
    return name >= end and name.split("/") >= end.split("/")


def _in_order(names: Sequence[str]) -> bool:
    """Tell whether they come by their names, or folder by folder."""
    return [*names] == sorted(names) or [*names] == sorted(names, key=lambda name: name.split("/"))
