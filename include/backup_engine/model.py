"""The nouns that cross a boundary: between tasks, between processes, onto disk.

``Document`` is what is written down (plans, results, records) and read back strictly; nothing here does I/O.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Literal, Protocol

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    import pyarrow as pa


def _utc(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("a time without a zone means nothing; write it with one, in UTC for example")
    return value.astimezone(UTC)


Moment = Annotated[datetime, AfterValidator(_utc)]
"""A time with a zone, kept in UTC."""


class Document(BaseModel):
    """A value that is written down; unknown fields are refused, so nothing is lost in silence."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")


class Metric(StrEnum):
    """How a collection measures nearness."""

    COSINE = "cosine"
    EUCLIDEAN = "euclidean"
    DOT = "dot"


class Quantization(StrEnum):
    """How a collection keeps its vectors."""

    NONE = "none"
    SQ8 = "sq8"
    BINARY = "binary"
    PRODUCT = "product"


class ReadWay(StrEnum):
    """Which of the server's interfaces records are read from, the one to prefer first."""

    SCROLL = "scroll"
    GRAPHQL = "graphql"
    LIST = "list"
    BACKUP_API = "backup-api"


class Hnsw(Document):
    """Settings of the collection's index."""

    m: int = 16
    ef_construct: int = 200
    ef_search: int = 100


class CollectionConfiguration(Document):
    """What is needed to create the collection again, and what the server said beside it.

    :param reported: the rest of what the server tells, for people; never acted on
    """

    dimension: int = Field(ge=1)
    metric: Metric
    quantization: Quantization
    hnsw: Hnsw
    graph: bool = False
    shards: int | None = None
    reported: dict[str, object] = {}

    @property
    def unknown(self) -> tuple[str, ...]:
        """The settings that the server did not tell, so that its defaults stand here; ``reported`` names them."""
        named = self.reported.get("unknown")
        return tuple(map(str, named)) if isinstance(named, list) else ()


class CollectionState(Document):
    """One collection as the server's list shows it at one moment.

    ``created_at`` and ``updated_at`` are the server's own words: compared for equality, never calculated with.
    """

    name: str
    vectors: int = Field(ge=0)
    dimension: int = Field(ge=0)
    created_at: str
    updated_at: str


class ServerSnapshot(Document):
    """A copy of one collection on the server's own disk, as the server lists it.

    :param id: the second in which it was taken: "20261122T141822Z"; a later one of the same second overwrites it
    :param bytes: of the file; 0 where nothing was written
    """

    id: str
    bytes: int = Field(ge=0)


class ServerFacts(Document):
    """What the server says about itself.

    :param url: without credentials
    :param api: the path prefix its generation uses for status and backups ("" or "/api")
    :param now: the server's own clock, when it tells
    :param unquantized_dimensions: dimensions in which it can create a collection without quantization; None: any,
        or it does not tell
    """

    url: str
    version: str
    api: Literal["", "/api"] = ""
    uptime_seconds: int | None = None
    role: str = "Standalone"
    now: Moment | None = None
    unquantized_dimensions: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """One pass over a collection: batches of (id, vector, payload) as they stream in.

    :param pages: requests this pass takes; one page is one atomic moment, several are not
    :param way: the interface it reads from
    :param notes: what that interface may have changed or left behind, for people; complete when the batches have ended
    :param later: where records begin of which some had to be asked for again when the collection had moved already, so
        that a single page was not one moment; complete when the batches have ended
    """

    pages: int
    batches: Iterable[pa.RecordBatch]
    way: ReadWay = ReadWay.SCROLL
    notes: list[str] = field(default_factory=list)
    later: list[int] = field(default_factory=list)


class ProgressEvent(Document):
    """How far a step is. Rates are for the reader of the event to derive.

    :param step: the field's word for what is done ("export", "verify", "load", "compare")
    :param subject: what it is done to (a collection, an archive entry)
    :param done: records so far
    :param total: records expected, if known
    :param bytes: bytes so far
    :param seconds: time since the step began
    """

    step: str
    subject: str
    done: int
    total: int | None
    bytes: int
    seconds: float


class Progress(Protocol):
    """Whoever wants to know how far a step is."""

    def __call__(self, event: ProgressEvent) -> None:
        """Take note; must return quickly and not raise."""


def silent(event: ProgressEvent) -> None:
    """Tell nobody."""


class Clock(Protocol):
    """Where the time comes from."""

    def __call__(self) -> datetime:
        """Now, in UTC."""


def system_clock() -> datetime:
    """Tell the time of this machine, in UTC."""
    return datetime.now(UTC)
