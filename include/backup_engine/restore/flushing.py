"""Have a server write everything down, where it can."""

from __future__ import annotations

from backup_engine.errors import NotFlushed
from backup_engine.ports import Server


def flush_if_possible(server: Server) -> bool:
    """Flush; False if the server refused because it holds no vector at all, which it always does then.

    :raises NotFlushed: it holds vectors and did not confirm that they are on its disk
    """
    try:
        server.flush()
    except NotFlushed:
        if any(state.vectors for state in server.collections()):
            raise
        return False
    return True
