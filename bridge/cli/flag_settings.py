"""Flags of one command that set a group of settings."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from bridge.errors import SettingsError

_Group = TypeVar("_Group", bound=BaseModel)


def with_flags(group: _Group, name: str, flags: Mapping[str, Any]) -> _Group:
    """Return a group of settings with the flags that are given.

    Raises:
        SettingsError: A flag is wrong; the message names the setting.
    """
    given = {each: value for each, value in flags.items() if value is not None}
    try:
        return type(group).model_validate({**group.model_dump(), **given})
    except ValidationError as error:
        raise SettingsError(
            "; ".join(
                f"{name}{''.join(f'.{part}' for part in fault['loc'])}: {fault['msg']}"
                for fault in error.errors(include_url=False, include_input=False)
            )
        ) from None
