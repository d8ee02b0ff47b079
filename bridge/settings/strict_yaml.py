"""YAML 1.2's core schema, for settings and routes files.

PyYAML implements YAML 1.1: ``NO`` is false, ``010`` is 8, ``12:30:45`` is a number, a date is not text,
and the last of two equal keys wins. This module uses its scanner and marks, but not its schema:

* null is ``null``, ``~`` or nothing; booleans are ``true`` and ``false``; numbers are decimal, ``0o17`` or
  ``0x1F``; everything else is text (YAML 1.2.2, 10.3.2). ``.inf`` and ``.nan`` are refused.
* Keys are text, as written; a key that is given twice is refused, at any depth.
* Merge keys (``<<``) are refused: YAML 1.2 has none, and they hide duplicate keys. Tags outside the
  core schema are refused.
* Aliases are allowed, but not cycles, nor documents that exceed `MAX_NODES` through them.

ruamel.yaml implements 1.2 too, but it gives nodes with marks only with its round-trip types, and it
still merges. Here a table of patterns is enough.
"""

import math
import re
from collections.abc import Iterator
from typing import Any, Final

import yaml
from yaml.constructor import ConstructorError
from yaml.resolver import BaseResolver

MAX_NODES: Final = 100_000
"""Maximum number of nodes in a document, with aliases expanded."""

_TAG: Final = "tag:yaml.org,2002:"
_PATTERNS: Final = {
    "null": re.compile(r"(?:~|null|Null|NULL|)\Z"),
    "bool": re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z"),
    "int": re.compile(r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)\Z"),
    "float": re.compile(
        r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z"
    ),
}
_BASES: Final = {"0o": 8, "0x": 16}


def parse(text: str) -> tuple[yaml.Node | None, Any]:
    """Return a document's tree, None when it is empty, and its content as plain data.

    Raises:
        yaml.YAMLError: The text is not YAML, or breaks a rule above. The message has the place,
            and quotes no value, because it may be a secret.
    """
    try:
        root = _Composer(text).get_single_node()
        if root is None:
            return None, None
        _check(root)
        return root, _value(root)
    except RecursionError:
        raise yaml.MarkedYAMLError(problem="it is nested too deeply") from None


def written_otherwise(node: yaml.Node) -> str | None:
    """Return the spelling of a number or boolean that parsing loses, such as ``010``."""
    if not isinstance(node, yaml.ScalarNode) or node.style is not None:
        return None
    written: str = node.value
    match node.tag.removeprefix(_TAG):
        case "int":
            return None if str(_integer(written)) == written else written
        case "bool":
            return None if written.islower() else written
        case "float":
            return written
        case _:
            return None


class _Composer(
    yaml.reader.Reader,
    yaml.scanner.Scanner,
    yaml.parser.Parser,
    yaml.composer.Composer,
    BaseResolver,
):
    """PyYAML up to the tree of nodes, with the tags of the schema above."""

    def __init__(self, text: str) -> None:
        yaml.reader.Reader.__init__(self, text)
        yaml.scanner.Scanner.__init__(self)
        yaml.parser.Parser.__init__(self)
        yaml.composer.Composer.__init__(self)
        BaseResolver.__init__(self)
        # As `add_implicit_resolver` would set it; None: for any first character.
        self.yaml_implicit_resolvers = {
            None: [(_TAG + kind, pattern) for kind, pattern in _PATTERNS.items()]
        }


def _value(node: yaml.Node) -> Any:
    match node:
        case yaml.MappingNode():
            return {_text(name): _value(value) for name, value in node.value}
        case yaml.SequenceNode():
            return [_value(each) for each in node.value]
        case _:
            return _scalar(node)


def _scalar(node: yaml.Node) -> Any:
    written: str = node.value
    kind = node.tag.removeprefix(_TAG)
    if kind in _PATTERNS and not _PATTERNS[kind].match(written):
        raise _refusal(node, f"the value tagged !!{kind} is not {kind}")
    match kind:
        case "null":
            return None
        case "bool":
            return written.lower() == "true"
        case "int":
            try:
                return _integer(written)
            except ValueError:  # exceeds Python's limit of digits
                raise _refusal(node, "the number has too many digits") from None
        case "float":
            number = float(re.sub(r"\.(inf|nan)\Z", r"\1", written.lower()))
            if not math.isfinite(number):
                raise _refusal(node, "the number is not finite")
            return number
        case _:
            return _text(node)


def _text(node: yaml.Node) -> str:
    """Return a scalar's text; in JSON a character above U+FFFF is two escapes, joined here."""
    written: str = node.value
    try:
        return written.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        raise _refusal(node, "an escape is half of a surrogate pair") from None


def _integer(written: str) -> int:
    return int(written, _BASES.get(written[:2], 10))


def _check(root: yaml.Node) -> None:
    _check_size(root, {}, set())
    for node in _nodes(root):
        if isinstance(node, yaml.MappingNode):
            _check_keys(node)
        if node.tag.removeprefix(_TAG) not in _KINDS[type(node)]:
            raise _refusal(node, f"the tag {node.tag!r} is not allowed")


_KINDS: Final = {
    yaml.ScalarNode: frozenset({"null", "bool", "int", "float", "str"}),
    yaml.SequenceNode: frozenset({"seq"}),
    yaml.MappingNode: frozenset({"map"}),
}


def _check_keys(node: yaml.MappingNode) -> None:
    seen: set[str] = set()
    for name, _ in node.value:
        if not isinstance(name, yaml.ScalarNode):
            raise _refusal(name, "a key must be text")
        if name.value == "<<" and name.style is None:
            raise _refusal(name, "merge keys (<<) are not allowed: write the keys out")
        key = _text(name)
        if key in seen:
            raise _refusal(name, f"the key {key!r} is given twice")
        seen.add(key)


def _check_size(node: yaml.Node, sizes: dict[int, int], above: set[int]) -> int:
    """Return the number of nodes, with aliases expanded."""
    if id(node) in above:
        raise _refusal(node, "an alias refers to a node that contains it")
    if id(node) not in sizes:
        above.add(id(node))
        sizes[id(node)] = 1 + sum(_check_size(each, sizes, above) for each in _below(node))
        above.discard(id(node))
    if sizes[id(node)] > MAX_NODES:
        raise _refusal(node, f"it has more than {MAX_NODES} nodes, with aliases expanded")
    return sizes[id(node)]


def _nodes(root: yaml.Node) -> Iterator[yaml.Node]:
    seen: set[int] = set()
    below = [root]
    while below:
        node = below.pop()
        if id(node) not in seen:  # an alias repeats its node
            seen.add(id(node))
            yield node
            below += _below(node)


def _below(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _refusal(node: yaml.Node, what: str) -> ConstructorError:
    return ConstructorError(None, None, what, node.start_mark)
