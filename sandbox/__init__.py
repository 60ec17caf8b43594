"""A small Vectorizer for the demo and the tests, held to recordings of the real server.

Known to be otherwise, and left so:

- Texts are embedded by hashed words, not bm25; searches are exact, not approximate. No backup depends on either.
- `GET /backups` gives every float32 as the float64 it equals. The real server reads its own file with a parser that
  may be one unit in the last place of the float64 off; the float32 is the same.
- Scrolls give the keys of a payload as they were written. The real server gives them in another order every time.
- `shardCount` below zero is refused. The real server tries to make four billion shards and never answers.
- A native snapshot is restored between two requests. On the real server readers who ask for the collection in that
  moment can bring it back from disk, and it then counts twice.
- Inserting and loading cost next to nothing, unless `--loading` gives the pace of loads.
"""

VERSION = "3.5.0"

# What a server of each dialect says it is; the guide's paths are those of servers before 1.8.6.
VERSIONS = {"bare": VERSION, "guide": "1.8.5"}
