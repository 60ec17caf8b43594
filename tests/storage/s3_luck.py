"""Bad luck at chosen requests of one client, by boto3's own events."""

from botocore.awsrequest import AWSResponse
from botocore.exceptions import ConnectionClosedError, ResponseStreamingError

from tests.storage.s3_places import BUCKET

QUICK = {"retries": {"mode": "standard", "total_max_attempts": 3}}


class Requests:
    """What a client asked, in order: ``(operation, arguments)``, retries not counted."""

    def __init__(self, client):
        self.seen = []
        client.meta.events.register("provide-client-params.s3", self._note)

    def count(self, operation):
        return sum(name == operation for name, _ in self.seen)

    def _note(self, params, model, **_):
        self.seen.append((model.name, {name: value for name, value in params.items() if name != "Body"}))


def lose_answers(client, operation, times=1):
    """Let the server do it, and the client never learn: ``times`` times."""
    left = [times]

    def send_and_lose(request, **_):
        if left[0]:
            left[0] -= 1
            answer = client._endpoint.http_session.send(request)
            answer.content  # noqa: B018 - read to its end: the server has done it
            raise ConnectionClosedError(endpoint_url=request.url)

    client.meta.events.register(f"before-send.s3.{operation}", send_and_lose)


class _Raw:
    def __init__(self, body):
        self._body = body

    def stream(self):
        yield self._body


def answer_with(client, operation, status, code, times=10**6):
    """Have the next ``times`` requests answered like this, and never sent. Give the list of those."""
    asked = []

    def answer(request, **_):
        if len(asked) >= times:
            return None
        asked.append(request.url)
        body = f"<Error><Code>{code}</Code><Message>as asked for</Message></Error>".encode()
        return AWSResponse(request.url, status, {}, _Raw(body))

    client.meta.events.register(f"before-send.s3.{operation}", answer)
    return asked


def change_arguments(client, operation, *left_out, **changes):
    """Send something else than what was meant, as broken memory or a bug would."""

    def change(params, **_):
        params.update(changes)
        for name in left_out:
            params.pop(name, None)

    client.meta.events.register(f"before-parameter-build.s3.{operation}", change)


def change_answers(client, operation, change):
    """Have ``change(answer)`` alter what the client reads."""
    client.meta.events.register(f"after-call.s3.{operation}", lambda parsed, **_: change(parsed))


class CutBody:
    """The body of an answer whose connection breaks off after so many bytes."""

    def __init__(self, body, after, error=None):
        self._body, self._left = body, after
        self._error = error or ResponseStreamingError(error="connection reset")

    def read(self, size):
        if not self._left:
            raise self._error
        data = self._body.read(min(size, self._left))
        self._left -= len(data)
        return data

    def close(self):
        self._body.close()


def cut_bodies(client, after, times=10**6, error=None):
    """Break off the body of each of the next ``times`` answers to GET after so many bytes."""
    left = [times]

    def cut(parsed):
        if left[0] and "Body" in parsed:
            left[0] -= 1
            parsed["Body"] = CutBody(parsed["Body"], after, error)

    change_answers(client, "GetObject", cut)


def uploads(client, prefix, bucket=BUCKET):
    """Give the multipart uploads that are open below a prefix."""
    found = client.list_multipart_uploads(Bucket=bucket, Prefix=f"{prefix}/")
    return [one["Key"] for one in found.get("Uploads", [])]
