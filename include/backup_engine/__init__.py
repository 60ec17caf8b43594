"""What the product knows about backing up a Vectorizer; imports no Airflow."""

from importlib.metadata import PackageNotFoundError, version

try:
    PRODUCT_VERSION = version("vectorizer-backup")
except PackageNotFoundError:  # run from a bare checkout
    PRODUCT_VERSION = "0+checkout"
