"""Logins, tokens and API keys, when the server is started with a password."""

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from fastapi import APIRouter, FastAPI, Request, Response
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.failures import UnprocessableError
from sandbox.payloads import Json
from sandbox.wire import answer, json_body, optional

ADMIN = "admin"
USER = {"user_id": ADMIN, "username": ADMIN, "roles": ["Admin"]}
TOKEN_SECONDS = 3600
ATTEMPTS = 5
ATTEMPT_WINDOW_SECONDS = 300
LOCK_SECONDS = 900
KEY_REQUESTS_A_MINUTE = 100

PUBLIC = {"/health", "/auth/login"}
ADMIN_ONLY = {"/backups/create", "/backups/restore"}

SECRET_FILE = "jwt_secret.key"  # noqa: S105


@dataclass
class _Attempts:
    count: int = 0
    since: float = 0.0
    locked_until: float = 0.0


@dataclass
class Doorkeeper:
    """Who may do what. Tokens survive a restart; API keys do not, in the server neither."""

    password: str
    folder: Path
    clock: Callable[[], float] = time.time
    _attempts: dict[str, _Attempts] = field(default_factory=dict)
    _requests: dict[str, deque[float]] = field(default_factory=dict)

    def login(self, username: str, password: str) -> tuple[int, dict[str, Json]]:
        """Return status and body of a login."""
        attempts = self._attempts.setdefault(username, _Attempts())
        now = self.clock()
        if attempts.locked_until > now:
            wait = int(attempts.locked_until - now)
            message = f"Too many login attempts. Please try again in {wait} seconds."
            return 429, {"error": "rate_limited", "message": message}
        if username != ADMIN or not hmac.compare_digest(password.encode(), self.password.encode()):
            self._note_failure(attempts, now)
            return 401, {"error": "invalid_credentials", "message": "Invalid username or password"}
        self._attempts.pop(username)
        return 200, {
            "access_token": self._token(now),
            "token_type": "Bearer",
            "expires_in": TOKEN_SECONDS,
            "user": USER,
        }

    def is_admin(self, token: str) -> bool:
        """Say whether a token is one of this server's and not yet expired."""
        head, _, signature = token.rpartition(".")
        if not head or not hmac.compare_digest(signature, self._signature(head)):
            return False
        claims = json.loads(base64.urlsafe_b64decode(head.partition(".")[2] + "=="))
        return bool(claims["exp"] > self.clock())

    def create_key(self) -> str:
        """Return a new API key; only its hash is kept."""
        key = secrets.token_urlsafe(24)
        self._requests[_digest(key)] = deque()
        return key

    def admits_key(self, key: str) -> bool:
        """Say whether a key is known and within its requests a minute; beyond them it is as if unknown."""
        recent = self._requests.get(_digest(key))
        if recent is None:
            return False
        now = self.clock()
        while recent and recent[0] <= now - 60:
            recent.popleft()
        if len(recent) >= KEY_REQUESTS_A_MINUTE:
            return False
        recent.append(now)
        return True

    def forget(self) -> None:
        """Forget what a restart forgets: keys, their requests, and who was locked out."""
        self._requests.clear()
        self._attempts.clear()

    def _note_failure(self, attempts: _Attempts, now: float) -> None:
        if now - attempts.since > ATTEMPT_WINDOW_SECONDS:
            attempts.count, attempts.since = 0, now
        attempts.count += 1
        if attempts.count >= ATTEMPTS:
            attempts.locked_until = now + LOCK_SECONDS

    def _token(self, now: float) -> str:
        header = _segment({"alg": "HS256", "typ": "JWT"})
        claims = _segment({**USER, "iat": int(now), "exp": int(now) + TOKEN_SECONDS, "scopes": []})
        return f"{header}.{claims}.{self._signature(f'{header}.{claims}')}"

    def _signature(self, head: str) -> str:
        return _base64(hmac.new(self._secret(), head.encode(), hashlib.sha256).digest())

    def _secret(self) -> bytes:
        path = self.folder / SECRET_FILE
        if not path.exists():
            path.write_bytes(secrets.token_bytes(32))
            path.chmod(0o600)
        return path.read_bytes()


def protect(app: FastAPI, password: str, folder: Path) -> None:
    """Ask for credentials on every route but the public ones."""
    doorkeeper = app.state.doorkeeper = Doorkeeper(password, folder)
    app.include_router(_routes(doorkeeper))
    app.add_middleware(_Gate, doorkeeper=doorkeeper, routes=app.router.routes)


def _routes(doorkeeper: Doorkeeper) -> APIRouter:
    router = APIRouter(prefix="/auth")

    @router.post("/login")
    async def login(request: Request) -> Response:
        body = await json_body(request)
        status, view = doorkeeper.login(_field(body, "username"), _field(body, "password"))
        response = answer(view, status)
        if status == 200:
            _set_cookies(response, view["access_token"])
        return response

    @router.get("/me")
    async def me() -> Response:
        return answer(USER)

    @router.post("/keys")
    async def create_key(request: Request) -> Response:
        body = await json_body(request)
        permissions = optional(body, "permissions") or ["read"]
        return answer({
            "api_key": doorkeeper.create_key(),
            "id": str(uuid4()),
            "name": _field(body, "name"),
            "permissions": [str(each).capitalize() for each in permissions],
            "scopes": [],
            "expires_at": None,
            "warning": "Save this API key now! It will not be shown again.",
        })

    return router


def _field(body: Json, name: str) -> str:
    value = optional(body, name)
    if not isinstance(value, str):
        raise UnprocessableError(f"missing field `{name}`")
    return value


def _set_cookies(response: Response, token: str) -> None:
    for name, value, http_only in (
        ("vectorizer_session", token, True),
        ("XSRF-TOKEN", secrets.token_urlsafe(16), False),
    ):
        response.set_cookie(name, value, max_age=TOKEN_SECONDS, samesite="strict", secure=True, httponly=http_only)


class _Gate:
    """Let through what the credentials of a request allow."""

    def __init__(self, app: ASGIApp, doorkeeper: Doorkeeper, routes: Sequence[BaseRoute]) -> None:
        self._app = app
        self._doorkeeper = doorkeeper
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in PUBLIC or not self._leads_somewhere(scope):
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(Request(scope))
        await (self._app if refusal is None else refusal)(scope, receive, send)

    def _leads_somewhere(self, scope: Scope) -> bool:
        """Say whether there is such a path: what is not there is 404 for anybody."""
        return any(route.matches(scope)[0] is not Match.NONE for route in self._routes)

    def _refusal(self, request: Request) -> Response | None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme == "Bearer" and self._doorkeeper.is_admin(token):
            return None
        admin_only = request.url.path in ADMIN_ONLY
        if not self._doorkeeper.admits_key(_api_key(request)):
            message = "Authentication required"
            if not admin_only:
                message += ". Provide a valid JWT token or API key."
            return answer({"error": "unauthorized", "message": message}, 401)
        if admin_only:
            return answer({"error": "forbidden", "message": "Admin access required"}, 403)
        return None


def _api_key(request: Request) -> str:
    bare = request.headers.get("authorization", "")
    return request.headers.get("x-api-key") or request.query_params.get("api_key") or ("" if " " in bare else bare)


def _segment(claims: dict[str, Json]) -> str:
    return _base64(json.dumps(claims, separators=(",", ":")).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
