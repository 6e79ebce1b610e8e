"""YAML and JSON from others, read within bounds: size, depth, number of values, finite numbers."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any, NoReturn

import yaml

from fedgin.files import MIB


@dataclass(frozen=True)
class Bounds:
    """How large a document may be.

    Attributes:
        size: Bytes.
        depth: Lists and mappings within one another.
        values: Lists, mappings, keys and plain values in all.
    """

    size: int = 4 * MIB
    depth: int = 40
    values: int = 400_000


CONFIGURATION = Bounds()
"""Settings, jobs, cards, and datalists of some 50,000 cases."""
YAML = Bounds(size=MIB, values=100_000)
"""Sites' files, of some 10,000 listed cases; PyYAML takes many seconds for more."""
RECORD = Bounds(size=64 * MIB, values=10_000_000)
"""What a long run notes of itself, round by round and site by site."""

MAX_KEY = 200
MAX_WHOLE = 2**64
MAX_DIGITS = 64
"""Digits of a number as text: YAML's base 60 takes quadratic time in them."""


def parse_json(text: str | bytes, *, bounds: Bounds = CONFIGURATION) -> Any:
    """Reads JSON that may be hostile.

    Raises:
        ValueError: The text is no JSON, breaks a bound, repeats a key, or holds a number that is
            not finite or beyond 64 bits.
    """
    text = _text(text, bounds)
    try:
        value = json.loads(
            text,
            object_pairs_hook=unique_pairs,
            parse_constant=_refuse_constant,
            parse_int=_whole,
            parse_float=_real,
        )
    except RecursionError:
        raise ValueError(_too_deep(bounds)) from None
    _check(value, bounds)
    return value


def parse_yaml(text: str | bytes, *, bounds: Bounds = YAML) -> Any:
    """Reads YAML that may be hostile: plain values only, no tags and no merges.

    An alias counts as all the values that it stands for.

    Raises:
        ValueError: A bound is broken, or a number is not finite or beyond 64 bits.
        yaml.YAMLError: The text is no YAML, or uses what is not allowed.
    """
    loader = _BoundedLoader(_text(text, bounds), bounds)
    try:
        value = loader.get_single_data()
    except (AttributeError, TypeError, LookupError) as error:
        # PyYAML stumbles so over values such as a lone "=" or "." in a number's place.
        raise ValueError(f"a value that YAML cannot take ({type(error).__name__})") from None
    finally:
        loader.dispose()
    _check(value, bounds)
    return value


def unique_pairs(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    """Makes a mapping; a repeated key is refused, where the last would win without a word.

    Raises:
        ValueError: A key stands twice.
    """
    seen: dict[Any, Any] = {}
    for key, value in pairs:
        if key in seen:
            raise ValueError(f"the key {str(key)[:MAX_KEY]!r} stands twice")
        seen[key] = value
    return seen


def _text(text: str | bytes, bounds: Bounds) -> str:
    if len(text) > bounds.size:
        raise ValueError(f"more than {bounds.size} bytes")
    return text if isinstance(text, str) else text.decode("utf-8")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"numbers must be finite, not {name}")


def _whole(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"a whole number of {len(digits)} digits")
    return int(digits)


def _real(digits: str) -> float:
    if len(digits) > MAX_KEY:
        raise ValueError(f"a number of {len(digits)} digits")
    return float(digits)


def _too_deep(bounds: Bounds) -> str:
    return f"nested more than {bounds.depth} deep"


def _check(value: Any, bounds: Bounds) -> None:
    """Looks at every value; without recursion, which a deep document would exhaust."""
    level, depth, seen = [value], 0, 0
    while level:
        seen += len(level)
        if seen > bounds.values:
            raise ValueError(f"more than {bounds.values} values")
        if depth > bounds.depth:
            raise ValueError(_too_deep(bounds))
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                for key in item:
                    _check_key(key)
                seen += len(item)
                below += item.values()
            elif isinstance(item, list):
                below += item
            else:
                _check_plain(item)
        level, depth = below, depth + 1


def _check_key(key: Any) -> None:
    _check_plain(key)
    if isinstance(key, str) and len(key) > MAX_KEY:
        raise ValueError(f"a key of {len(key)} characters; {MAX_KEY} at most")


def _check_plain(item: Any) -> None:
    if isinstance(item, float) and not math.isfinite(item):
        raise ValueError(f"numbers must be finite, not {item}")
    if isinstance(item, int) and abs(item) > MAX_WHOLE:
        raise ValueError("whole numbers must be of 64 bits at most")
    if isinstance(item, str) and not item.isascii():
        try:
            item.encode("utf-8")
        except UnicodeEncodeError:
            raise ValueError("a text with half of a surrogate pair") from None


class _BoundedLoader(yaml.SafeLoader):
    """A safe loader for plain values that counts while it reads."""

    def __init__(self, text: str, bounds: Bounds) -> None:
        super().__init__(text)
        self._bounds = bounds
        self._depth = 0
        self._seen = 0
        self._sizes: dict[str, int] = {}

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent):
            name = str(event.anchor)
            if name in self.anchors and name not in self._sizes:
                self._refuse("an alias (*) of a value within that value", event)
            self._seen += self._sizes.get(name, 0)
        elif event.tag is not None:
            self._refuse("a tag (!): only plain values are allowed", event)
        self._seen += 1
        if self._seen > self._bounds.values:
            self._refuse(f"more than {self._bounds.values} values", event)
        if self._depth > self._bounds.depth:
            self._refuse(_too_deep(self._bounds), event)
        self._depth += 1
        before = self._seen
        node = super().compose_node(parent, index)
        self._depth -= 1
        if event.anchor is not None and not isinstance(event, yaml.AliasEvent):
            self._sizes.setdefault(str(event.anchor), self._seen - before + 1)
        self._check_node(node, event)
        return node

    def _check_node(self, node: Any, event: Any) -> None:
        kind = node.tag.rsplit(":", 1)[-1]
        if kind == "merge":
            self._refuse("a merge (<<): write the values out", event)
        if kind in ("int", "float") and len(node.value) > MAX_DIGITS:
            self._refuse(f"a number of {len(node.value)} digits", event)

    def _refuse(self, problem: str, event: Any) -> NoReturn:
        raise yaml.composer.ComposerError(None, None, problem, event.start_mark)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        pairs = [(self.construct_object(key, deep=True), None) for key, _ in node.value]
        unique_pairs([(str(key), value) for key, value in pairs])
        return super().construct_mapping(node, deep=deep)
