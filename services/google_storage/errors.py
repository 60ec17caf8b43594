"""How a request is refused."""


class ApiError(Exception):
    """Ends a request with a status and the message Google documents or is known to send."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message

    def body(self) -> dict[str, object]:
        """Give the JSON body."""
        errors = [{"domain": "global", "reason": self.reason, "message": self.message}]
        return {"error": {"code": self.status, "message": self.message, "errors": errors}}


def no_bucket() -> ApiError:
    """Say that there is no such bucket."""
    return ApiError(404, "notFound", "The specified bucket does not exist.")


def no_object(bucket: str, name: str) -> ApiError:
    """Say that there is no such object."""
    return ApiError(404, "notFound", f"No such object: {bucket}/{name}")


def condition_not_met() -> ApiError:
    """Say that a precondition does not hold."""
    return ApiError(412, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.")


def invalid(message: str) -> ApiError:
    """Say that the request itself is wrong."""
    return ApiError(400, "invalid", message)


def forbidden(message: str, reason: str = "forbidden") -> ApiError:
    """Say that the caller may not, or that something protects the object."""
    return ApiError(403, reason, message)
