"""`python -m bench.exporting SERVER FOLDER PLAN STREAM…`: one worker that exports its share of a capture.

It says that it is ready when everything is imported, and begins when it is told to.
"""

import sys
import time
from pathlib import Path

from backup_engine.capture.exporting import export_stream
from backup_engine.model import system_clock
from bench.measurement import Measurement
from bench.steps import Place, cpu_seconds, memory_bytes, token

READY = "ready\n"


def main() -> None:
    """Export and print what was measured; the result of each stream lies where the plan says."""
    url, folder, plan, *streams = sys.argv[1:]
    place = Place(url, Path(folder))
    store, server = place.store(), place.server()
    sys.stdout.write(READY)
    sys.stdout.flush()
    sys.stdin.readline()
    began, used = time.perf_counter(), cpu_seconds()
    done = [
        export_stream(plan, int(stream), server, store, system_clock, token(), temporary=place.folder)
        for stream in streams
    ]
    measured = Measurement(
        seconds=time.perf_counter() - began,
        cpu_seconds=cpu_seconds() - used,
        memory_bytes=memory_bytes(),
        vectors=sum(one.vectors for one in done),
        bytes=sum(one.bytes for one in done),
    )
    sys.stdout.write(measured.model_dump_json() + "\n")


if __name__ == "__main__":
    main()
