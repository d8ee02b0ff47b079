"""The login of ``POSTGRES_USER`` and ``POSTGRES_PASSWORD``, for a database URL that has none.

Clusters often keep the address of Postgres in one secret and the login in another.
"""

from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, urlsplit

from bridge.runtime import secret_files
from bridge.runtime.secret_files import IN_FILE

VARIABLES = ("POSTGRES_USER", "POSTGRES_PASSWORD")


def with_login(url: str, environ: Mapping[str, str]) -> tuple[str, list[str]]:
    """Complete a URL that names no user.

    Returns:
        The URL, and the variables that it was completed from; none if the URL has a user, or the
        variables do not name one.

    Raises:
        SecretFileError: The file of a variable cannot be used, or the variable is set too.
    """
    if _names_a_user(url):
        return url, []
    found = {variable: _value(variable, environ) for variable in VARIABLES}
    user, password = (found[variable] for variable in VARIABLES)
    if user is None:
        return url, []
    login = quote(user, safe="")
    if password is not None:
        login += f":{quote(password, safe='')}"
    scheme, mark, rest = url.partition("://")
    return f"{scheme}{mark}{login}@{rest}", [name for name in VARIABLES if found[name]]


def _names_a_user(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return True  # refused where it is parsed
    in_query = any(name in {"user", "service"} for name, _ in parse_qsl(parts.query))
    return (
        "@" in parts.netloc or in_query or not url.startswith(("postgresql://", "postgres://"))
    )


def _value(variable: str, environ: Mapping[str, str]) -> str | None:
    path = environ.get(variable + IN_FILE)
    if path:
        return secret_files.content(variable, path, beside=environ.get(variable))
    return environ.get(variable) or None
