"""URLs of object stores, checked without the library that opens them: settings are read by every command."""

from urllib.parse import urlsplit

from bridge.runtime.errors import ObjectStoreError

SCHEMES = ("file", "s3", "gs", "az")


def check_url(url: str) -> None:
    """Check the URL of a store without connecting.

    Raises:
        ObjectStoreError: It names no object store, or has credentials.
    """
    parts = urlsplit(url)
    if parts.scheme and parts.scheme not in SCHEMES:
        raise ObjectStoreError(
            f"{parts.scheme}:// is no object store: use a folder, "
            f"{', '.join(f'{scheme}://' for scheme in SCHEMES)}"
        )
    if parts.username or parts.password:
        raise ObjectStoreError(
            "the URL of an object store has no credentials: set the provider's variables, "
            "such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
