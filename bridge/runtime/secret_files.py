"""Secrets in files: ``<VARIABLE>_FILE`` names the file that contains the value."""

from pathlib import Path

from bridge.runtime.errors import SecretFileError

IN_FILE = "_FILE"


def content(variable: str, path: str, *, beside: str | None) -> str:
    """Return the content of the file that ``<variable>_FILE`` names.

    Args:
        variable: Name of the variable, without ``_FILE``.
        path: The file.
        beside: The variable's own value, which must not be set too.

    Raises:
        SecretFileError: The variable itself is set too, or the file is empty or unreadable. The
            message never contains the secret.
    """
    named = variable + IN_FILE
    if beside:
        raise SecretFileError(f"{variable} and {named} are both set: remove one of them")
    try:
        found = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        # A decoding error quotes the bytes, which may be the secret.
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise SecretFileError(f"{named}: the file {path} cannot be read: {reason}") from None
    if not found:
        raise SecretFileError(f"{named}: the file {path} is empty")
    return found
