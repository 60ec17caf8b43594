"""Work in a process of its own, whose limits and rights it may spoil."""

import os
from multiprocessing import get_context

_NOBODY = 65534
_PATIENCE = 60  # seconds


def in_child(work):
    """Give the error that the work ended with, as text; "" when it did not."""
    answers, answer = get_context("fork").Pipe(duplex=False)

    def body():
        try:
            work()
        except Exception as error:  # noqa: BLE001 - all of them are told to the parent
            answer.send(f"{type(error).__name__}: {error}")
        else:
            answer.send("")

    worker = get_context("fork").Process(target=body, daemon=True)
    worker.start()
    try:
        assert answers.poll(_PATIENCE), "the child gave no answer"
        return answers.recv()
    finally:
        worker.kill()
        worker.join(_PATIENCE)


def leave_root_behind():
    """Become somebody to whom permissions apply."""
    if os.geteuid() == 0:
        os.seteuid(_NOBODY)
