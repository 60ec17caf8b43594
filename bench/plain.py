"""The fastest client there is: it fetches a page and looks at nothing."""

import http.client
import json
from urllib.parse import quote, urlsplit

_CHUNK = 1 << 20


def read_plainly(url: str, collection: str, records: int, headers: dict[str, str]) -> int:
    """Fetch a collection as one page of a scroll, and tell how many bytes that were.

    :raises RuntimeError: it was refused
    """
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.netloc, timeout=600)
    question = json.dumps({"limit": records + 1, "with_payload": True, "with_vector": True})
    path = f"{parts.path}/qdrant/collections/{quote(collection, safe='')}/points/scroll"
    connection.request("POST", path, question, {"Content-Type": "application/json", **headers})
    answer = connection.getresponse()
    if answer.status != http.client.OK:
        raise RuntimeError(f"{path} answered {answer.status}")
    buffer, total = memoryview(bytearray(_CHUNK)), 0
    while got := answer.readinto(buffer):
        total += got
    connection.close()
    return total
