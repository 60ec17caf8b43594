"""One request and its answer: credentials on it, redirects looked at, refusals raised.

Cookies are never kept (with one, the server wants a CSRF token), and credentials never leave the host.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from urllib.parse import urljoin, urlsplit

import requests

from backup_engine import PRODUCT_VERSION
from backup_engine.errors import BackupError, RequestRefused
from backup_engine.model import Clock
from backup_engine.vectorizer.answers import Answer, Patience, error_body, insist_on_an_end, whole_body
from backup_engine.vectorizer.authorization import Authorization
from backup_engine.vectorizer.connecting import transport_error
from backup_engine.vectorizer.refusals import clean, refusal
from backup_engine.vectorizer.settings import ClientSettings

_REDIRECTS = {301, 302, 303, 307, 308}
_KEEPS_METHOD = {307, 308}
_MAX_REDIRECTS = 3
_UNAUTHORIZED = 401


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked.

    :param url: the server's base address
    :param body: JSON text
    :param silence: seconds the server may take until it begins to answer
    """

    url: str
    method: str
    path: str
    body: bytes | None
    silence: float

    @property
    def what(self) -> str:
        """Name the call, for messages."""
        return f"{self.method} {self.url}{clean(self.path)}"


class Exchange:
    """Makes requests one at a time over kept connections."""

    def __init__(self, authorization: Authorization, settings: ClientSettings, now: Clock) -> None:
        self._authorization = authorization
        self._settings = settings
        self._now = now
        self._session = _new_session(settings)

    def close(self) -> None:
        """Let go of the connections."""
        self._session.close()

    def open(self, request: Request, patience: Patience) -> requests.Response:
        """Send it, once more after a new login if the token has expired, and hand over an answer that is a success.

        The caller reads the body and closes the answer.
        """
        response = self._authorized(request, patience)
        if response.status_code == _UNAUTHORIZED and self._authorization.renewable:
            response.close()
            self._authorization.forget()
            response = self._authorized(request, patience)
        if not response.ok:
            with response:
                raise self._authorization.explained(self._refusal(request, response, patience))
        self._authorization.accepted()
        return _with_an_end(response, request.what)

    def _authorized(self, request: Request, patience: Patience) -> requests.Response:
        if self._authorization.login_needed:
            self._log_in(request.url, patience)
        return self._followed(request, patience)

    def _log_in(self, url: str, patience: Patience) -> None:
        form = json.dumps(self._authorization.login_form()).encode()
        request = Request(url, "POST", "/auth/login", form, self._settings.read_timeout)
        with self._followed(request, patience) as response:
            if not response.ok:
                raise self._refusal(request, response, patience)
            insist_on_an_end(response, request.what)
            answer = Answer(request.what, whole_body(response, patience, request.what))
        self._authorization.take_token(answer)

    def _followed(self, request: Request, patience: Patience) -> requests.Response:
        address = request.url + request.path
        for _ in range(_MAX_REDIRECTS + 1):
            response = self._once(request, address, patience)
            if response.status_code not in _REDIRECTS:
                return response
            with response:
                address = _same_place(request, address, response)
        raise RequestRefused(f"{request.what}: redirected more than {_MAX_REDIRECTS} times", status=308)

    def _once(self, request: Request, address: str, patience: Patience) -> requests.Response:
        headers = self._authorization.headers()
        if request.body is not None:
            headers["Content-Type"] = "application/json"
        with patience.waiting(request.what):
            timeouts = (min(self._settings.connect_timeout, patience.left), min(request.silence, patience.left))
            try:
                return self._session.request(
                    request.method,
                    address,
                    data=request.body,
                    headers=headers,
                    auth=_as_it_is,
                    timeout=timeouts,
                    allow_redirects=False,
                    stream=True,
                    verify=self._settings.verify,
                )
            except requests.RequestException as error:
                raise transport_error(request.what, error) from error

    def _refusal(self, request: Request, response: requests.Response, patience: Patience) -> BackupError:
        body = self._authorization.hidden(error_body(response, patience, request.what))
        return refusal(request.what, response.status_code, response.headers, body, self._now())


def _new_session(settings: ClientSettings) -> requests.Session:
    session = requests.Session()
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.cert = settings.client_certificate
    session.headers.clear()
    session.headers.update({
        "User-Agent": f"vectorizer-backup/{PRODUCT_VERSION}",
        "Accept": "application/json, application/graphql-response+json",
        "Accept-Encoding": "identity",
        "Connection": "keep-alive",
    })
    return session


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keep requests from looking into ~/.netrc."""
    return request


def _with_an_end(response: requests.Response, what: str) -> requests.Response:
    try:
        insist_on_an_end(response, what)
    except BackupError:
        response.close()
        raise
    return response


def _same_place(request: Request, address: str, response: requests.Response) -> str:
    """Give the address a redirect names, if it is on this very host and the request stays what it is."""
    status = response.status_code
    target = urljoin(address, response.headers.get("Location", ""))
    if _origin(target) == _origin(address) and "@" not in urlsplit(target).netloc:
        if request.method == "GET" or status in _KEEPS_METHOD:
            return target
        raise RequestRefused(f"{request.what}: redirected with {status}, which would make a GET of it", status=status)
    leader = response.headers.get("X-Vectorizer-Leader")
    reason = "this server is a follower and takes no writes; name its leader" if leader else "name that one"
    raise RequestRefused(
        f"{request.what}: redirected to {clean(leader or _shown(target))}, where credentials are not taken along; "
        f"{reason} as the server instead",
        status=status,
    )


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _shown(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
