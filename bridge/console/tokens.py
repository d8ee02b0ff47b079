"""Login tokens: a YAML file with the name, the role and the hash of each.

A token is 32 random bytes, so its SHA-256 cannot be inverted and needs no salt or slow hash.
"""

import hmac
import secrets
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import Field, ValidationError

from bridge.console.access import Identity, Role
from bridge.errors import SettingsError
from bridge.settings.console import ConsoleSettings
from bridge.settings.source_settings import Section

_BYTES = 32


class Token(Section):
    """One entry of the file."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    role: Role
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _TokenFile(Section):
    tokens: tuple[Token, ...] = ()


def new_token(name: str, role: Role) -> tuple[str, Token]:
    """Return a new token and its entry."""
    text = f"ntb_{secrets.token_urlsafe(_BYTES)}"
    return text, Token(name=name, role=role, sha256=_hash(text))


def as_yaml(tokens: Sequence[Token]) -> str:
    """Return the content of a file with these entries."""
    return yaml.safe_dump({"tokens": [each.model_dump() for each in tokens]}, sort_keys=False)


def tokens_of(settings: ConsoleSettings) -> tuple[Token, ...]:
    """Return the entries of the settings: of their file, and the operator's.

    Raises:
        SettingsError: The file cannot be read, or is wrong.
    """
    own = () if settings.tokens is None else _read(settings.tokens)
    if settings.operator_sha256 is None:
        return own
    return (*own, Token(name="operator", role="operator", sha256=settings.operator_sha256))


def _read(path: Path) -> tuple[Token, ...]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        return _TokenFile.model_validate(content or {}).tokens
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(f"console.tokens: {path} cannot be read: {error}") from error
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, each['loc']))}: {each['msg']}"
            for each in error.errors(include_url=False, include_input=False)
        )
        raise SettingsError(f"console.tokens: {path}: {faults}") from None


def identify(tokens: Sequence[Token], given: str) -> Identity | None:
    """Return whose token this is; the time does not depend on how much of it is right."""
    wanted = _hash(given.strip())
    found = None
    for each in tokens:
        if hmac.compare_digest(each.sha256, wanted):
            found = Identity(each.name, each.role, "token")
    return found


def _hash(token: str) -> str:
    return sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
