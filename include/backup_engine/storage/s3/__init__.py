"""A store in a bucket of Amazon S3, or of a server that speaks S3 and keeps its conditions."""
