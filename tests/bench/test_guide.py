"""The guide's way keeps one backup, whatever else the server has."""

import json

import pytest

from bench.guide import newest_only

OWN = {"id": "7bd3c3ae-0893-40d2-b307-49a4bcbcb293", "name": "bench", "data": {"a": {"vectors": [{"id": "1"}] * 99}}}
OLDER = {**OWN, "id": "386db8c0-2fe0-49a3-afa3-b4c7617b76b3", "name": "nightly"}


def listing(*backups: object) -> bytes:
    return json.dumps({"backups": backups}, separators=(",", ":")).encode()


@pytest.mark.parametrize("size", [200, 333, 1000, 1 << 20])
@pytest.mark.parametrize("older", [(), (OLDER,), (OLDER, OLDER)])
def test_the_newest_backup_is_kept_whole_and_alone(size: int, older: tuple[object, ...]) -> None:
    listed = listing(OWN, *older)
    chunks = (listed[at : at + size] for at in range(0, len(listed), size))
    assert b"".join(newest_only(chunks)) == listing(OWN)
