"""A strict subset of JSON Schema 2020-12, enough for tests/scenarios/schema.json and nothing more.

A keyword outside the subset is an error of the schema, so that nothing is ever believed to be checked that is not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

_ANNOTATIONS = {"$schema", "title", "description", "$defs"}
_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "null": (type(None),),
}


class SchemaError(Exception):
    """The schema itself uses something that this subset does not know."""


class Validator:
    """Checks values against one schema document."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self._keywords: dict[str, Callable[[Any, Any, str, dict[str, Any]], Iterator[str]]] = {
            "type": self._type,
            "const": self._const,
            "enum": self._enum,
            "pattern": self._pattern,
            "minLength": self._min_length,
            "minimum": self._minimum,
            "maximum": self._maximum,
            "minItems": self._min_items,
            "maxItems": self._max_items,
            "items": self._items,
            "required": self._required,
            "properties": self._properties,
            "additionalProperties": self._additional,
            "oneOf": self._one_of,
            "anyOf": self._any_of,
            "$ref": self._ref,
        }

    def errors(self, value: Any) -> list[str]:
        """All that is wrong with `value`, each line beginning with the place."""
        return list(self._check(self._document, value, "$"))

    def _check(self, schema: dict[str, Any], value: Any, at: str) -> Iterator[str]:
        for keyword, argument in schema.items():
            if keyword in _ANNOTATIONS:
                continue
            check = self._keywords.get(keyword)
            if check is None:
                raise SchemaError(f"{keyword} is not in the subset that this validator knows")
            yield from check(argument, value, at, schema)

    def _type(self, wanted: Any, value: Any, at: str, _: Any) -> Iterator[str]:
        names = [wanted] if isinstance(wanted, str) else wanted
        if not any(_is(value, name) for name in names):
            yield f"{at}: {value!r} is not of type {' or '.join(names)}"

    def _const(self, wanted: Any, value: Any, at: str, _: Any) -> Iterator[str]:
        if not _equal(wanted, value):
            yield f"{at}: {value!r} is not {wanted!r}"

    def _enum(self, wanted: Any, value: Any, at: str, _: Any) -> Iterator[str]:
        if not any(_equal(each, value) for each in wanted):
            yield f"{at}: {value!r} is none of {wanted}"

    def _pattern(self, wanted: str, value: Any, at: str, _: Any) -> Iterator[str]:
        if isinstance(value, str) and not re.search(wanted, value):
            yield f"{at}: {value!r} does not match {wanted}"

    def _min_length(self, wanted: int, value: Any, at: str, _: Any) -> Iterator[str]:
        if isinstance(value, str) and len(value) < wanted:
            yield f"{at}: shorter than {wanted}"

    def _minimum(self, wanted: float, value: Any, at: str, _: Any) -> Iterator[str]:
        if _is(value, "number") and value < wanted:
            yield f"{at}: {value} is less than {wanted}"

    def _maximum(self, wanted: float, value: Any, at: str, _: Any) -> Iterator[str]:
        if _is(value, "number") and value > wanted:
            yield f"{at}: {value} is more than {wanted}"

    def _min_items(self, wanted: int, value: Any, at: str, _: Any) -> Iterator[str]:
        if isinstance(value, list) and len(value) < wanted:
            yield f"{at}: fewer than {wanted} items"

    def _max_items(self, wanted: int, value: Any, at: str, _: Any) -> Iterator[str]:
        if isinstance(value, list) and len(value) > wanted:
            yield f"{at}: more than {wanted} items"

    def _items(self, wanted: dict[str, Any], value: Any, at: str, _: Any) -> Iterator[str]:
        if isinstance(value, list):
            for index, each in enumerate(value):
                yield from self._check(wanted, each, f"{at}[{index}]")

    def _required(self, wanted: list[str], value: Any, at: str, _: Any) -> Iterator[str]:
        if isinstance(value, dict):
            for name in wanted:
                if name not in value:
                    yield f"{at}: {name} is missing"

    def _properties(self, wanted: dict[str, Any], value: Any, at: str, _: Any) -> Iterator[str]:
        if isinstance(value, dict):
            for name, schema in wanted.items():
                if name in value:
                    yield from self._check(schema, value[name], f"{at}.{name}")

    def _additional(self, wanted: Any, value: Any, at: str, schema: dict[str, Any]) -> Iterator[str]:
        if not isinstance(value, dict):
            return
        for name in value.keys() - schema.get("properties", {}).keys():
            if wanted is False:
                yield f"{at}: unknown key {name}"
            else:
                yield from self._check(wanted, value[name], f"{at}.{name}")

    def _one_of(self, wanted: list[dict[str, Any]], value: Any, at: str, _: Any) -> Iterator[str]:
        found = [list(self._check(each, value, at)) for each in wanted]
        fitting = sum(not errors for errors in found)
        if fitting > 1:
            yield f"{at}: fits {fitting} alternatives instead of one"
        if fitting == 0:
            # Of the alternatives, the one that was meant is the one that got the discriminator right.
            meant = [errors for errors in found if not any(e.startswith(f"{at}.do:") for e in errors)]
            yield from (meant[0] if len(meant) == 1 else [f"{at}: fits none of the alternatives: {found[0]}"])

    def _any_of(self, wanted: list[dict[str, Any]], value: Any, at: str, _: Any) -> Iterator[str]:
        found = [list(self._check(each, value, at)) for each in wanted]
        if all(found):
            yield f"{at}: fits none of the alternatives: {found[0]}"

    def _ref(self, wanted: str, value: Any, at: str, _: Any) -> Iterator[str]:
        prefix = "#/$defs/"
        name = wanted.removeprefix(prefix)
        if not wanted.startswith(prefix) or name not in self._document["$defs"]:
            raise SchemaError(f"{wanted} leads nowhere")
        yield from self._check(self._document["$defs"][name], value, at)


def _is(value: Any, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    return isinstance(value, _TYPES[name])


def _equal(one: Any, other: Any) -> bool:
    return type(one) is type(other) and one == other
