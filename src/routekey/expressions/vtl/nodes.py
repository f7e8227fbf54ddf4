"""What a template is compiled to: a function for each block, two for each expression.

An expression has a value and a truth of its own: a bare literal in #if is false whatever its value is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from routekey.errors import EvaluationError
from routekey.expressions.vtl import builtins
from routekey.expressions.vtl.errors import TemplateError
from routekey.expressions.vtl.render import Block, Break, Frame, Loop, Render, Stop
from routekey.expressions.vtl.values import equal, is_number, iterate

Node = Callable[[Render], None]


class Expression(NamedTuple):
    value: Callable[[Render], Any]
    truth: Callable[[Render], bool]


class Step(NamedTuple):
    """One step of a reference: a property, a method with its arguments, or an index in brackets."""

    name: str
    arguments: list[Expression] | None
    brackets: bool = False


def NOTHING(render: Render) -> None:  # noqa: N802
    """The body of an empty block."""


def sequence(body: Sequence[Node | str]) -> Node:
    """Nodes one after the other, runs of text merged."""
    merged: list[Node | str] = []
    for each in body:
        if isinstance(each, str):
            if not each:
                continue
            if merged and isinstance(merged[-1], str):
                merged[-1] += each
                continue
        merged.append(each)
    made = [_text(each) if isinstance(each, str) else each for each in merged]
    if not made:
        return NOTHING
    if len(made) == 1:
        return made[0]

    def run(render: Render) -> None:
        for node in made:
            node(render)

    return run


def _text(text: str) -> Node:
    length = len(text)

    def node(render: Render) -> None:
        # Here and where references print, without a call: most of what a template does is this.
        render.size += length
        if render.size > render.most:
            render.too_long()
        render.out.append(text)

    return node


# references


class Reference:
    def __init__(self, root: str, steps: list[Step], formal: bool, place: tuple[int, int]) -> None:
        self.root = root
        self.steps = steps
        self.formal = formal
        self.place = place

    def evaluator(self) -> Callable[[Render], Any]:
        """Its value; a reference that leads nowhere is the empty string (spec vtl 1)."""
        root, steps, (line, column) = self.root, [_step(step) for step in self.steps], self.place
        if len(self.steps) == 1 and self.steps[0].arguments is None:
            return self._property(self.steps[0].name)

        def value(render: Render) -> Any:
            found = render.variables.get(root) if render.frame is None else render.lookup(root)
            if found is None:
                return ""
            try:
                for step in steps:
                    found = step(render, found)
                    if found is None:
                        return ""
            except EvaluationError as error:
                raise TemplateError(line, column, str(error)) from None
            return found

        return value

    def _property(self, name: str) -> Callable[[Render], Any]:
        """`$root.name`, the most common reference of all."""
        root = self.root

        def value(render: Render) -> Any:
            holder = render.variables.get(root) if render.frame is None else render.lookup(root)
            found = holder.get(name) if type(holder) is dict else builtins.member(holder, name)
            return "" if found is None else found

        return value

    def expression(self) -> Expression:
        value = self.evaluator()

        def truth(render: Render) -> bool:
            return value(render) is not False

        return Expression(value, truth)


def printed(reference: Reference) -> Node:
    value = reference.evaluator()

    def node(render: Render) -> None:
        found = value(render)
        text = found if type(found) is str else render.text(found)
        render.size += len(text)
        if render.size > render.most:
            render.too_long()
        render.out.append(text)

    return node


def _step(step: Step) -> Callable[[Render, Any], Any]:
    name = step.name
    if step.arguments is None:
        return lambda render, value: builtins.member(value, name)
    arguments = [argument.value for argument in step.arguments]
    if step.brackets:
        key = arguments[0]
        return lambda render, value: builtins.item(value, key(render))
    called = name, len(arguments)
    if len(arguments) == 1:
        only = arguments[0]

        def call_one(render: Render, value: Any) -> Any:
            method = builtins.find(value, called)
            if method is None:
                return None
            render.spend_on(value)
            return render.check(method(render, value, only(render)))

        return call_one

    def call(render: Render, value: Any) -> Any:
        method = builtins.find(value, called)
        if method is None:
            return None
        render.spend_on(value)
        return render.check(method(render, value, *[argument(render) for argument in arguments]))

    return call


def assignment(target: Reference, source: Expression) -> Node:
    value, root = source.value, target.root
    line, column = target.place
    if target.steps:
        owner = Reference(root, target.steps[:-1], False, target.place).evaluator()
        last = target.steps[-1]
        if last.arguments is not None and not last.brackets:
            raise TemplateError(line, column, "a method's answer cannot be set")
        key = last.arguments[0].value if last.arguments is not None else (lambda render: last.name)

        def put(render: Render) -> None:
            new = value(render)
            if new is not None:
                holder = owner(render)
                try:
                    builtins.put(holder, key(render), new)
                    render.check(holder)
                except EvaluationError as error:
                    raise TemplateError(line, column, str(error)) from None

        return put
    if target.formal:

        def ignore(render: Render) -> None:
            value(render)  # Velocity takes ${x} as a target, and sets nothing

        return ignore

    def assign(render: Render) -> None:
        new = value(render)
        if new is not None:
            if render.frame is None:
                render.variables[root] = new
            else:
                render.assign(root, new)

    return assign


# directives


def condition(branches: Sequence[tuple[Expression, Node]], otherwise: Node | None) -> Node:
    tests = [(expression.truth, body) for expression, body in branches]
    last = otherwise or NOTHING

    def node(render: Render) -> None:
        for truth, body in tests:
            if truth(render):
                body(render)
                return
        last(render)

    return node


_MISSING = object()


def loop(variable: str, items: Expression | None, body: Node) -> Node:
    if items is None:
        return NOTHING
    value = items.value
    names = (variable, "foreach", "velocityCount", "velocityHasNext")

    def node(render: Render) -> None:
        turns = iterate(value(render))
        length = len(turns)  # type: ignore[arg-type]
        variables = render.variables
        before = [(name, variables.get(name, _MISSING)) for name in names]
        state = Loop(variables.get("foreach"))
        variables["foreach"] = state
        try:
            for number, each in enumerate(turns, 1):
                if number > render.limits.loop_turns:
                    break
                render.spend(2)
                state.count = number
                state.last = number == length
                # A null item hides what the name meant outside, and prints nothing.
                variables[variable] = each
                variables["velocityCount"] = number
                variables["velocityHasNext"] = number < length
                body(render)
        except Break:
            pass
        finally:
            for name, old in before:
                if old is _MISSING:
                    variables.pop(name, None)
                else:
                    variables[name] = old

    return node


def definition(name: str, body: Node) -> Node:
    block = Block(body)
    return lambda render: render.assign(name, block)


def stop(render: Render) -> None:
    raise Stop


def break_(render: Render) -> None:
    raise Break


class Macro:
    def __init__(self, name: str, parameters: list[str]) -> None:
        self.name = name
        self.parameters = parameters
        self.body: Node = NOTHING


def macro_call(find: Callable[[], Macro | None], arguments: list[Expression], content: Node | None) -> Node:
    """Arguments are passed by name: evaluated where they are used, with the variables of the caller."""

    def node(render: Render) -> None:
        macro = find()
        if macro is None:
            return
        caller = render.frame
        values = {
            name: _by_name(render, argument.value, caller)
            for name, argument in zip(macro.parameters, arguments, strict=False)
        }
        for name in macro.parameters[len(arguments) :]:
            values[name] = lambda: None
        if content is not None:
            block = Block(content)
            values["bodyContent"] = lambda: block
        frame = Frame(values, caller)
        if frame.depth > render.limits.macro_depth:
            raise EvaluationError(f"macros call each other deeper than {render.limits.macro_depth}")
        render.spend(5)
        render.frame = frame
        try:
            macro.body(render)
        finally:
            render.frame = caller

    return node


def _by_name(render: Render, value: Callable[[Render], Any], caller: Frame | None) -> Callable[[], Any]:
    def evaluate() -> Any:
        inner, render.frame = render.frame, caller
        render.spend(1)
        try:
            return value(render)
        finally:
            render.frame = inner

    return evaluate


# literals


def _never(render: Render) -> bool:
    return False


def literal(constant: Any) -> Expression:
    return Expression(lambda render: constant, _never)


def boolean(constant: bool) -> Expression:
    return Expression(lambda render: constant, lambda render: constant)


def interpolation(body: Node) -> Expression:
    def value(render: Render) -> str:
        kept, render.out = render.out, []
        try:
            body(render)
            return str(render.check("".join(render.out)))
        except Stop:
            return "".join(render.out)
        finally:
            render.size -= sum(map(len, render.out))
            render.out = kept

    return Expression(value, _never)


def sequence_literal(items: list[Expression]) -> Expression:
    values = [item.value for item in items]
    return Expression(lambda render: [value(render) for value in values], _never)


def mapping_literal(pairs: list[tuple[Expression, Expression]]) -> Expression:
    values = [(key.value, value.value) for key, value in pairs]
    return Expression(lambda render: {_key(key(render)): value(render) for key, value in values}, _never)


def _key(value: Any) -> Any:
    if isinstance(value, list | dict):
        raise EvaluationError("a list or map cannot be a key")
    return value


def range_literal(first: Expression, last: Expression) -> Expression:
    def value(render: Render) -> Any:
        low, high = first.value(render), last.value(render)
        if not isinstance(low, int) or not isinstance(high, int):
            return None
        if abs(high - low) >= render.limits.items:
            raise EvaluationError(f"a range has more than {render.limits.items} items")
        step = 1 if high >= low else -1
        return list(range(low, high + step, step))

    return Expression(value, _never)


# operators


def _truthy(value: Callable[[Render], bool]) -> Expression:
    return Expression(value, value)


def either(left: Expression, right: Expression) -> Expression:
    one, other = left.truth, right.truth
    return _truthy(lambda render: one(render) or other(render))


def both(left: Expression, right: Expression) -> Expression:
    one, other = left.truth, right.truth
    return _truthy(lambda render: one(render) and other(render))


def negation(inner: Expression) -> Expression:
    truth = inner.truth
    return _truthy(lambda render: not truth(render))


def equality(left: Expression, right: Expression, wanted: bool) -> Expression:
    one, other = left.value, right.value

    def compare(render: Render) -> bool:
        first, second = one(render), other(render)
        render.spend_on(first)
        return equal(first, second) is wanted

    return _truthy(compare)


def relation(left: Expression, right: Expression, compare: Callable[[Any, Any], bool]) -> Expression:
    one, other = left.value, right.value

    def value(render: Render) -> bool:
        first, second = one(render), other(render)
        return is_number(first) and is_number(second) and bool(compare(first, second))

    return _truthy(value)


RELATIONS: tuple[tuple[str, str, Callable[[Any, Any], bool]], ...] = (
    ("<=", "le", lambda a, b: a <= b),
    (">=", "ge", lambda a, b: a >= b),
    ("<", "lt", lambda a, b: a < b),
    (">", "gt", lambda a, b: a > b),
)


def addition(left: Expression, right: Expression) -> Expression:
    one, other = left.value, right.value

    def value(render: Render) -> Any:
        first, second = one(render), other(render)
        if isinstance(first, str) or isinstance(second, str):
            joined = (
                f"{'null' if first is None else render.text(first)}{'null' if second is None else render.text(second)}"
            )
            return render.check(joined)
        return render.check(_calculate(lambda a, b: a + b, first, second))

    return Expression(value, lambda render: False)


def arithmetic(left: Expression, right: Expression, operation: Callable[[Any, Any], Any]) -> Expression:
    one, other = left.value, right.value
    return Expression(
        lambda render: render.check(_calculate(operation, one(render), other(render))), lambda render: False
    )


def _calculate(operation: Callable[[Any, Any], Any], first: Any, second: Any) -> Any:
    """Null unless both are numbers; decimals keep their digits."""
    if not is_number(first) or not is_number(second):
        return None
    if isinstance(first, Decimal) or isinstance(second, Decimal):
        first, second = _decimal(first), _decimal(second)
    try:
        return operation(first, second)
    except (OverflowError, InvalidOperation):
        return None


def _decimal(value: Any) -> Decimal:
    return value if isinstance(value, Decimal) else Decimal(str(value))


def subtract(first: Any, second: Any) -> Any:
    return first - second


def multiply(first: Any, second: Any) -> Any:
    return first * second


def divide(first: Any, second: Any) -> Any:
    if second == 0:
        return None
    if isinstance(first, int) and isinstance(second, int):
        quotient = abs(first) // abs(second)
        return quotient if (first < 0) == (second < 0) else -quotient
    return first / second


def remainder(first: Any, second: Any) -> Any:
    if second == 0:
        return None
    if isinstance(first, int) and isinstance(second, int):
        rest = abs(first) % abs(second)
        return -rest if first < 0 else rest
    return first % second if isinstance(first, Decimal) else math.fmod(first, second)
