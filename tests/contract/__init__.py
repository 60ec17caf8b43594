"""What any Vectorizer promises its clients, over plain HTTP.

Runs against the sandbox by default, against a fresh live server named by VECTORIZER_URL, or against the server
binary named by VECTORIZER_BINARY, which is started, stopped and killed as the sandbox is.
"""
