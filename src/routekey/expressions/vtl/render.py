"""One render: variables, output, and what it has used of its limits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from routekey.errors import EvaluationError
from routekey.expressions.vtl.errors import Limits
from routekey.expressions.vtl.values import Undefinable, text

SIZE_PER_STEP = 64  # characters or items that count as one step


class Stop(Exception):
    """#stop."""


class Break(Exception):
    """#break."""


class Frame:
    """The parameters of one macro call; those of its caller show through."""

    __slots__ = ("depth", "parent", "values")

    def __init__(self, values: dict[str, Callable[[], Any]], parent: Frame | None) -> None:
        self.values = values
        self.parent = parent
        self.depth: int = parent.depth + 1 if parent is not None else 1


class Render:
    __slots__ = ("frame", "limits", "most", "out", "regex_seconds", "size", "steps", "variables")

    def __init__(self, variables: dict[str, Any], limits: Limits) -> None:
        self.variables = variables
        self.limits = limits
        self.out: list[str] = []
        self.size = 0
        self.most = limits.output
        self.steps = 0
        self.frame: Frame | None = None
        self.regex_seconds = limits.regex_seconds  # that regular expressions may still take

    def too_long(self) -> None:
        raise EvaluationError(f"the output is longer than {self.most} characters")

    def spend(self, steps: int) -> None:
        self.steps += steps
        if self.steps > self.limits.steps:
            raise EvaluationError(f"the template takes more than {self.limits.steps} steps")

    def spend_on(self, value: Any) -> None:
        """Count work that grows with the size of `value`."""
        if isinstance(value, (str, list, dict)):
            self.spend(1 + len(value) // SIZE_PER_STEP)

    def check(self, value: Any) -> Any:
        """`value`, unless it is larger than one value may be."""
        limits = self.limits
        if isinstance(value, str):
            if len(value) > limits.string:
                raise EvaluationError(f"a string is longer than {limits.string} characters")
        elif isinstance(value, list | dict):
            if len(value) > limits.items:
                raise EvaluationError(f"a list or map has more than {limits.items} items")
        elif isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > limits.digits * 3.33:
            raise EvaluationError(f"a number has more than {limits.digits} digits")
        return value

    def text(self, value: Any) -> str:
        """`value` printed."""
        if isinstance(value, str):
            return value
        if isinstance(value, Block):
            return value.render(self)
        printed = text(value)
        self.spend(len(printed) // SIZE_PER_STEP)
        return printed

    def lookup(self, name: str) -> Any:
        frame = self.frame
        while frame is not None:
            if name in frame.values:
                return frame.values[name]()
            frame = frame.parent
        return self.variables.get(name)

    def assign(self, name: str, value: Any) -> None:
        frame = self.frame
        while frame is not None:
            if name in frame.values:
                frame.values[name] = lambda: value
                return
            frame = frame.parent
        self.variables[name] = value


class Block(Undefinable):
    """What #define names: rendered anew wherever it is printed."""

    __slots__ = ("body",)

    def __init__(self, body: Callable[[Render], None]) -> None:
        self.body = body

    def render(self, render: Render) -> str:
        render.spend(10)
        kept, render.out = render.out, []
        depth = Frame({}, render.frame)
        if depth.depth > render.limits.macro_depth:
            raise EvaluationError(f"blocks and macros are nested deeper than {render.limits.macro_depth}")
        before, render.frame = render.frame, depth
        try:
            self.body(render)
            return "".join(render.out)
        finally:
            render.out = kept
            render.frame = before


class Loop(Undefinable):
    """`$foreach`."""

    __slots__ = ("count", "last", "parent")

    def __init__(self, parent: Any) -> None:
        self.count = 0
        self.last = False
        self.parent = parent if isinstance(parent, Loop) else None

    def get(self, name: str) -> Any:
        if name == "index":
            return self.count - 1
        if name == "count":
            return self.count
        if name in ("hasNext", "next"):
            return not self.last
        if name == "first":
            return self.count == 1
        if name == "last":
            return self.last
        if name == "parent":
            return self.parent
        if name == "topmost":
            loop = self
            while loop.parent is not None:
                loop = loop.parent
            return loop
        return None
