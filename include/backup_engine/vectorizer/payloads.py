"""Payloads that a scroll cannot carry, read exactly.

A scroll gives null for a payload that is no object (text, list, number, true), just as for none at all, and turns
integers beyond 64 bits (signed) into floats. So a payload is *doubtful* when it came as null, or holds a float of at
least 1e18. The rule for those:

1. The details' ``payload_bytes`` is the length of all payloads together. When it is 0, null means none.
2. Otherwise each is asked for by id over GraphQL, several hundred a request: exact but for text, which the server
   trims there. An answer that holds no text, or the very texts that the scroll gave, is the exact payload.
3. What is left (payloads that are text, or lists with text in them) is read in GraphQL pages at the records' places,
   at most 1,000 a request. Each costs the server a copy of the whole collection, so this is the last resort.

These answers are younger than the page. Where the collection has moved since it was listed, a record could come out as
its old vector with its new payload, which nobody ever wrote: so vector and payload are then asked for together, and
what is gone by then is left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

from backup_engine.archive.canonical import canonical_text
from backup_engine.errors import CollectionMoved, UnexpectedAnswer
from backup_engine.model import CollectionState
from backup_engine.vectorizer.answers import Answer
from backup_engine.vectorizer.client import VectorizerClient, graphql_data
from backup_engine.vectorizer.layout import Window
from backup_engine.vectorizer.raw_json import items, members
from backup_engine.vectorizer.refusals import FieldMissing

_HUGE = re.compile(r"\de\+(?:1[89]|[2-9]\d|\d{3})")
_BY_ID = 400  # the server allows a complexity of 1,000, and each vector with its payload is two
_PAGE = 1000  # the server's cap
_ANSWER_BYTES = 32 << 20
_COMPONENT = 20  # bytes of JSON text: GraphQL writes doubles
_UPDATED = "query($n:String!){collection(name:$n){updatedAt}}"
_PAYLOAD, _TOGETHER = "payload", "payload data"


class PayloadReader:
    """Settles the doubtful payloads of one collection.

    :param state: the collection as it was listed before the page was asked for; None: whatever it was, it may move
    :param payload_bytes: the details' figure; None where they do not give it
    """

    def __init__(
        self, client: VectorizerClient, name: str, state: CollectionState | None, payload_bytes: int | None
    ) -> None:
        self._client = client
        self._name = name
        self._state = state
        self._nothing_hidden = payload_bytes == 0
        self._payload_bytes = (payload_bytes or 0) // max(1, state.vectors if state else 1)

    def settle(self, window: Window, first: int | None) -> bool:
        """Put the exact payloads in the place of the doubtful ones, with their vectors if the collection has moved.

        :param first: the place of the window's first record in the collection; None when the records were asked for
            by id, where all text is trimmed already
        :return: whether it has moved, so that some of these records may be younger than the others
        :raises CollectionMoved: other records stand at these places by now
        """
        rows = [row for row, payload in enumerate(window.payloads) if doubtful(payload)]
        if not rows or self._nothing_hidden:
            return False
        if self._state is not None:
            self._settle(window, rows, first, _PAYLOAD)
            if self._updated_at() == self._state.updated_at:
                return False
        window.drop(self._settle(window, rows, first, _TOGETHER))
        return True

    def _settle(self, window: Window, rows: list[int], first: int | None, fields: str) -> list[int]:
        """Settle rows, and give those that are gone."""
        left, gone = list[int](), list[int]()
        for part in _parts(rows, self._fitting(window, _BY_ID if fields == _PAYLOAD else _BY_ID * 3 // 4, fields)):
            self._settle_by_id(window, part, first is None, fields, left, gone)
        if first is not None:
            self._settle_by_page(window, left, first, fields)
        return gone

    def _settle_by_id(
        self, window: Window, rows: list[int], trimmed: bool, fields: str, left: list[int], gone: list[int]
    ) -> None:
        """Settle what answers by id can settle; note what they cannot in ``left``, what is not there in ``gone``."""
        try:
            answers = self._ask_by_id([window.ids[row] for row in rows], fields)
        except FieldMissing:
            left += rows
            return
        for row, answer in zip(rows, answers, strict=True):
            if answer is None:
                gone.append(row)
            elif trimmed or _untouched(window.payloads[row], answer["payload"]):
                _put(window, row, answer)
            else:
                left.append(row)

    def _ask_by_id(self, ids: Sequence[str], fields: str) -> list[dict[str, str] | None]:
        """Fetch fields as JSON text; None for a record that is not there."""
        places = range(len(ids))
        declared = "".join(f",$i{place}:String!" for place in places)
        asked = " ".join(f"v{place}:vector(collection:$c,id:$i{place}){{{fields}}}" for place in places)
        variables = {"c": self._name} | {f"i{place}": key for place, key in enumerate(ids)}
        found = self._ask(f"query($c:String!{declared}){{{asked}}}", variables)
        return [None if found[f"v{place}"] == "null" else members(found[f"v{place}"]) for place in places]

    def _settle_by_page(self, window: Window, rows: list[int], first: int, fields: str) -> None:
        size = self._fitting(window, _PAGE, fields)
        while rows:
            start = rows[0]
            now = [row for row in rows if row < start + size]
            page = self._ask_page(first + start, now[-1] - start + 1, fields)
            for row in now:
                record = page[row - start] if row - start < len(page) else {"id": "null"}
                key = json.loads(record["id"])
                if key != window.ids[row]:
                    raise CollectionMoved(
                        f"{self._name}: record {window.ids[row]!r} was at place {first + row:,}, found {key!r} there; "
                        "the collection changed while it was read, read it again"
                    )
                _put(window, row, record)
            rows = rows[len(now) :]

    def _ask_page(self, start: int, limit: int, fields: str) -> list[dict[str, str]]:
        query = f"query($i:ScrollInput!){{vectors(input:$i){{items{{id {fields}}}}}}}"
        found = self._ask(query, {"i": {"collection": self._name, "cursor": str(start), "limit": limit}})
        return [members(item) for item in items(members(found["vectors"])["items"])]

    def _fitting(self, window: Window, most: int, fields: str) -> int:
        """Tell how many records an answer may hold."""
        components = window.vectors[0].count(b",") + 1 if fields == _TOGETHER else 0
        return max(1, min(most, _ANSWER_BYTES // max(1, self._payload_bytes + components * _COMPONENT)))

    def _updated_at(self) -> object:
        """Tell when the collection moved last; None where the server does not."""
        try:
            found = self._client.graphql(_UPDATED, {"n": self._name}).get("collection")
        except FieldMissing:
            return None
        return found.get("updatedAt") if isinstance(found, dict) else None

    def _ask(self, query: str, variables: Mapping[str, object]) -> dict[str, str]:
        body = json.dumps({"query": query, "variables": variables}).encode()
        return data_members(self._client.send_graphql(body))


def doubtful(payload: str | None) -> bool:
    """Tell whether a scroll may have hidden or rounded something here."""
    return payload is None or ("e+" in payload and _HUGE.search(payload) is not None)


def data_members(answer: Answer) -> dict[str, str]:
    """Cut the ``data`` of a GraphQL answer into the texts of its members; raises as ``graphql_data`` does."""
    try:
        fields = members(answer.body.decode("utf-8"))
        if "errors" not in fields:
            return members(fields["data"])
    except (ValueError, KeyError) as error:
        raise UnexpectedAnswer(f"{answer.what}: a GraphQL answer was expected, found {answer.body[:80]!r}") from error
    graphql_data(answer)
    raise UnexpectedAnswer(f"{answer.what}: GraphQL names errors and none at once: {answer.body[:80]!r}")


def _untouched(seen: str | None, answer: str) -> bool:
    """Tell whether trimming text can have changed nothing in the answer."""
    return '"' not in answer if seen is None else _texts(seen) == _texts(answer)


def _texts(payload: str) -> object:
    """Read everything but the numbers, for which "0" stands."""
    return json.loads(payload, parse_int="0".format, parse_float="0".format)


def _put(window: Window, row: int, record: Mapping[str, str]) -> None:
    """Take what a record's answer says into the window."""
    payload = record["payload"]
    window.payloads[row] = None if payload == "null" else canonical_text(payload)
    if "data" in record:
        window.vectors[row] = record["data"].strip()[1:-1].encode()


def _parts(rows: list[int], size: int) -> list[list[int]]:
    return [rows[at : at + size] for at in range(0, len(rows), size)]
