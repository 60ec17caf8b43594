"""What goes wrong in the server, each with the message and the body the real one gives."""

from typing import Any


class ServerError(Exception):
    """An error the server answers with a JSON body of `error_type`, `message`, `status_code`."""

    status = 500
    error_type = "internal_error"

    def __init__(self, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.details = details

    def body(self) -> dict[str, Any]:
        """Give the JSON body; `details` only where the real server has them."""
        details = {} if self.details is None else {"details": self.details}
        return {
            "error_type": self.error_type,
            "message": self.message,
            **details,
            "status_code": self.status,
        }


class CollectionNotFoundError(ServerError):
    """No collection and no alias of that name, in memory or on disk."""

    status, error_type = 404, "collection_not_found"

    def __init__(self, name: str) -> None:
        super().__init__(f"Collection not found: {name}", {"collection_name": name})


class VectorNotFoundError(ServerError):
    """The collection has no vector of that id."""

    status, error_type = 404, "vector_not_found"

    def __init__(self, vector_id: str) -> None:
        super().__init__(f"Vector not found: {vector_id}", {"vector_id": vector_id})


class CollectionExistsError(ServerError):
    """A collection or an alias holds the name."""

    status, error_type = 409, "collection_already_exists"

    def __init__(self, name: str) -> None:
        super().__init__(f"Collection already exists: {name}")
        self.name = name


class NotFoundError(ServerError):
    """Anything else that is not there."""

    status, error_type = 404, "not_found"

    def __init__(self, what: str) -> None:
        super().__init__(f"Resource not found: {what}")


class InvalidConfigurationError(ServerError):
    """A request the store refuses whatever its state."""

    status, error_type = 400, "invalid_configuration"

    def __init__(self, reason: str) -> None:
        super().__init__(f"Invalid configuration: {reason}")


class InvalidDimensionError(ServerError):
    """A vector of another length than its collection."""

    status, error_type = 400, "invalid_dimension"

    def __init__(self, expected: int, got: int) -> None:
        super().__init__(f"Invalid dimension: expected {expected}, got {got}", {"expected": expected, "got": got})


class ProviderDimensionError(ServerError):
    """`POST /collections` takes the dimension of the embedding provider only."""

    status, error_type = 400, "provider_dimension_mismatch"

    def __init__(self, provider: str, provider_dimension: int, requested: int) -> None:
        super().__init__(
            f"Provider '{provider}' has dimension {provider_dimension}, request asked for {requested}",
            {
                "provider": provider,
                "provider_dimension": provider_dimension,
                "requested_dimension": requested,
            },
        )


class InvalidFieldError(ServerError):
    """A field of the request is missing or unusable."""

    status, error_type = 400, "validation_error"

    def __init__(self, field: str, reason: str | None = None) -> None:
        reason = reason or f"missing or invalid {field} parameter"
        super().__init__(f"Invalid {field}: {reason}", {"field": field, "reason": reason})


class StorageError(ServerError):
    """The flush refused or failed."""

    error_type = "storage_error"

    def __init__(self, reason: str) -> None:
        super().__init__(f"Storage error: {reason}")


class PlainError(ServerError):
    """An error whose status, type and message have no class of their own."""

    def __init__(self, status: int, error_type: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.error_type = error_type


class TextError(Exception):
    """An answer of the request parser: plain text, no JSON."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class UnprocessableError(TextError):
    """JSON of the wrong shape."""

    def __init__(self, reason: str) -> None:
        super().__init__(422, f"Failed to deserialize the JSON body into the target type: {reason}")


class ConnectionDropped(Exception):
    """The handler panicked: the connection closes without an answer and the server lives on."""


class OnDiskOnly(Exception):
    """A collection must be loaded before it can be had; the request is handled again when it is."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name
