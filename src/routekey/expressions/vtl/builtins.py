"""What templates may call: a table for each type, and nothing outside of it.

`METHODS[type][name, argument count]` is the whole of it: no Python attribute is ever looked up by a
name that a template chose. An unknown method, or one with other arguments, gives null.
"""

from __future__ import annotations

import base64
import math
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from routekey.errors import EvaluationError
from routekey.expressions import java_regex
from routekey.expressions.jsonpath import JsonArray
from routekey.expressions.vtl.render import Loop, Render
from routekey.expressions.vtl.values import (
    Entry,
    Undefinable,
    hash_code,
    is_number,
    same,
    text,
    u16,
    u16_index,
    u16_slice,
    weigh,
)  # fmt: skip

Method = Callable[..., Any]
Table = dict[tuple[str, int], Method]


class Host(Undefinable):
    """One of the gateway's own objects: its methods stand in a table of its class."""

    __slots__ = ()
    methods: Table = {}

    def member(self, name: str) -> Any:
        """A property of it; null where there is none."""


def find(value: Any, key: tuple[str, int]) -> Method | None:
    """The method that a template calls by name and argument count, if its value has it."""
    table = METHODS.get(type(value))
    if table is None:
        if not isinstance(value, Host):
            return None
        table = value.methods
    method = table.get(key)
    return method if method is not None else COMMON.get(key)


def member(value: Any, name: str) -> Any:
    """`value.name`."""
    if isinstance(value, dict):
        return value.get(name)
    if isinstance(value, Loop):
        return value.get(name)
    if isinstance(value, Host):
        return value.member(name)
    if isinstance(value, Entry) and name in ("key", "value"):
        return value.key if name == "key" else value.value
    if name == "empty" and isinstance(value, str | list):
        return not value
    return None


def item(value: Any, key: Any) -> Any:
    """`value[key]`."""
    if isinstance(value, list):
        if not isinstance(key, int) or isinstance(key, bool):
            return None
        if not -len(value) <= key < len(value):
            raise EvaluationError(f"index {key} is out of range: the list has {len(value)} items")
        return value[key]
    if isinstance(value, dict):
        return value.get(key) if not isinstance(key, list | dict) else None
    if isinstance(value, Host) and isinstance(key, str):
        return value.member(key)
    return None


def put(holder: Any, key: Any, value: Any) -> None:
    """`holder[key] = value`, or `holder.key = value`."""
    if isinstance(holder, dict):
        if isinstance(key, list | dict):
            raise EvaluationError("a list or map cannot be a key")
        holder[key] = value
    elif isinstance(holder, list) and isinstance(key, int) and not isinstance(key, bool):
        if not -len(holder) <= key < len(holder):
            raise EvaluationError(f"index {key} is out of range: the list has {len(holder)} items")
        holder[key] = value


# arguments


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise _NotApplicable
    return value


def _int(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _NotApplicable
    return value


class _NotApplicable(Exception):
    """The arguments are of the wrong type: Java finds no such method, so the call is null."""


def _lenient(function: Method) -> Method:
    def call(render: Render, value: Any, *arguments: Any) -> Any:
        try:
            return function(render, value, *arguments)
        except _NotApplicable:
            return None

    return call


def _table(**methods: Method) -> Table:
    """Methods by name and argument count, which ends their keyword: replace_2."""
    table: Table = {}
    for key, function in methods.items():
        name, _, count = key.rpartition("_")
        table[name, int(count)] = _lenient(function)
    return table


# strings


def _range(value: str, start: int, end: int) -> str:
    if not 0 <= start <= end <= u16(value):
        raise EvaluationError(f"begin {start}, end {end}, length {u16(value)}")
    return u16_slice(value, start, end)


def _index_of(value: str, part: str, start: int = 0) -> int:
    if start <= 0 or value.isascii():
        position = value.find(part, max(start, 0))
    else:
        position = value.find(part, len(u16_slice(value, 0, start)))
    return -1 if position < 0 else u16_index(value, position)


def _last_index_of(value: str, part: str) -> int:
    position = value.rfind(part)
    return -1 if position < 0 else u16_index(value, position)


def _character(value: Any) -> str:
    """indexOf and replace take a character as its code, too."""
    return chr(value) if isinstance(value, int) and not isinstance(value, bool) else _string(value)


def _compare(left: str, right: str) -> int:
    one, other = left.encode("utf-16-be", "surrogatepass"), right.encode("utf-16-be", "surrogatepass")
    for at in range(0, min(len(one), len(other)), 2):
        first, second = int.from_bytes(one[at : at + 2], "big"), int.from_bytes(other[at : at + 2], "big")
        if first != second:
            return first - second
    return (len(one) - len(other)) // 2


def _replace(render: Render, value: str, old: str, new: str) -> str:
    count = value.count(old)
    if len(value) + count * (len(new) - len(old)) > render.limits.string:
        raise EvaluationError(f"a string is longer than {render.limits.string} characters")
    return value.replace(old, new)


def _repeat(render: Render, value: str, count: int) -> str:
    if count < 0:
        raise EvaluationError(f"count is negative: {count}")
    if len(value) * count > render.limits.string:
        raise EvaluationError(f"a string is longer than {render.limits.string} characters")
    return value * count


def _regex(render: Render, function: Method, *arguments: Any) -> Any:
    """Each match has a limit of its own; all those of a render share another."""
    started = time.perf_counter()
    try:
        return function(*arguments, seconds=max(0.001, min(java_regex.SECONDS, render.regex_seconds)))
    finally:
        render.regex_seconds -= time.perf_counter() - started


_JAVA_BLANKS = "".join(map(chr, range(33)))  # what trim() takes away


def _region(render: Render, value: str, start: int, other: str, from_: int, length: int) -> bool:
    if start < 0 or from_ < 0 or start + length > u16(value) or from_ + length > u16(other):
        return False
    return u16_slice(value, start, start + length) == u16_slice(other, from_, from_ + length)


def _utf16(value: str) -> list[str]:
    return [u16_slice(value, at, at + 1) for at in range(u16(value))]


STRING = _table(
    length_0=lambda r, s: u16(s),
    isEmpty_0=lambda r, s: not s,
    isBlank_0=lambda r, s: not s.strip(),
    charAt_1=lambda r, s, n: _range(s, _int(n), n + 1),
    codePointAt_1=lambda r, s, n: ord(_range(s, _int(n), n + 1)[0]),
    substring_1=lambda r, s, a: _range(s, _int(a), u16(s)),
    substring_2=lambda r, s, a, b: _range(s, _int(a), _int(b)),
    subSequence_2=lambda r, s, a, b: _range(s, _int(a), _int(b)),
    indexOf_1=lambda r, s, x: _index_of(s, _character(x)),
    indexOf_2=lambda r, s, x, n: _index_of(s, _character(x), _int(n)),
    lastIndexOf_1=lambda r, s, x: _last_index_of(s, _character(x)),
    contains_1=lambda r, s, x: _string(x) in s,
    startsWith_1=lambda r, s, x: s.startswith(_string(x)),
    startsWith_2=lambda r, s, x, n: u16_slice(s, _int(n), u16(s)).startswith(_string(x)),
    endsWith_1=lambda r, s, x: s.endswith(_string(x)),
    equals_1=lambda r, s, x: isinstance(x, str) and s == x,
    equalsIgnoreCase_1=lambda r, s, x: isinstance(x, str) and s.lower() == x.lower(),
    contentEquals_1=lambda r, s, x: s == _string(x),
    compareTo_1=lambda r, s, x: _compare(s, _string(x)),
    compareToIgnoreCase_1=lambda r, s, x: _compare(s.lower(), _string(x).lower()),
    concat_1=lambda r, s, x: s + _string(x),
    replace_2=lambda r, s, a, b: _replace(r, s, _character(a), _character(b)),
    replaceAll_2=lambda r, s, a, b: _regex(r, java_regex.replace, s, _string(a), _string(b)),
    replaceFirst_2=lambda r, s, a, b: _regex(r, java_regex.replace, s, _string(a), _string(b), 1),
    matches_1=lambda r, s, p: _regex(r, java_regex.matches, s, _string(p)),
    split_1=lambda r, s, p: _regex(r, java_regex.split, s, _string(p)),
    split_2=lambda r, s, p, n: _regex(r, java_regex.split, s, _string(p), _int(n)),
    trim_0=lambda r, s: s.strip(_JAVA_BLANKS),
    strip_0=lambda r, s: s.strip(),
    stripLeading_0=lambda r, s: s.lstrip(),
    stripTrailing_0=lambda r, s: s.rstrip(),
    repeat_1=lambda r, s, n: _repeat(r, s, _int(n)),
    toLowerCase_0=lambda r, s: s.lower(),
    toUpperCase_0=lambda r, s: s.upper(),
    intern_0=lambda r, s: s,
    toCharArray_0=lambda r, s: _utf16(s),
    getBytes_0=lambda r, s: list(s.encode("utf-8", "replace")),
    getBytes_1=lambda r, s, x: list(s.encode("utf-8", "replace")),
    regionMatches_4=lambda r, s, a, o, b, n: _region(r, s, _int(a), _string(o), _int(b), _int(n)),
    # Static methods that people call on any string.
    format_1=lambda r, s, f: java_format(f, []),
    format_2=lambda r, s, f, a: java_format(f, [a]),
    format_3=lambda r, s, f, a, b: java_format(f, [a, b]),
    format_4=lambda r, s, f, a, b, c: java_format(f, [a, b, c]),
    valueOf_1=lambda r, s, x: text(x),
    join_2=lambda r, s, d, x: _string(d).join(text(each) for each in x) if isinstance(x, list) else text(x),
)


def java_format(form: Any, arguments: list[Any]) -> str:
    """String.format for the conversions that templates use: %s %d %f %x %% with width and precision."""
    import re

    values = iter(arguments)

    def one(match: re.Match[str]) -> str:
        flags, width, precision, kind = match[1], match[2], match[3], match[4]
        if kind == "%":
            return "%"
        if kind == "n":
            return "\n"
        try:
            value = next(values)
        except StopIteration:
            raise EvaluationError(f"format specifier '{match[0]}' has no argument") from None
        if int(width or 0) > 1000 or int(precision or 0) > 100:
            raise EvaluationError(f"format specifier '{match[0]}' is too wide")
        spec = f"%{flags}{width or ''}{'.' + precision if precision else ''}{kind}"
        try:
            return spec % (text(value) if kind == "s" else int(value) if kind in "dx" else float(value))
        except (TypeError, ValueError):
            raise EvaluationError(f"format specifier '{match[0]}' does not fit {text(value):.40}") from None

    return re.sub(r"%([-#+ 0]*)(\d*)(?:\.(\d+))?([sdfx%n])", one, _string(form))


# lists


def _position(value: list[Any], index: Any, extra: int = 0) -> int:
    if not 0 <= _int(index) < len(value) + extra:
        raise EvaluationError(f"index {index} is out of range: the list has {len(value)} items")
    return int(index)


def _find(value: list[Any], wanted: Any) -> int:
    weigh(value)
    return next((at for at, each in enumerate(value) if same(each, wanted)), -1)


def _equals(value: Any, other: Any) -> bool:
    weigh(value)
    return same(value, other)


def _add(render: Render, value: list[Any], each: Any) -> bool:
    if len(value) >= render.limits.items:
        raise EvaluationError(f"a list has more than {render.limits.items} items")
    value.append(each)
    return True


def _insert(render: Render, value: list[Any], index: int, each: Any) -> None:
    _add(render, value, None)
    value.pop()
    value.insert(_position(value, index, 1), each)


def _add_all(render: Render, value: list[Any], others: Any) -> bool:
    if not isinstance(others, list):
        raise _NotApplicable
    if len(value) + len(others) > render.limits.items:
        raise EvaluationError(f"a list has more than {render.limits.items} items")
    value.extend(others)
    return bool(others)


def _set(value: list[Any], index: Any, each: Any) -> Any:
    at = _position(value, index)
    before, value[at] = value[at], each
    return before


def _remove(value: list[Any], wanted: Any) -> Any:
    if isinstance(wanted, int) and not isinstance(wanted, bool):
        return value.pop(_position(value, wanted))
    at = _find(value, wanted)
    if at >= 0:
        value.pop(at)
    return at >= 0


def _sort(render: Render, value: list[Any]) -> None:
    render.spend(len(value))
    try:
        value.sort()
    except TypeError:
        raise EvaluationError("things of different kinds cannot be sorted") from None


def _clear(value: Any) -> None:
    value.clear()


LIST = _table(
    size_0=lambda r, v: len(v),
    isEmpty_0=lambda r, v: not v,
    get_1=lambda r, v, n: v[_position(v, n)],
    set_2=lambda r, v, n, x: _set(v, n, x),
    add_1=lambda r, v, x: _add(r, v, x),
    add_2=lambda r, v, n, x: _insert(r, v, _int(n), x),
    addAll_1=lambda r, v, x: _add_all(r, v, x),
    remove_1=lambda r, v, x: _remove(v, x),
    contains_1=lambda r, v, x: _find(v, x) >= 0,
    containsAll_1=lambda r, v, x: all(_find(v, each) >= 0 for each in x) if isinstance(x, list) else None,
    indexOf_1=lambda r, v, x: _find(v, x),
    lastIndexOf_1=lambda r, v, x: max((at for at, each in enumerate(v) if same(each, x)), default=-1),
    subList_2=lambda r, v, a, b: _sub_list(v, _int(a), _int(b)),
    clear_0=lambda r, v: _clear(v),
    sort_1=lambda r, v, x: _sort(r, v),
    toArray_0=lambda r, v: list(v),
    iterator_0=lambda r, v: Iterator(list(v)),
)


def _sub_list(value: list[Any], start: int, end: int) -> list[Any]:
    if not 0 <= start <= end <= len(value):
        raise EvaluationError(f"from {start} to {end} is out of range: the list has {len(value)} items")
    return type(value)(value[start:end])


class Iterator(Host):
    """What iterator() gives."""

    __slots__ = ("items",)

    def __init__(self, items: list[Any]) -> None:
        self.items = items

    def next(self) -> Any:
        if not self.items:
            raise EvaluationError("there is no next item")
        return self.items.pop(0)

    methods = _table(
        next_0=lambda r, v: v.next(),
        hasNext_0=lambda r, v: bool(v.items),
    )


# maps


def _put(render: Render, value: dict[Any, Any], key: Any, each: Any) -> Any:
    if isinstance(key, list | dict):
        raise EvaluationError("a list or map cannot be a key")
    if key not in value and len(value) >= render.limits.items:
        raise EvaluationError(f"a map has more than {render.limits.items} items")
    before = value.get(key)
    value[key] = each
    return before


def _put_all(render: Render, value: dict[Any, Any], others: Any) -> None:
    if not isinstance(others, dict):
        raise _NotApplicable
    for key, each in others.items():
        _put(render, value, key, each)


def _lookup(value: dict[Any, Any], key: Any, default: Any = None) -> Any:
    return default if isinstance(key, list | dict) else value.get(key, default)


MAP = _table(
    size_0=lambda r, v: len(v),
    isEmpty_0=lambda r, v: not v,
    get_1=lambda r, v, k: _lookup(v, k),
    getOrDefault_2=lambda r, v, k, x: _lookup(v, k, x),
    put_2=lambda r, v, k, x: _put(r, v, k, x),
    putIfAbsent_2=lambda r, v, k, x: v[k] if k in v else _put(r, v, k, x),
    putAll_1=lambda r, v, x: _put_all(r, v, x),
    remove_1=lambda r, v, k: v.pop(k, None) if not isinstance(k, list | dict) else None,
    containsKey_1=lambda r, v, k: not isinstance(k, list | dict) and k in v,
    containsValue_1=lambda r, v, x: _find(list(v.values()), x) >= 0,
    keySet_0=lambda r, v: list(v),
    values_0=lambda r, v: list(v.values()),
    entrySet_0=lambda r, v: [Entry(v, key) for key in v],
    clear_0=lambda r, v: _clear(v),
)

ENTRY = _table(
    getKey_0=lambda r, v: v.key,
    getValue_0=lambda r, v: v.value,
)


# numbers


def _parse(value: Any, kind: str) -> int:
    try:
        stripped = _string(value)
        if not stripped or stripped != stripped.strip() or "_" in stripped or not stripped.isascii():
            raise ValueError
        return int(stripped)
    except ValueError:
        raise EvaluationError(f'For input string: "{value}" ({kind})') from None


def _parse_double(value: Any) -> float:
    try:
        return float(_string(value).strip())
    except ValueError:
        raise EvaluationError(f'For input string: "{value}"') from None


def _truncated(value: Any, bits: int) -> int:
    if isinstance(value, float) and not math.isfinite(value):
        return 0
    return int((int(value) + 2 ** (bits - 1)) % 2**bits - 2 ** (bits - 1))


def _order(left: Any, right: Any) -> int:
    if not is_number(right):
        raise _NotApplicable
    return int(left > right) - int(left < right)


NUMBER = _table(
    intValue_0=lambda r, v: _truncated(v, 32),
    longValue_0=lambda r, v: _truncated(v, 64),
    shortValue_0=lambda r, v: _truncated(v, 16),
    byteValue_0=lambda r, v: _truncated(v, 8),
    doubleValue_0=lambda r, v: float(v),
    floatValue_0=lambda r, v: float(v),
    compareTo_1=lambda r, v, x: _order(v, x),
    equals_1=lambda r, v, x: same(v, x),
    parseInt_1=lambda r, v, x: _parse(x, "int"),
    parseLong_1=lambda r, v, x: _parse(x, "long"),
    parseDouble_1=lambda r, v, x: _parse_double(x),
    parseFloat_1=lambda r, v, x: _parse_double(x),
    valueOf_1=lambda r, v, x: _value_of(v, x),
    isNaN_0=lambda r, v: isinstance(v, float) and math.isnan(v),
    isInfinite_0=lambda r, v: isinstance(v, float) and math.isinf(v),
    max_2=lambda r, v, a, b: max(a, b) if is_number(a) and is_number(b) else None,
    min_2=lambda r, v, a, b: min(a, b) if is_number(a) and is_number(b) else None,
    toBinaryString_1=lambda r, v, x: f"{_int(x) & 0xFFFFFFFF:b}",
    toHexString_1=lambda r, v, x: f"{_int(x) & 0xFFFFFFFF:x}",
)


def _value_of(owner: Any, value: Any) -> Any:
    if isinstance(value, str):
        return _parse(value, "int") if isinstance(owner, int) else _parse_double(value)
    return value


BOOLEAN = _table(
    booleanValue_0=lambda r, v: v,
    parseBoolean_1=lambda r, v, x: isinstance(x, str) and x.lower() == "true",
    valueOf_1=lambda r, v, x: x if isinstance(x, bool) else isinstance(x, str) and x.lower() == "true",
    compareTo_1=lambda r, v, x: int(v) - int(x) if isinstance(x, bool) else None,
)

COMMON = _table(
    toString_0=lambda r, v: r.check(text(v)),
    hashCode_0=lambda r, v: hash_code(v),
    equals_1=lambda r, v, x: _equals(v, x),
)

METHODS: dict[type, Table] = {
    str: STRING,
    list: LIST,
    JsonArray: LIST,
    dict: MAP,
    int: NUMBER,
    float: NUMBER,
    Decimal: NUMBER,
    bool: BOOLEAN,
    Entry: ENTRY,
    Loop: _table(
        getIndex_0=lambda r, v: v.get("index"),
        getCount_0=lambda r, v: v.get("count"),
        hasNext_0=lambda r, v: v.get("hasNext"),
        isFirst_0=lambda r, v: v.get("first"),
        isLast_0=lambda r, v: v.get("last"),
    ),
}


# $util

_SIMPLE = {
    '"': '\\"',
    "'": "\\'",
    "\\": "\\\\",
    "/": "\\/",
    "\b": "\\b",
    "\n": "\\n",
    "\t": "\\t",
    "\f": "\\f",
    "\r": "\\r",
}


def escape_java_script(value: Any) -> Any:
    """StringEscapeUtils.escapeJavaScript of commons-lang 2.6."""
    if value is None:
        return None
    source = value if isinstance(value, str) else text(value)
    if source.isalnum() and source.isascii():
        return source
    parts = []
    for character in source:
        if character in _SIMPLE:
            parts.append(_SIMPLE[character])
        elif " " <= character <= "\x7f":
            parts.append(character)
        else:
            data = character.encode("utf-16-be", "surrogatepass")
            parts += [f"\\u{data[at]:02X}{data[at + 1]:02X}" for at in range(0, len(data), 2)]
    return "".join(parts)


def _url_decode(value: str) -> str:
    import re
    from urllib.parse import unquote_plus

    if re.search(r"%(?![0-9a-fA-F]{2})", value):
        raise EvaluationError("a % is not followed by two hexadecimal digits")
    return unquote_plus(value, errors="replace")


def _url_encode(value: Any) -> str:
    from urllib.parse import quote_plus

    encoded = quote_plus(_string(value), safe="*-._", errors="replace")
    return encoded.replace("~", "%7E")


def _base64_decode(value: Any) -> str:
    data = value.encode("latin-1", "replace") if isinstance(value, str) else bytes(byte % 256 for byte in value)
    try:
        padded = data + b"=" * (-len(data) % 4) if not data.endswith(b"=") else data
        return base64.b64decode(padded, validate=True).decode("utf-8", "replace")
    except ValueError:
        raise EvaluationError("the text is not base64") from None


def _parse_json(value: Any) -> Any:
    from routekey.expressions.vtl.jsonsmart import NotReadable, read

    if not isinstance(value, str):
        return value
    try:
        return read(value)
    except NotReadable as error:
        raise EvaluationError(f"the text is not JSON: {error}") from None


class Util(Host):
    """`$util`."""

    __slots__ = ()
    methods = _table(
        escapeJavaScript_1=lambda r, v, x: escape_java_script(x),
        parseJson_1=lambda r, v, x: _parse_json(x),
        urlEncode_1=lambda r, v, x: _url_encode(x if isinstance(x, str) else text(x)),
        urlDecode_1=lambda r, v, x: _url_decode(_string(x)),
        base64Encode_1=lambda r, v, x: base64.b64encode(_bytes(x)).decode(),
        base64Decode_1=lambda r, v, x: _base64_decode(x if isinstance(x, str) else text(x)),
    )


def _bytes(value: Any) -> bytes:
    if isinstance(value, list) and all(isinstance(byte, int) for byte in value):
        return bytes(byte % 256 for byte in value)
    return (value if isinstance(value, str) else text(value)).encode("utf-8", "replace")
