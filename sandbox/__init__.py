"""A small Vectorizer for the demo and the tests, held to recordings of the real server."""

VERSION = "3.5.0"
