"""One call of each kind, for what must hold for all of them."""

import pytest

EVERY_CALL = {
    "list": lambda store: store.list(""),
    "stat": lambda store: store.stat("daily/a"),
    "read": lambda store: store.read("daily/a"),
    "create": lambda store: store.create("daily/a", [b"x"]),
    "replace": lambda store: store.replace("daily/a", b"x", version="1"),
    "join": lambda store: store.join("daily/a", ["daily/b"]),
    "delete": lambda store: store.delete(["daily/a"]),
    "free_bytes": lambda store: store.free_bytes(),
    "sweep": lambda store: store.sweep(),
}
every_call = pytest.mark.parametrize("call", EVERY_CALL.values(), ids=EVERY_CALL)
