"""The routes of the server's backup API, as each generation has them.

Bare (``/backups…``) since 1.8.6, under ``/api`` before that and in the guide. No Vectorizer that is known has the
guide's download; its list holds whole files, with all vectors of all server backups, instead.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from backup_engine.errors import RequestRefused, UnexpectedAnswer, UnknownBackup, Unsupported
from backup_engine.vectorizer.answers import Answer
from backup_engine.vectorizer.client import VectorizerClient
from backup_engine.vectorizer.refusals import RouteMissing
from backup_engine.vectorizer.server_backups.downloading import json_of
from backup_engine.vectorizer.server_backups.file import BackupFile, ServerBackup, files_of
from backup_engine.vectorizer.server_backups.json_stream import JsonStream
from backup_engine.vectorizer.settings import path_of
from backup_engine.vectorizer.state import read_version


class BackupRoutes:
    """Sends requests to one server's backup API; which generation's, it finds out once."""

    def __init__(self, client: VectorizerClient) -> None:
        self._client = client
        self._prefix: str | None = None
        self.downloads = False
        """Whether a download was ever answered: then this is a server of the guide, which heeds ``collections``."""

    @property
    def prefix(self) -> str:
        """What stands before ``/backups``.

        :raises Unsupported: this server has no backup API
        """
        if self._prefix is None:
            self._prefix = self._find_prefix()
        return self._prefix

    def create(self, name: str, collections: Sequence[str]) -> ServerBackup:
        """Have the server make a server backup; nothing it answers is checked. May take minutes."""
        wanted = {"name": name, "collections": list(collections)}
        answer = self._post("/backups/create", wanted)
        made = BackupFile(JsonStream(iter([answer.body]), answer.what))
        return made.summary()

    def restore(self, backup_id: str, collections: Sequence[str]) -> None:
        """Have the server write a server backup into its collections. May take hours: a few hundred vectors a second.

        :raises UnexpectedAnswer: the server does not say that it did
        """
        answer = self._post("/backups/restore", {"backup_id": backup_id, "collections": list(collections)})
        if answer.fields().get("success") is not True:
            raise UnexpectedAnswer(f"{answer.what}: success was expected, found {answer.body[:200]!r}")

    def listed(self) -> Generator[BackupFile]:
        """Give each server backup there is, newest first: without data on the guide's servers, whole on others.

        A server that gives them whole builds all of it in its memory: about 100 bytes a component.
        """
        path = f"{self.prefix}/backups"
        with self._client.stream(path, costly=True) as chunks:
            yield from files_of(JsonStream(chunks, f"GET {self._client.url}{path}"))

    @contextmanager
    def opened(self, backup_id: str, keep: Callable[[bytes], object] | None = None) -> Iterator[BackupFile]:
        """Open one server backup: its download where there is one, else out of the list.

        :param backup_id: or its name, where the server takes names
        :param keep: gets its bytes as they are read: those of the download, or its piece of the list
        :raises UnknownBackup: there is none
        """
        with ExitStack() as stack:
            chunks = self._download(backup_id, stack)
            if chunks is not None:
                yield from self._downloaded(backup_id, chunks, keep)
                return
            files = self.listed()
            stack.callback(files.close)
            file = next((file for file in files if file.is_called(backup_id)), None)
            if file is None:
                raise UnknownBackup(f"{self._client.url} has no server backup {backup_id!r}; list what it has")
            if keep is not None:
                file.copy_to(keep)
            yield file
            file.summary()

    def _downloaded(
        self, backup_id: str, chunks: Iterator[bytes], keep: Callable[[bytes], object] | None
    ) -> Iterator[BackupFile]:
        what = f"download of the server backup {backup_id!r} from {self._client.url}"
        stream = JsonStream(json_of(_overheard(chunks, keep) if keep else chunks, what), what)
        file = BackupFile(stream)
        if not file.is_called(backup_id):
            raise UnexpectedAnswer(f"{what}: another one came, {file.summary().id!r}")
        yield file
        file.summary()
        stream.end()

    def _download(self, backup_id: str, stack: ExitStack) -> Iterator[bytes] | None:
        path = self.prefix + path_of("backups", backup_id, "download")
        try:
            chunks = stack.enter_context(self._client.stream(path, costly=True))
        except RouteMissing:
            return None
        except RequestRefused as error:
            if error.status != 404:  # noqa: PLR2004
                raise
            raise UnknownBackup(f"{self._client.url} has no server backup {backup_id!r}; list what it has") from error
        self.downloads = True
        return chunks

    def _post(self, path: str, value: object) -> Answer:
        """Ask once, and wait as long as a page of records is waited for: the answer comes when all is done."""
        longest = self._client.settings.page_deadline
        try:
            return self._client.call(
                "POST", self.prefix + path, value, repeatable=False, patient=True, deadline=longest
            )
        except RouteMissing as error:
            raise self._unsupported() from error

    def _find_prefix(self) -> str:
        for prefix in ("", "/api"):
            try:
                self._client.get(f"{prefix}/backups/directory")
            except RouteMissing:
                continue
            return prefix
        try:  # a server of the guide; those that would give whole files have answered above
            with self._client.stream("/api/backups"):
                return "/api"
        except RouteMissing as error:
            raise self._unsupported() from error

    def _unsupported(self) -> Unsupported:
        return Unsupported(
            f"Vectorizer {read_version(self._client)} at {self._client.url} offers no backup API, under /backups or "
            "/api/backups: capture through the data API instead (`vectorizer-backup create`, read_with: auto), or let "
            "the proxy before the server pass it"
        )


def _overheard(chunks: Iterator[bytes], keep: Callable[[bytes], object]) -> Iterator[bytes]:
    for chunk in chunks:
        keep(chunk)
        yield chunk
