"""Make the buckets of the stack and the stores in them, once. What is there already stays as it is.

For the servers of docker-compose.yaml: the buckets of a real cloud want an owner, a region and rules for who may what.
"""

import os
from uuid import uuid4

from backup_engine.deployments import configuration_path, load_deployments
from backup_engine.model import system_clock
from backup_engine.storage.address import Scheme, StoreAddress, parse_address
from backup_engine.storage.identity import init_store
from backup_engine.storage.opening import open_store


def main() -> None:
    """Look at every root that the configuration names."""
    loaded = load_deployments(configuration_path(os.environ))
    if loaded.problems:
        raise SystemExit("\n".join(f"{name}: {problem}" for name, problem in loaded.problems.items()))
    for deployment in loaded.deployments.values():
        for root in deployment.roots:
            address = parse_address(root)
            make_bucket(address)
            init_store(open_store(root), deployment.name, system_clock, lambda: uuid4().hex)
            print(f"{address.url} is the store of {deployment.name}")  # noqa: T201 - this is its output


def make_bucket(address: StoreAddress) -> None:
    """Make the bucket of an address; a directory has none."""
    if address.scheme is Scheme.S3:
        _make_in_s3(address.bucket)
    if address.scheme is Scheme.GS:
        _make_in_gcs(address.bucket)


def _make_in_s3(bucket: str) -> None:
    import boto3  # noqa: PLC0415 - only where the stack has S3

    client = boto3.client("s3")
    try:
        client.create_bucket(Bucket=bucket)
    except (client.exceptions.BucketAlreadyOwnedByYou, client.exceptions.BucketAlreadyExists):
        return


def _make_in_gcs(bucket: str) -> None:
    from google.api_core.exceptions import Conflict  # noqa: PLC0415 - only where the stack has Google's
    from google.cloud import storage  # noqa: PLC0415

    try:
        storage.Client.create_anonymous_client().create_bucket(bucket, project=os.environ["GOOGLE_CLOUD_PROJECT"])
    except Conflict:
        return


if __name__ == "__main__":
    main()
