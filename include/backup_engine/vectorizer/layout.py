"""Records out of the text of a list of points.

In the layout the server writes, ``{"id":"…","vector":[…],"payload":…}``, records are found by their landmarks, and
nothing in an id or a payload can pass for one:

* inside a JSON string every quote has a backslash before it, so ``","vector":[`` and ``},{"id":"`` never lie in one;
* ``},{"id":"`` may lie in a payload that holds such objects, but what stands before it is then no complete JSON value;
  making the canonical text of it finds that out, and the payload's true end is looked for with a JSON parser.

Any other layout (spaces, another order of keys, more of them) is read record by record with a JSON parser.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from json.decoder import JSONDecodeError

from backup_engine.archive.canonical import canonical_text
from backup_engine.errors import UnexpectedAnswer
from backup_engine.vectorizer.raw_json import members, read_value, skip_spaces, value_end

_VECTOR = b'","vector":['
_PAYLOAD = b'],"payload":'
_BETWEEN = b'},{"id":"'
_FIRST = b'{"id":"'


@dataclass(slots=True)
class Window:
    """Records that were whole in one window.

    :param vectors: what stands between the brackets of each vector
    :param payloads: canonical text; None where the answer says null
    """

    ids: list[str] = field(default_factory=list)
    vectors: list[bytes] = field(default_factory=list)
    payloads: list[str | None] = field(default_factory=list)

    def __len__(self) -> int:
        """Count the records."""
        return len(self.ids)

    def add(self, key: str, vector: bytes, payload: bytes) -> None:
        """Take one record."""
        self.payloads.append(None if payload == b"null" else canonical_text(payload))
        self.ids.append(key)
        self.vectors.append(vector)

    def drop(self, rows: Sequence[int]) -> None:
        """Forget these records; rows are given in order."""
        for column in (self.ids, self.vectors, self.payloads):
            for row in reversed(rows):
                del column[row]


def take_by_landmarks(text: bytes, window: Window) -> int:
    """Take the records that are laid out as expected and have another one behind them.

    :return: where the first record begins that was not taken
    """
    at, find = 0, text.find
    while text.startswith(_FIRST, at):
        vector = find(_VECTOR, at)
        close = find(b"]", vector)
        end = find(_BETWEEN, close)
        payload = close + len(_PAYLOAD)
        if vector < 0 or close < 0 or end < 0 or not text.startswith(_PAYLOAD, close):
            break
        try:
            key = _key_of(text[at + len(_FIRST) : vector])
        except ValueError:  # another layout: parsing will tell
            break
        components = text[vector + len(_VECTOR) : close]
        try:
            window.add(key, components, text[payload:end])
        except UnexpectedAnswer:
            landmark, end = end, _end_of_value(text, payload, end)
            if end == landmark:
                raise
            if not text.startswith(_BETWEEN, end):
                break
            window.add(key, components, text[payload:end])
        at = end + 2
    return at


def _end_of_value(text: bytes, start: int, end: int) -> int:
    """Find where the JSON value that begins at ``start`` truly ends; -1 where that cannot be seen yet.

    :param end: a landmark; the first one behind twice that length is tried next
    """
    while end >= 0:
        piece = text[start:end].decode("utf-8")
        try:
            length = value_end(piece)
        except JSONDecodeError:
            end = text.find(_BETWEEN, start + 2 * (end - start))
        else:
            return start + _size(piece, length)
    return -1


def _key_of(text: bytes) -> str:
    if b"\\" not in text and b'"' not in text:
        return text.decode("utf-8")
    return _encodable(json.loads(b'"' + text + b'"'))


def _encodable(key: str) -> str:
    """Let an id through that UTF-8 can carry; half a surrogate pair, escaped, is one it cannot.

    :raises ValueError: this is one
    """
    key.encode("utf-8")
    return key


def take_by_parsing(data: bytes, window: Window, ended: bool) -> tuple[int, bool]:
    """Take one record after the other with a JSON parser, to the end of the list or of what is there.

    :return: how many bytes were used, and whether the list ends there
    """
    text, at = _whole_characters(data), 0
    while True:
        at = skip_spaces(text, at)
        if text.startswith("]", at):
            return _size(text, at), True
        start = skip_spaces(text, at + 1) if text.startswith(",", at) else at
        try:
            record, end = read_value(text, start)
        except JSONDecodeError:
            if ended:
                raise
            return _size(text, at), False
        _add_parsed(window, record, text[start:end])
        at = end


def _add_parsed(window: Window, record: object, text: str) -> None:
    """Take a record of any layout; id and payload are cut out of its text, for numbers no parser may round."""
    if not isinstance(record, dict) or not isinstance(record.get("vector"), list) or "id" not in record:
        raise ValueError(f"a record with id and vector was expected, found {text[:80]!r}")
    vector = ",".join("null" if number is None else repr(number) for number in record["vector"])
    parts = members(text)
    key = _encodable(json.loads(parts["id"])) if parts["id"].startswith('"') else parts["id"]
    window.add(key, vector.encode(), parts.get("payload", "null").encode())


def _whole_characters(data: bytes) -> str:
    """Decode all but a character that is cut at the end."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        if len(data) - error.start > 3:  # noqa: PLR2004
            raise
        return data[: error.start].decode("utf-8")


def _size(text: str, at: int) -> int:
    return len(text[:at].encode("utf-8"))
