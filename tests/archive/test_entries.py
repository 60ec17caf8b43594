"""Entries: bytes that depend on nothing but content and time, joined by concatenation, read by GNU tar."""

from __future__ import annotations

import gzip
import io
import subprocess
import tarfile
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backup_engine.archive.entries import END, Sealing, member_size, seal, unseal, unseal_chunks, unseal_unlisted
from backup_engine.errors import DamagedArchive, HostileArchive, UnknownFormat
from tests.archive.builder import NOON

SIZES = st.integers(0, 200_000) | st.sampled_from([511, 512, 513, 65_023, 65_024, 65_535, 65_536, 131_070 - 512])


@given(SIZES, st.integers(1, 70_000))
@settings(max_examples=60, deadline=None)
def test_what_is_sealed_comes_back_and_its_size_was_known_before(size, piece):
    content = (bytes(range(251)) * (size // 251 + 1))[:size]
    sealed = seal("collections/c0001-x/part-00000.parquet", content, NOON)
    assert len(sealed.stored) == member_size(size)
    assert unseal(sealed.stored, sealed.entry) == content
    assert unseal_unlisted(sealed.stored, sealed.entry.name) == content
    pieces = [sealed.stored[start : start + piece] for start in range(0, len(sealed.stored), piece)]
    assert b"".join(unseal_chunks(pieces, sealed.entry)) == content
    streamed = Sealing(sealed.entry.name, size, NOON)
    assert b"".join(streamed.stream(content[s : s + piece] for s in range(0, size, piece))) == sealed.stored
    assert (streamed.entry, streamed.stored_sha256) == (sealed.entry, sealed.stored_sha256)


def test_bytes_depend_on_name_content_and_time_alone():
    there = datetime(2026, 11, 22, 14, 0, tzinfo=timezone(timedelta(hours=2)))
    assert seal("a", b"x", NOON).stored == seal("a", b"x", there).stored
    stored = seal("a", b"x", NOON).stored
    assert stored.startswith(b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff")
    with tarfile.open(fileobj=io.BytesIO(stored + END)) as tar:
        info = tar.getmember("a")
    assert (info.uid, info.gid, info.uname, info.gname, info.mode, info.mtime) == (
        0,
        0,
        "",
        "",
        0o644,
        NOON.timestamp(),
    )


def test_content_of_another_size_than_announced_is_an_error():
    with pytest.raises(ValueError, match="3 bytes were announced, 2 came"):
        list(Sealing("a", 3, NOON).stream([b"xx"]))


def run_tar(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["tar", *arguments], capture_output=True, text=True, check=False, timeout=60)


def test_gnu_tar_lists_and_extracts_joined_members(tmp_path: Path):
    contents = {"collections/c0001-x/config.json": b"{}", "README.txt": b"x" * 100_000, "manifest.json": b""}
    archive = tmp_path / "b.tar.gz"
    archive.write_bytes(b"".join(seal(name, content, NOON).stored for name, content in contents.items()) + END)
    listed = run_tar("-tzf", archive)
    assert (listed.returncode, listed.stderr, listed.stdout.split()) == (0, "", list(contents))
    assert run_tar("-xzf", archive, "-C", tmp_path).returncode == 0
    assert {name: (tmp_path / name).read_bytes() for name in contents} == contents
    assert len(gzip.decompress(archive.read_bytes())) % 512 == 0


def test_end_blocks_in_the_middle_make_tar_stop_early(tmp_path: Path):
    """Why fragments never hold END: what follows it is silently not there."""
    archive = tmp_path / "b.tar.gz"
    archive.write_bytes(seal("first", b"1", NOON).stored + END + seal("second", b"2", NOON).stored + END)
    assert run_tar("-tzf", archive).stdout.split() == ["first"]
    with tarfile.open(archive) as tar:
        assert tar.getnames() == ["first"]


def test_an_archive_without_end_blocks_is_what_tar_calls_truncated_or_odd(tmp_path: Path):
    whole = seal("first", b"1" * 5000, NOON).stored
    archive = tmp_path / "b.tar.gz"
    archive.write_bytes(whole[:-100])
    assert run_tar("-tzf", archive).returncode != 0


def damaged(how):
    sealed = seal("collections/c0001-x/config.json", b"content" * 200, NOON)
    return how(sealed.stored), sealed.entry


@pytest.mark.parametrize(
    "how",
    [
        lambda stored: stored[:-1],
        lambda stored: stored[:600],
        lambda stored: b"",
        lambda stored: stored + b"x",
        lambda stored: stored + stored,
        lambda stored: stored[:700] + b"!" + stored[701:],
        lambda stored: stored[:-8] + bytes(8),
        lambda stored: b"PK" + stored[2:],
    ],
)
def test_damage_is_named_with_archive_and_entry(how):
    stored, entry = damaged(how)
    with pytest.raises((DamagedArchive, HostileArchive), match=r"^b\.tar\.gz: collections/c0001-x/config\.json: "):
        unseal(stored, entry, "b.tar.gz")


def test_a_member_that_is_another_entry_is_refused():
    expected = seal("collections/c0001-x/part-00000.parquet", b"abc", NOON)
    other = seal("collections/c0001-x/part-00001.parquet", b"abc", NOON)
    with pytest.raises(HostileArchive, match="not that of a plain file of this name"):
        unseal(other.stored, expected.entry)
    with pytest.raises(HostileArchive, match=r"part-00001\.parquet' of 3 bytes lies in its place"):
        unseal_unlisted(other.stored, expected.entry.name)
    same_size = seal(expected.entry.name, b"abd", NOON)
    with pytest.raises(DamagedArchive, match=f"SHA-256 {expected.entry.sha256} was expected"):
        unseal(same_size.stored, expected.entry)


def test_a_file_that_is_no_member_is_of_an_unknown_format():
    with pytest.raises(UnknownFormat, match="not an archive that this product wrote"):
        unseal_unlisted(gzip.compress(b"x" * 1000), "manifest.json", "b.tar.gz")


def test_times_before_tar_existed_are_no_problem():
    sealed = seal("a", b"x", datetime(1970, 1, 1, tzinfo=UTC))
    assert unseal(sealed.stored, sealed.entry) == b"x"
