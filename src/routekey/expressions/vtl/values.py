"""Values as Java prints, compares and calculates with them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from routekey.errors import EvaluationError
from routekey.expressions.jsonpath import JsonArray

MAX_NODES = 100_000
MAX_DEPTH = 100


def weigh(value: Any) -> None:
    """EvaluationError for a value that is too large or too deep to be walked through.

    A list may hold itself twice, thirty times over: what walks through values asks here first.
    """
    if not isinstance(value, list | dict):
        return
    stack = [(value, 0)]
    nodes = 0
    while stack:
        here, depth = stack.pop()
        nodes += len(here)
        if nodes > MAX_NODES:
            raise EvaluationError(f"a value holds more than {MAX_NODES} others")
        if depth > MAX_DEPTH:
            raise EvaluationError("a value is nested too deep")
        children = here.values() if isinstance(here, dict) else here
        stack.extend((each, depth + 1) for each in children if isinstance(each, list | dict))


class Entry:
    """One entry of a map's entrySet()."""

    __slots__ = ("key", "map")

    def __init__(self, owner: dict[Any, Any], key: Any) -> None:
        self.map = owner
        self.key = key

    @property
    def value(self) -> Any:
        return self.map.get(self.key)


def text(value: Any, depth: int = 0) -> str:
    """`value` as Java's toString() gives it."""
    if isinstance(value, str):
        return value
    if value is None:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return double_text(value)
    if isinstance(value, Decimal):
        return decimal_text(value)
    if depth == 0:
        weigh(value)
    if isinstance(value, JsonArray):
        return json_text(value)
    if isinstance(value, list):
        return f"[{', '.join(text(each, depth + 1) for each in value)}]"
    if isinstance(value, dict):
        pairs = (f"{text(key, depth + 1)}={text(each, depth + 1)}" for key, each in value.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, Entry):
        return f"{text(value.key, depth + 1)}={text(value.value, depth + 1)}"
    return str(value)


def double_text(value: float) -> str:
    """Double.toString: 1.0, 1.0E10, 1.0E-7."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0:
        return "-0.0" if math.copysign(1, value) < 0 else "0.0"
    sign, digits, exponent = Decimal(repr(value)).as_tuple()
    number = "".join(map(str, digits)).rstrip("0") or "0"
    point = len(digits) + int(exponent)  # where the decimal point stands in the digits
    prefix = "-" if sign else ""
    if -3 < point <= 7:
        if point <= 0:
            return f"{prefix}0.{'0' * -point}{number}"
        whole, fraction = number[:point].ljust(point, "0"), number[point:]
        return f"{prefix}{whole}.{fraction or '0'}"
    return f"{prefix}{number[0]}.{number[1:] or '0'}E{point - 1}"


def decimal_text(value: Decimal) -> str:
    """BigDecimal.toString, which writes exponents with their sign."""
    return str(value)


_ESCAPES = {
    '"': '\\"', "\\": "\\\\", "/": "\\/", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t",
}  # fmt: skip


def json_string(value: str, slashes: bool = True) -> str:
    """A JSON string as json-smart writes it."""
    if value.isalnum() and value.isascii():
        return f'"{value}"'
    parts = []
    for character in value:
        escaped = _ESCAPES.get(character)
        if escaped is not None and (slashes or character != "/"):
            parts.append(escaped)
        elif character < " " or "\x7f" <= character <= "\x9f" or "\u2000" <= character <= "\u20ff":
            parts.append(f"\\u{ord(character):04X}")
        else:
            parts.append(character)
    return f'"{"".join(parts)}"'


def json_text(value: Any, slashes: bool = True, depth: int = 0) -> str:
    """`value` as compact JSON."""
    if value is None:
        return "null"
    if isinstance(value, str):
        return json_string(value, slashes)
    if isinstance(value, bool | int | float | Decimal):
        return text(value)
    if depth == 0:
        weigh(value)
    if isinstance(value, list):
        return f"[{','.join(json_text(each, slashes, depth + 1) for each in value)}]"
    if isinstance(value, dict):
        pairs = (
            f"{json_string(text(key), slashes)}:{json_text(each, slashes, depth + 1)}" for key, each in value.items()
        )
        return "{" + ",".join(pairs) + "}"
    return json_string(text(value), slashes)


def is_number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def equal(left: Any, right: Any) -> bool:
    """`==`: numbers by value, things of one kind by equals, others by their text."""
    if left is None or right is None:
        return False
    if type(left) is type(right) and type(left) in (str, int):
        return bool(left == right)
    if is_number(left) and is_number(right):
        return bool(left == right)
    weigh(left)
    for kind in (str, bool, list, dict):
        if isinstance(left, kind) and isinstance(right, kind):
            return same(left, right)
    if isinstance(left, Undefinable) or isinstance(right, Undefinable):
        return left is right
    return text(left) == text(right)


class Undefinable:
    """Base of the gateway's own objects in templates, which are equal to themselves alone."""

    __slots__ = ()


def same(left: Any, right: Any) -> bool:
    """Java's equals(): 1 and 1.0 differ, true and 1 too."""
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if is_number(left) and is_number(right):
        return type(left) is type(right) and bool(left == right)
    return type(left) is type(right) and bool(left == right)


def u16(value: str) -> int:
    """The length that Java gives: characters beyond the basic plane count twice."""
    if value.isascii():
        return len(value)
    return len(value) + sum(character > "\uffff" for character in value)


def u16_slice(value: str, start: int, end: int) -> str:
    """The part between two UTF-16 offsets."""
    if value.isascii() or u16(value) == len(value):
        return value[start:end]
    return join_surrogates(value.encode("utf-16-le", "surrogatepass")[2 * start : 2 * end])


def join_surrogates(data: bytes) -> str:
    return data.decode("utf-16-le", "surrogatepass")


def u16_index(value: str, position: int) -> int:
    """The UTF-16 offset of the character at `position`."""
    return u16(value[:position])


def wrap_int(number: int) -> int:
    """Java's 32-bit overflow."""
    return (number + 2**31) % 2**32 - 2**31


def hash_code(value: Any, depth: int = 0) -> int:
    """Object.hashCode() of the types that have a documented one."""
    if depth == 0:
        weigh(value)
    if isinstance(value, bool):
        return 1231 if value else 1237
    if isinstance(value, int):
        if -(2**31) <= value < 2**31:
            return value
        return wrap_int(value ^ (value >> 32))
    if isinstance(value, str):
        number = 0
        data = value.encode("utf-16-le", "surrogatepass")
        for at in range(0, len(data), 2):
            number = wrap_int(31 * number + int.from_bytes(data[at : at + 2], "little"))
        return number
    if isinstance(value, list):
        number = 1
        for each in value:
            number = wrap_int(31 * number + hash_code(each, depth + 1))
        return number
    if isinstance(value, dict):
        return wrap_int(sum(hash_code(key) ^ hash_code(each, depth + 1) for key, each in value.items()))
    return 0


def wrap(value: Any) -> Any:
    """JSON as decoded, its arrays made JsonArrays."""
    if isinstance(value, dict):
        for key, each in value.items():
            if isinstance(each, dict | list):
                value[key] = wrap(each)
        return value
    if isinstance(value, list):
        return JsonArray([wrap(each) if isinstance(each, dict | list) else each for each in value])
    return value


def iterate(value: Any) -> Iterable[Any]:
    """What #foreach goes over: a list's items, a map's values; nothing of anything else."""
    if isinstance(value, list):
        return list(value)
    if isinstance(value, dict):
        return list(value.values())
    return ()
