"""Keys and files of keys for tests."""

import base64
from pathlib import Path

from pydantic import SecretStr

from bridge.runtime.codec import CodecSettings
from bridge.runtime.codec.keys import keys_of

K1, K2 = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))


def key_file(path: Path, current: str, **keys: str) -> Path:
    """Write a file of keys at once, as a mounted secret changes."""
    lines = [f'current = "{current}"', "[keys]", *(f'{key} = "{keys[key]}"' for key in keys)]
    new = path.with_suffix(".new")
    new.write_text("\n".join(lines))
    return new.replace(path)


def settings(current: str = "k1", **keys: str) -> CodecSettings:
    secrets = {key: SecretStr(text) for key, text in (keys or {"k1": K1}).items()}
    return CodecSettings(keys=secrets, current=current)


__all__ = ["K1", "K2", "key_file", "keys_of", "settings"]
