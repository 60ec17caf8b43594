"""Payloads that a scroll cannot carry, read exactly.

A scroll gives null for a payload that is no object (text, list, number, true), just as for none at all, and turns
integers beyond 64 bits (signed) into floats. So a payload is *doubtful* when it came as null, or holds a float of at
least 1e18. The rule for those:

1. The details' ``payload_bytes`` is the length of all payloads together. When it is 0, null means none.
2. Otherwise each is asked for by id over GraphQL, several hundred a request: exact but for text, which the server
   trims there. An answer that holds no text, or the very texts that the scroll gave, is the exact payload.
3. What is left (payloads that are text, or lists with text in them) is read in GraphQL pages at the records' places,
   at most 1,000 a request. Each costs the server a copy of the whole collection, so this is the last resort.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

from backup_engine.archive.canonical import canonical_text
from backup_engine.errors import CollectionMoved, UnexpectedAnswer
from backup_engine.vectorizer.answers import Answer
from backup_engine.vectorizer.client import VectorizerClient, graphql_data
from backup_engine.vectorizer.layout import Window
from backup_engine.vectorizer.raw_json import items, members
from backup_engine.vectorizer.refusals import FieldMissing

_HUGE = re.compile(r"\de\+(?:1[89]|[2-9]\d|\d{3})")
_BY_ID = 400  # the server allows a complexity of 1,000, and each vector with its payload is two
_PAGE = 1000  # the server's cap
_ANSWER_BYTES = 32 << 20
_VECTORS = "query($i:ScrollInput!){vectors(input:$i){items{id payload}}}"


class PayloadReader:
    """Settles the doubtful payloads of one collection.

    :param payload_bytes: the details' figure; None where they do not give it
    :param records: how many records share those bytes
    """

    def __init__(self, client: VectorizerClient, name: str, payload_bytes: int | None, records: int) -> None:
        self._client = client
        self._name = name
        self._nothing_hidden = payload_bytes == 0
        fitting = _ANSWER_BYTES // max(1, (payload_bytes or 0) // max(1, records))
        self._by_id = max(1, min(_BY_ID, fitting))
        self._page = max(1, min(_PAGE, fitting))

    def settle(self, window: Window, first: int | None) -> None:
        """Put the exact payloads in the place of the doubtful ones.

        :param first: the place of the window's first record in the collection; None when the records were asked for
            by id, where all text is trimmed already
        :raises CollectionMoved: other records stand at these places by now
        """
        rows = [row for row, payload in enumerate(window.payloads) if doubtful(payload)]
        if not rows or self._nothing_hidden:
            return
        left: list[int] = []
        for part in _parts(rows, self._by_id):
            left += self._settle_by_id(window, part, first is None)
        if first is not None:
            self._settle_by_page(window, left, first)

    def _settle_by_id(self, window: Window, rows: list[int], trimmed: bool) -> list[int]:
        """Settle what an answer by id can settle, and give back what it cannot."""
        try:
            answers = self._ask_by_id([window.ids[row] for row in rows])
        except FieldMissing:
            return rows
        left = []
        for row, answer in zip(rows, answers, strict=True):
            if answer is None:  # gone meanwhile: the collection moves, which is seen elsewhere
                continue
            if trimmed or _untouched(window.payloads[row], answer):
                window.payloads[row] = _kept(answer)
            else:
                left.append(row)
        return left

    def _ask_by_id(self, ids: Sequence[str]) -> list[str | None]:
        """Fetch payloads as JSON text; None for a record that is not there."""
        places = range(len(ids))
        declared = "".join(f",$i{place}:String!" for place in places)
        fields = " ".join(f"v{place}:vector(collection:$c,id:$i{place}){{payload}}" for place in places)
        variables = {"c": self._name} | {f"i{place}": key for place, key in enumerate(ids)}
        found = self._ask(f"query($c:String!{declared}){{{fields}}}", variables)
        return [None if found[f"v{place}"] == "null" else members(found[f"v{place}"])["payload"] for place in places]

    def _settle_by_page(self, window: Window, rows: list[int], first: int) -> None:
        while rows:
            start = rows[0]
            now = [row for row in rows if row < start + self._page]
            page = self._ask_page(first + start, now[-1] - start + 1)
            for row in now:
                key, payload = page[row - start] if row - start < len(page) else (None, "")
                if key != window.ids[row]:
                    raise CollectionMoved(
                        f"{self._name}: record {window.ids[row]!r} was at place {first + row:,}, found {key!r} there; "
                        "the collection changed while it was read, read it again"
                    )
                window.payloads[row] = _kept(payload)
            rows = rows[len(now) :]

    def _ask_page(self, start: int, limit: int) -> list[tuple[str, str]]:
        variables = {"i": {"collection": self._name, "cursor": str(start), "limit": limit}}
        found = self._ask(_VECTORS, variables)
        records = [members(item) for item in items(members(found["vectors"])["items"])]
        return [(str(json.loads(record["id"])), record["payload"]) for record in records]

    def _ask(self, query: str, variables: Mapping[str, object]) -> dict[str, str]:
        body = json.dumps({"query": query, "variables": variables}).encode()
        return _data_members(self._client.send_graphql(body))


def doubtful(payload: str | None) -> bool:
    """Tell whether a scroll may have hidden or rounded something here."""
    return payload is None or ("e+" in payload and _HUGE.search(payload) is not None)


def _data_members(answer: Answer) -> dict[str, str]:
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


def _kept(payload: str) -> str | None:
    return None if payload == "null" else canonical_text(payload)


def _parts(rows: list[int], size: int) -> list[list[int]]:
    return [rows[at : at + size] for at in range(0, len(rows), size)]
