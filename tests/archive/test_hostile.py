"""Archives that lie are refused before anything of what they lie about is decoded, or even read."""

from __future__ import annotations

import gzip
import json
import tracemalloc
import zlib

import pytest

from backup_engine.archive import limits
from backup_engine.archive.documents import parse_manifest, parse_sidecar
from backup_engine.archive.entries import END, GZIP_HEADER, MEMBER_START, member_size, seal, tar_header, unseal
from backup_engine.archive.manifest import Entry, Sidecar, StoredEntry
from backup_engine.archive.reading import ArchiveReader, scan
from backup_engine.archive.tail import document_bytes
from backup_engine.errors import DamagedArchive, HostileArchive, UnknownFormat
from tests.archive.builder import (
    NOON,
    Built,
    BytesSource,
    assemble,
    build,
    rebuild,
    two_collections,
)

PART = "collections/c0001-docs-notes-2026/part-00000.parquet"
DIGESTS = "collections/c0001-docs-notes-2026/digests.parquet"


def usual() -> Built:
    return build(*two_collections())


def edited(sidecar: Sidecar, edit) -> Sidecar:
    """The sidecar after a change to its JSON."""
    value = json.loads(document_bytes(sidecar))
    edit(value)
    return Sidecar.model_validate_json(json.dumps(value))


def collection(value, number: int = 0):
    return value["manifest"]["clear"]["collections"][number]


def renamed(name: str):
    """Call the first part ``name`` in both lists."""

    def edit(value):
        collection(value)["entries"][1]["name"] = name
        value["archive"]["entries"][1]["name"] = name

    return edit


def update(path: str, new):
    def edit(value):
        *steps, last = path.split(".")
        for step in steps:
            value = value[int(step) if step.isdigit() else step]
        value[int(last) if last.isdigit() else last] = new

    return edit


FIRST = "manifest.clear.collections.0"


# ---------------------------------------------------------------- claims of the sidecar


NAMES = [
    "../../../etc/passwd",
    "/etc/passwd",
    "collections/c0001-docs-notes-2026/../../x",
    "collections/c0001-docs-notes-2026/part-00000.parquet/",
    "collections/c0001-docs-notes-2026\\part-00000.parquet",
    "collections/c0001-docs-notes-2026/part-00000.parquet\n",
    "collections/c0001-docs-notes-2026/part-00000.exe",
    "collections/c0001-other/part-00000.parquet",
    "collections/c0002-codes/part-00000.parquet",
    "collections/C0001/part-00000.parquet",
    "collections/c0001-" + "a" * 41 + "/part-00000.parquet",
    "part-00000.parquet",
    "manifest.json",
    "",
    "\u202eparquet",
]
LIES_OF_A_SIDECAR = [
    *(("an entry that is not one of its files", renamed(name)) for name in NAMES),
    ("parts in order and digests", renamed("collections/c0001-docs-notes-2026/part-00001.parquet")),
    ("parts in order and digests", update(f"{FIRST}.entries", [])),
    ("parts in order and digests", lambda value: collection(value)["entries"].reverse()),
    ("5 vectors in 0 parts", lambda value: collection(value)["entries"].pop(1)),
    ("claims 1.0 TB; at most", update(f"{FIRST}.entries.1.bytes", 10**12)),
    (r"of 512 bytes is stored in 1,559; 1,047 were", update(f"{FIRST}.entries.1.bytes", 512)),
    ("is listed with a SHA-256 that is none", update(f"{FIRST}.entries.1.sha256", "x")),
    ("vectors in 1 part of up to 65,536", update(f"{FIRST}.vectors", 10**15)),
    ("vectors in 1 part of up to 65,536", update(f"{FIRST}.vectors", 65_537)),
    ("0 or more vectors", update(f"{FIRST}.vectors", -1)),
    ("at most 1,048,576 dimensions", update(f"{FIRST}.dimension", 10**9)),
    ("at most 1,048,576 dimensions", update(f"{FIRST}.dimension", -1)),
    ("keys like c0001", update(f"{FIRST}.key", "c0002")),
    ("keys like c0001", update(f"{FIRST}.key", "../x")),
    ("keys like c0001", lambda value: value["manifest"]["clear"]["collections"].append(collection(value))),
    ("list different collections", update("manifest.private.collections.0.key", "c0007")),
    ("list different collections", update("manifest.private.collections", [])),
    ("lists a collection name twice", update("manifest.private.collections.0.name", "codes")),
    ("listed at 0; entries lie end to end", update("archive.entries.1.offset", 0)),
    ("entries lie end to end", update("archive.entries.1.offset", 10**15)),
    ("entries lie end to end", update("archive.entries.1.bytes", 10**12)),
    ("entries lie end to end", update("archive.entries.1.bytes", 0)),
    ("is stored with a SHA-256 that is none", update("archive.entries.1.sha256", "z" * 64)),
    ("lists an entry twice", update("archive.entries.0.name", DIGESTS)),
    ("lists an entry twice", lambda value: value["archive"]["entries"].append(value["archive"]["entries"][0])),
    ("but 1,000,000,000,000 bytes are listed", update("archive.bytes", 10**12)),
    ("but 1 bytes are listed", update("archive.bytes", 1)),
    ("lacks entries that its manifest lists", update("archive.entries", [])),
    (r"lacks entries that its manifest lists: manifest\.json", lambda value: value["archive"]["entries"].pop()),
    (r"lacks .*: collections/c0002-codes/config\.json", lambda value: value["archive"]["entries"].pop(3)),
    ("swapped, or its manifest is not the last", lambda value: value["archive"]["entries"].reverse()),
]


@pytest.mark.parametrize(("why", "edit"), LIES_OF_A_SIDECAR)
def test_a_sidecar_that_lies_is_refused_before_the_archive_is_read(why, edit):
    built = usual()
    source = built.source()
    with pytest.raises((HostileArchive, DamagedArchive), match=rf"^backup-20261122\.tar\.gz.*{why}"):
        ArchiveReader(source, edited(built.sidecar, edit))
    assert source.reads == []


@pytest.mark.parametrize("name", ["README.txt", "manifest.json"])
def test_the_last_entries_cannot_be_of_any_size(name):
    def enlarge(value):
        entries = value["archive"]["entries"]
        grown = next(entry for entry in entries if entry["name"] == name)
        grown["bytes"] += 10**9
        for entry in entries[entries.index(grown) + 1 :]:
            entry["offset"] += 10**9
        value["archive"]["bytes"] += 10**9

    with pytest.raises(HostileArchive, match=rf"{name} takes 1\.0 GB, more than it ever needs"):
        ArchiveReader(usual().source(), edited(usual().sidecar, enlarge))


def test_too_many_entries_and_collections_are_refused():
    built = usual()
    entry = StoredEntry(name="x", offset=0, bytes=0, sha256="0" * 64)
    facts = built.sidecar.archive.model_copy(update={"entries": (entry,) * (limits.ENTRIES + 1)})
    with pytest.raises(HostileArchive, match=r"lists 200,001 entries; at most 200,000"):
        ArchiveReader(built.source(), built.sidecar.model_copy(update={"archive": facts}))
    clear = built.sidecar.manifest.clear
    many = clear.model_copy(update={"collections": clear.collections * (limits.COLLECTIONS // 2 + 1)})
    with pytest.raises(HostileArchive, match=r"lists 100,002 collections; at most 100,000"):
        limits.check_manifest(built.sidecar.manifest.model_copy(update={"clear": many}), "b")


def test_a_part_or_digests_of_absurd_size_are_refused_by_name():
    built = usual()
    for number, name in ((1, "part-00000"), (2, "digests")):
        lie = edited(built.sidecar, update(f"{FIRST}.entries.{number}.bytes", 300 << 20))
        with pytest.raises(HostileArchive, match=rf"{name}\.parquet claims 314\.6 MB; at most"):
            ArchiveReader(built.source(), lie)


# ---------------------------------------------------------------- JSON


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"[" * 5_000_000, "values; at most"),
        (b"[" * 1000 + b"]" * 1000, "deeper than 64 levels"),
        (b'{"a":' * 100 + b"1" + b"}" * 100, "deeper than 64 levels"),
        (b'{"x":[' + b"[]," * 3_000_000 + b"[]]}", "values; at most"),
        (b'"' + b" " * (70 << 20) + b'"', "has 73.4 MB; at most"),
    ],
)
def test_json_is_bounded_in_size_depth_and_width_before_it_is_parsed(raw, why):
    for parse in (parse_manifest, parse_sidecar):
        with pytest.raises(HostileArchive, match=why):
            parse(raw, "m")


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b'{"format":"vectorizer-backup"}', b"\xff\xfe"])
def test_json_that_is_no_manifest_is_damage(raw):
    for parse in (parse_manifest, parse_sidecar):
        with pytest.raises(DamagedArchive, match="m is not what was expected"):
            parse(raw, "m")


def test_newer_and_foreign_formats_are_told_apart_from_damage():
    manifest = json.loads(document_bytes(usual().sidecar.manifest))
    newer = manifest | {"version": 2, "surprise": True}
    with pytest.raises(UnknownFormat, match=r"version 2 of the format; this product reads version 1"):
        parse_manifest(json.dumps(newer).encode(), "m")
    with pytest.raises(UnknownFormat, match="version 2"):
        parse_sidecar(json.dumps({"manifest": newer}).encode(), "m")
    with pytest.raises(UnknownFormat, match="format 'tape'"):
        parse_manifest(json.dumps(manifest | {"format": "tape"}).encode(), "m")
    with pytest.raises(DamagedArchive, match="surprise"):
        parse_manifest(json.dumps(manifest | {"surprise": True}).encode(), "m")


def test_a_configuration_that_differs_from_the_manifest_is_refused():
    name = "collections/c0001-docs-notes-2026/config.json"
    config = json.loads(usual().reader().entry(name))
    for wrong in (
        config | {"name": "other"},
        config | {"configuration": config["configuration"] | {"dimension": 5}},
        config | {"configuration": config["configuration"] | {"surprise": 5}},
        config | {"configuration": None},
        [config],
        "{",
    ):
        content = wrong if isinstance(wrong, str) else json.dumps(wrong)
        reader = rebuild(usual(), {name: content.encode()}).reader()
        with pytest.raises(DamagedArchive, match=r"config\.json"):
            reader.configuration("c0001")


# ---------------------------------------------------------------- members


def one_block(tar: bytes, *, crc: int | None = None) -> bytes:
    """A gzip member of one stored block, made by hand."""
    block = b"\x01" + len(tar).to_bytes(2, "little") + (len(tar) ^ 0xFFFF).to_bytes(2, "little")
    check = zlib.crc32(tar) if crc is None else crc
    return GZIP_HEADER + block + tar + check.to_bytes(4, "little") + len(tar).to_bytes(4, "little")


def tar_of(header: bytes, content: bytes) -> bytes:
    return header + content + bytes(-len(content) % 512)


def with_checksum(header: bytes) -> bytes:
    blank = header[:148] + b" " * 8 + header[156:]
    return header[:148] + f"{sum(blank):06o}\0 ".encode() + header[156:]


def test_the_hand_made_member_is_right():
    content = b"x" * 700
    assert (
        one_block(tar_of(tar_header("README.txt", 700, int(NOON.timestamp())), content))
        == seal("README.txt", content, NOON).stored
    )


LIES = {
    "a size that is too small": lambda header: with_checksum(header[:124] + b"00000000001\0" + header[136:]),
    "a size that is too large": lambda header: with_checksum(header[:124] + b"77777777777\0" + header[136:]),
    "another name": lambda header: with_checksum(b"/etc/passwd".ljust(100, b"\0") + header[100:]),
    "a link": lambda header: with_checksum(header[:156] + b"2/etc/passwd".ljust(101, b"\0") + header[257:]),
    "a directory": lambda header: with_checksum(header[:156] + b"5" + header[157:]),
    "a prefix": lambda header: with_checksum(header[:345] + b"../..".ljust(155, b"\0") + header[500:]),
    "setuid": lambda header: with_checksum(header[:100] + b"0004755\0" + header[108:]),
    "a wrong checksum": lambda header: header[:148] + b"000000\0 " + header[156:],
    "no numbers": lambda header: with_checksum(header[:136] + b"zzzzzzzzzzz\0" + header[148:]),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
def test_a_tar_header_that_lies_is_refused(lie):
    content = b"x" * 700
    tar = tar_of(lie(tar_header("README.txt", 700, int(NOON.timestamp()))), content)
    stored = one_block(tar)
    honest = seal("README.txt", content, NOON)
    assert len(stored) == len(honest.stored)
    with pytest.raises(HostileArchive, match=r"README\.txt"):
        unseal(stored, honest.entry)
    built = usual()
    place = built.place("README.txt")
    data = built.data[: place.offset] + stored + built.data[place.offset + place.bytes :]
    with pytest.raises((HostileArchive, DamagedArchive)):
        scan(BytesSource(data))


def test_a_compressed_member_cannot_explode():
    """A gzip bomb in the place of an entry: members are stored, so nothing is ever inflated."""
    entry = Entry(name="README.txt", bytes=1000, sha256="0" * 64)
    bomb = gzip.compress(bytes(200 << 20))
    stored = (bomb + bytes(member_size(1000)))[: member_size(1000)]
    tracemalloc.start()
    with pytest.raises(DamagedArchive, match="not one that this product wrote"):
        unseal(stored, entry)
    with pytest.raises(UnknownFormat, match="not an archive that this product wrote"):
        scan(BytesSource(bomb))
    assert tracemalloc.get_traced_memory()[1] < 5 << 20
    tracemalloc.stop()


def test_nothing_hides_behind_the_content_of_an_entry():
    header = tar_header("README.txt", 700, int(NOON.timestamp()))
    stored = one_block(header + b"x" * 700 + b"hidden".ljust(324, b"\0"))
    with pytest.raises(DamagedArchive, match=r"README\.txt: zeros were expected behind its content"):
        unseal(stored, seal("README.txt", b"x" * 700, NOON).entry)


def test_a_manifest_of_absurd_size_is_not_even_loaded():
    with pytest.raises(HostileArchive, match=r"its manifest\.json takes 34\.6 MB, more than any honest one"):
        scan(BytesSource(seal("manifest.json", bytes(33 << 20), NOON).stored + END))


def test_an_entry_that_claims_more_than_the_file_has_is_not_looked_for():
    header = tar_header("README.txt", 8_000_000_000, int(NOON.timestamp()))
    source = BytesSource((GZIP_HEADER + b"\x00\xff\xff\x00\x00" + header).ljust(5000, b"\0"))
    with pytest.raises(DamagedArchive, match=r"truncated: README\.txt needs 8,000,6"):
        scan(source)
    assert source.reads == [(0, MEMBER_START)]


def test_files_that_the_manifest_does_not_list_are_refused():
    built = usual()
    reader = built.reader()
    members = [(entry.name, reader.entry(entry.name)) for entry in built.sidecar.archive.entries]
    for extra in ("evil.sh", "collections/c0001-docs-notes-2026/part-00001.parquet", "README.txt"):
        tampered = assemble([(extra, b"#!"), *members], built.sidecar.manifest)
        with pytest.raises(HostileArchive, match=r"does not list|twice"):
            scan(tampered.source())
        with pytest.raises(HostileArchive, match=r"does not list|twice"):
            ArchiveReader(tampered.source(), tampered.sidecar)


# ---------------------------------------------------------------- Parquet
