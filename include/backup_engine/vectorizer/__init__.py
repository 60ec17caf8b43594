"""How the product speaks to a Vectorizer: client, reader, writer."""
