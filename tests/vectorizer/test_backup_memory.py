"""A server backup of any size takes the same memory."""

import tracemalloc

import pytest

from backup_engine.vectorizer.server_backups.file import files_of
from backup_engine.vectorizer.server_backups.json_stream import JsonStream

MIB = 1 << 20
RECORD = b'{"id":"r","vector":[%s],"metadata":{"text":"%s"}}' % (b",".join([b"-0.1234567"] * 384), b"x" * 200)
START = b'{"backups":[{"id":"1","name":"n","date":"d","collections":["c"],"size":24,"data":{"c":{"vectors":[' + RECORD
END = b'],"dimension":384,"metric":"Cosine"}}}]}'


def text(size: int):
    """A list with one server backup of about so many bytes, in pieces as they come from a connection."""
    piece = (b"," + RECORD) * 60
    yield START
    for _ in range(size // len(piece)):
        yield piece
    yield END


def peak_of(size: int, *, read: bool) -> int:
    tracemalloc.start()
    try:
        for file in files_of(JsonStream(text(size), "the list", window=MIB // 4)):
            for saved in file.collections():
                for batch in saved.batches() if read else ():
                    assert batch.num_rows
                saved.finish()
                assert saved.vectors == 1 + 60 * (size // (60 * (len(RECORD) + 1)))
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("read", [False, True])
def test_memory_is_flat(read):
    peak_of(MIB, read=read)  # what is imported late counts to nobody
    small, large = peak_of(3 * MIB, read=read), peak_of(20 * MIB, read=read)
    assert large < small + MIB
    assert large < 8 * MIB
