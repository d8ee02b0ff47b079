"""YAML 1.2's core schema, for the files that people write for us.

PyYAML reads YAML 1.1, in which ``NO`` is false, ``010`` is 8, ``12:30:45`` is a number and a date is no
text, and takes the last of two keys. Its scanner and its marks are used here, its schema is not:

* null is ``null``, ``~`` or nothing; booleans are ``true`` and ``false``; numbers are decimal, ``0o17`` or
  ``0x1F``; all else is text (YAML 1.2.2, 10.3.2). ``.inf`` and ``.nan`` are refused.
* Keys are text, as they are written; one that is given twice is refused, at any depth.
* There are no merge keys (``<<``), which YAML 1.2 does not know and which hide such twins, and no tags
  but those of the core schema.
* Aliases are allowed, but neither cycles nor documents that grow by them beyond all bounds.

ruamel.yaml reads 1.2 too, but gives no nodes with marks without its round-trip types, still merges, and
would be one more dependency for what is a table of patterns here.
"""

import math
import re
from collections.abc import Iterator
from typing import Any, Final

import yaml
from yaml.constructor import ConstructorError
from yaml.resolver import BaseResolver

MAX_NODES: Final = 100_000
"""Most nodes of a document, counting what an alias stands for each time."""

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
        yaml.YAMLError: It is no YAML, or not as above. Says where, and quotes no value: it may be
            a secret.
    """
    try:
        root = _Composer(text).get_single_node()
        if root is None:
            return None, None
        _check(root)
        return root, _value(root)
    except RecursionError:
        raise yaml.MarkedYAMLError(problem="it is nested too deep") from None


def written_otherwise(node: yaml.Node) -> str | None:
    """Return the spelling of a number or boolean that text would not keep, such as ``010``."""
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
        # As `add_implicit_resolver` would leave it; None: whatever the text begins with.
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
        raise _refusal(node, f"what is tagged !!{kind} is no {kind}")
    match kind:
        case "null":
            return None
        case "bool":
            return written.lower() == "true"
        case "int":
            try:
                return _integer(written)
            except ValueError:  # Python's limit of digits
                raise _refusal(node, "the number has too many digits") from None
        case "float":
            number = float(re.sub(r"\.(inf|nan)\Z", r"\1", written.lower()))
            if not math.isfinite(number):
                raise _refusal(node, "the number is none that JSON knows")
            return number
        case _:
            return _text(node)


def _text(node: yaml.Node) -> str:
    """Return a scalar's text; JSON writes a character beyond U+FFFF as two escapes."""
    written: str = node.value
    try:
        return written.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        raise _refusal(node, "an escape stands for half a character") from None


def _integer(written: str) -> int:
    return int(written, _BASES.get(written[:2], 10))


def _check(root: yaml.Node) -> None:
    _check_size(root, {}, set())
    for node in _nodes(root):
        if isinstance(node, yaml.MappingNode):
            _check_keys(node)
        if node.tag.removeprefix(_TAG) not in _KINDS[type(node)]:
            raise _refusal(node, f"there is no tag {node.tag!r} here")


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
            raise _refusal(name, "there are no merge keys (<<): write the keys out")
        key = _text(name)
        if key in seen:
            raise _refusal(name, f"the key {key!r} is given twice")
        seen.add(key)


def _check_size(node: yaml.Node, sizes: dict[int, int], above: set[int]) -> int:
    """Return how many nodes there are, what an alias stands for included."""
    if id(node) in above:
        raise _refusal(node, "an alias stands for what it is within")
    if id(node) not in sizes:
        above.add(id(node))
        sizes[id(node)] = 1 + sum(_check_size(each, sizes, above) for each in _below(node))
        above.discard(id(node))
    if sizes[id(node)] > MAX_NODES:
        raise _refusal(node, f"with its aliases, it has more than {MAX_NODES} parts")
    return sizes[id(node)]


def _nodes(root: yaml.Node) -> Iterator[yaml.Node]:
    seen: set[int] = set()
    below = [root]
    while below:
        node = below.pop()
        if id(node) not in seen:  # it is, for an alias
            seen.add(id(node))
            yield node
            below += _below(node)


def _below(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _refusal(node: yaml.Node, what: str) -> ConstructorError:
    return ConstructorError(None, None, what, node.start_mark)
