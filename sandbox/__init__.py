"""A small Vectorizer 3.5.0 for the demo and the tests, held to recordings of the real server."""
