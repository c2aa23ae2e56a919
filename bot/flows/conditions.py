"""Conditions of flows: a small safe language, parsed once at load. Nothing is ever evaluated as Python.

or      := and ("or" and)*
and     := not ("and" not)*
not     := "not" not | "(" or ")" | compare
compare := operand [("is" | "is not" | "==" | "=" | "!=" | "<" | "<=" | ">" | ">=" | "contains") operand]
operand := slots.NAME | context.NAME | "text" | 'text' | NUMBER | true | false | null
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

Scalar = str | int | float | bool | None

_TOKEN = re.compile(
    r"""\s*(?:(?P<text>"[^"]*"|'[^']*')|(?P<number>-?\d+(?:\.\d+)?)|(?P<op><=|>=|==|!=|<|>|=|\(|\))"""
    r"""|(?P<word>[A-Za-z_][\w.]*))"""
)
_COMPARE = {"is", "==", "=", "!=", "<", "<=", ">", ">=", "contains"}
_CONSTANTS: Mapping[str, Scalar] = {"true": True, "false": False, "null": None}
MAX_LENGTH = 500


@dataclass(frozen=True, slots=True)
class Name:
    space: str  # slots or context
    name: str


@dataclass(frozen=True, slots=True)
class Literal:
    value: Scalar


@dataclass(frozen=True, slots=True)
class Compare:
    op: str
    left: Name | Literal
    right: Name | Literal


@dataclass(frozen=True, slots=True)
class Truth:
    operand: Name | Literal


@dataclass(frozen=True, slots=True)
class Not:
    inner: Condition


@dataclass(frozen=True, slots=True)
class Both:
    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Either:
    parts: tuple[Condition, ...]


Condition = Compare | Truth | Not | Both | Either


def parse(text: str) -> Condition:
    """Raises ValueError with a short reason on anything outside the grammar."""
    if len(text) > MAX_LENGTH:
        raise ValueError("longer than 500 characters")
    tokens: list[tuple[str, str]] = []
    at = 0
    while at < len(text.rstrip()):
        match = _TOKEN.match(text, at)
        if match is None:
            raise ValueError(f"cannot read “{text[at : at + 12].strip()}”")
        tokens.append((str(match.lastgroup), match.group(str(match.lastgroup))))
        at = match.end()
    condition, rest = _either(tokens, 0)
    if rest < len(tokens):
        raise ValueError(f"unexpected “{tokens[rest][1]}”")
    return condition


def holds(condition: Condition, slots: Mapping[str, Scalar], context: Mapping[str, Scalar]) -> bool:
    """Whether the condition is true; comparing with nothing, or text with a number, is false and never raises."""
    match condition:
        case Either(parts):
            return any(holds(part, slots, context) for part in parts)
        case Both(parts):
            return all(holds(part, slots, context) for part in parts)
        case Not(inner):
            return not holds(inner, slots, context)
        case Truth(operand):
            return bool(_value(operand, slots, context))
        case Compare(op, left, right):
            return _compare(op, _value(left, slots, context), _value(right, slots, context))


def names(condition: Condition) -> frozenset[Name]:
    """Every slot and context name the condition reads."""
    match condition:
        case Either(parts) | Both(parts):
            return frozenset().union(*(names(part) for part in parts))
        case Not(inner):
            return names(inner)
        case Truth(operand):
            return frozenset({operand} if isinstance(operand, Name) else ())
        case Compare(_, left, right):
            return frozenset(side for side in (left, right) if isinstance(side, Name))


def _value(operand: Name | Literal, slots: Mapping[str, Scalar], context: Mapping[str, Scalar]) -> Scalar:
    match operand:
        case Literal(value):
            return value
        case Name("slots", name):
            return slots.get(name)
        case Name(_, name):
            return context.get(name)


def _compare(op: str, left: Scalar, right: Scalar) -> bool:
    if op in ("is", "==", "="):
        return left == right
    if op in ("!=", "is not"):
        return left != right
    if op == "contains":
        return isinstance(left, str) and isinstance(right, str) and right.casefold() in left.casefold()
    if not isinstance(left, int | float) or not isinstance(right, int | float):
        return False
    match op:
        case "<":
            return left < right
        case "<=":
            return left <= right
        case ">":
            return left > right
        case _:
            return left >= right


Tokens = list[tuple[str, str]]


def _either(tokens: Tokens, at: int) -> tuple[Condition, int]:
    part, at = _both(tokens, at)
    parts = [part]
    while at < len(tokens) and tokens[at] == ("word", "or"):
        part, at = _both(tokens, at + 1)
        parts.append(part)
    return (parts[0] if len(parts) == 1 else Either(tuple(parts))), at


def _both(tokens: Tokens, at: int) -> tuple[Condition, int]:
    part, at = _not(tokens, at)
    parts = [part]
    while at < len(tokens) and tokens[at] == ("word", "and"):
        part, at = _not(tokens, at + 1)
        parts.append(part)
    return (parts[0] if len(parts) == 1 else Both(tuple(parts))), at


def _not(tokens: Tokens, at: int) -> tuple[Condition, int]:
    if at < len(tokens) and tokens[at] == ("word", "not"):
        inner, at = _not(tokens, at + 1)
        return Not(inner), at
    if at < len(tokens) and tokens[at] == ("op", "("):
        inner, at = _either(tokens, at + 1)
        if at >= len(tokens) or tokens[at] != ("op", ")"):
            raise ValueError("a “)” is missing")
        return inner, at + 1
    left, at = _operand(tokens, at)
    if at >= len(tokens) or tokens[at][0] == "text" or tokens[at][1] not in _COMPARE:
        return Truth(left), at
    op = tokens[at][1]
    at += 1
    if op == "is" and at < len(tokens) and tokens[at] == ("word", "not"):
        op, at = "is not", at + 1
    right, at = _operand(tokens, at)
    return Compare(op, left, right), at


def _operand(tokens: Tokens, at: int) -> tuple[Name | Literal, int]:
    if at >= len(tokens):
        raise ValueError("it ends too early")
    kind, value = tokens[at]
    if kind == "text":
        return Literal(value[1:-1]), at + 1
    if kind == "number":
        return Literal(float(value) if "." in value else int(value)), at + 1
    if kind == "word" and value in _CONSTANTS:
        return Literal(_CONSTANTS[value]), at + 1
    space, dot, name = value.partition(".")
    if kind != "word" or not dot or space not in ("slots", "context") or not name or "." in name:
        raise ValueError(f"“{value}” is no slots.NAME, context.NAME, text, number, true, false or null")
    return Name(space, name), at + 1


def text(condition: Condition) -> str:
    """The condition in writing; `parse` gives the same condition back."""
    match condition:
        case Either(parts):
            return " or ".join(_grouped(part, Either) for part in parts)
        case Both(parts):
            return " and ".join(_grouped(part, Either, Both) for part in parts)
        case Not(inner):
            return f"not {_grouped(inner, Either, Both)}"
        case Truth(operand):
            return _written(operand)
        case Compare(op, left, right):
            return f"{_written(left)} {op} {_written(right)}"


def _grouped(part: Condition, *kinds: type) -> str:
    return f"({text(part)})" if isinstance(part, kinds) else text(part)


def _written(operand: Name | Literal) -> str:
    match operand:
        case Name(space, name):
            return f"{space}.{name}"
        case Literal(None):
            return "null"
        case Literal(bool() as value):
            return str(value).lower()
        case Literal(str() as value):
            return f"'{value}'" if '"' in value else f'"{value}"'
        case Literal(value):
            return str(value)
