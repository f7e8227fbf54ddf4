"""Source to closures: scanner and recursive descent in one pass, by the token rules of Velocity 1.7."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from routekey.expressions.vtl import nodes
from routekey.expressions.vtl.errors import MAX_NESTING, MAX_NUMBER, MAX_SOURCE, TemplateError
from routekey.expressions.vtl.nodes import Expression, Node

_SPECIAL = re.compile(r"[\\$#]")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_BLANKS = re.compile(r"[ \t]*")
_SPACE = re.compile(r"[ \t\r\n]*")
_LINE_END = re.compile(r"[ \t]*(?:\r\n|\n|\r)")
_NUMBER = re.compile(r"-?(?:\d+\.(?!\.)\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\d+)", re.ASCII)
_REFERENCE = re.compile(r"\$!?\{?[A-Za-z_]")
_MACRO = re.compile(r"#(?:macro|\{macro\})[ \t]*\(\s*([A-Za-z][A-Za-z0-9_]*)")

_DIRECTIVES = frozenset("set if elseif else end foreach define macro stop break include parse evaluate".split())
_REFUSED = frozenset(("include", "parse", "evaluate"))
_BLOCK_ENDS = ("elseif", "else", "end")


class _Directive(NamedTuple):
    name: str
    start: int
    end: int  # behind its name


class Uses:
    """What a template refers to, so that the rest need not be made for it."""

    def __init__(self) -> None:
        self.roots: set[str] = set()
        self.context: set[str] = set()  # first members of `$context`
        self.whole_context = False  # it is read in a way that does not say which

    def add(self, root: str, steps: list[nodes.Step]) -> None:
        self.roots.add(root)
        if root == "context":
            if steps and steps[0].arguments is None:
                self.context.add(steps[0].name)
            else:
                self.whole_context = True


class Parser:
    def __init__(
        self,
        source: str,
        *,
        base: tuple[str, int] | None = None,
        macros: dict[str, Any] | None = None,
        uses: Uses | None = None,
    ) -> None:
        if len(source) > MAX_SOURCE:
            raise TemplateError(1, 1, f"the template is longer than {MAX_SOURCE} characters")
        self.source = source
        self.at = 0
        self.base = base  # for strings: the whole template, and where in it this part begins
        self.macros: dict[str, nodes.Macro | None] = dict.fromkeys(_MACRO.findall(source)) if macros is None else macros
        self.uses = uses or Uses()
        self.nesting = 0

    # errors

    def fail(self, message: str, at: int | None = None) -> TemplateError:
        where = self.at if at is None else at
        source = self.source
        if self.base is not None:
            source, where = self.base[0], min(self.base[1] + where, len(self.base[0]))
        before = source[:where]
        return TemplateError(before.count("\n") + 1, where - before.rfind("\n"), message)

    def deeper(self) -> None:
        self.nesting += 1
        if self.nesting > MAX_NESTING:
            raise self.fail(f"the template is nested deeper than {MAX_NESTING}")

    # blocks

    def template(self) -> Node:
        body, end = self.block()
        if end is not None:
            raise self.fail(f"#{end.name} without its beginning", end.start)
        return body

    def block(self) -> tuple[Node, _Directive | None]:
        """Nodes up to the directive that ends the block, which is given, or to the end of the source."""
        self.deeper()
        body: list[Node | str] = []
        fresh = True  # nothing but blanks since a directive, a reference or the start
        source = self.source
        while True:
            match = _SPECIAL.search(source, self.at)
            start = match.start() if match else len(source)
            chunk = source[self.at : start]
            if match is None:
                body.append(chunk)
                self.at = len(source)
                self.nesting -= 1
                return nodes.sequence(body), None
            self.at = start
            directive = self.directive(start) if source[start] == "#" else None
            if chunk:
                swallowed = fresh and directive is not None and directive.name == "set" and not chunk.strip(" \t")
                if not swallowed:
                    body.append(chunk)
                    fresh = False
            if source[start] == "\\":
                fresh = self.escape(body)
            elif source[start] == "$":
                fresh = self.dollar(body)
            elif directive is not None and directive.name in _BLOCK_ENDS:
                self.nesting -= 1
                return nodes.sequence(body), directive
            else:
                fresh = self.hash(body, directive)

    def escape(self, body: list[Node | str]) -> bool:
        """A run of backslashes: it halves before a reference or directive, and stays as it is elsewhere."""
        source, start = self.source, self.at
        end = start
        while source.startswith("\\", end):
            end += 1
        count = end - start
        reference = _REFERENCE.match(source, end)
        directive = self.directive(end) if source.startswith("#", end) else None
        if reference is None and directive is None:
            body.append(source[start:end])
            self.at = end
            return False
        body.append("\\" * (count // 2))
        self.at = end
        if count % 2 == 0:
            return True
        if reference is not None:
            self.reference()
            body.append(source[end : self.at])
        elif directive is not None:
            body.append(source[end : directive.end])
            self.at = directive.end
        return False

    def dollar(self, body: list[Node | str]) -> bool:
        source, start = self.source, self.at
        if _REFERENCE.match(source, start):
            body.append(nodes.printed(self.reference()))
            return True
        if start + 1 >= len(source) and self.base is None:
            raise self.fail("a lone $ ends the template")
        body.append("$")
        self.at = start + 1
        return False

    def hash(self, body: list[Node | str], directive: _Directive | None) -> bool:
        source, start = self.source, self.at
        if source.startswith("##", start):
            end = re.compile(r"[^\r\n]*(?:\r\n|\n|\r)?").match(source, start)
            self.at = end.end() if end else len(source)
            return True
        if source.startswith("#*", start):
            end_at = source.find("*#", start + 2)
            self.at = len(source) if end_at < 0 else end_at + 2
            return True
        if source.startswith("#[[", start):
            end_at = source.find("]]#", start + 3)
            if end_at < 0:
                raise self.fail("#[[ is not closed by ]]#")
            body.append(source[start + 3 : end_at])
            self.at = end_at + 3
            return True
        if directive is not None:
            self.at = directive.end
            node = getattr(self, f"on_{directive.name}", None)
            if node is None:
                raise self.fail(f"#{directive.name} is not available in mapping templates", start)
            made = node(directive)
            if made is not None:
                body.append(made)
            return True
        return self.call(body)

    def directive(self, start: int) -> _Directive | None:
        """The directive that begins at `start`, if one does."""
        source = self.source
        braced = source.startswith("{", start + 1)
        word = _WORD.match(source, start + 1 + braced)
        if word is None or word[0] not in _DIRECTIVES:
            return None
        end = word.end()
        if braced:
            if not source.startswith("}", end):
                return None
            end += 1
        if word[0] == "set" and not re.compile(r"[ \t]*\(").match(source, end):
            return None
        return _Directive(word[0], start, end)

    def open(self, directive: _Directive) -> None:
        match = _BLANKS.match(self.source, self.at)
        self.at = match.end() if match else self.at
        if not self.source.startswith("(", self.at):
            raise self.fail(f"'(' is expected after #{directive.name}")
        self.at += 1

    def close(self) -> None:
        """The closing parenthesis of a directive, with the line end behind it."""
        self.space()
        if not self.source.startswith(")", self.at):
            raise self.unexpected("')'")
        self.at += 1
        self.swallow()

    def swallow(self) -> None:
        match = _LINE_END.match(self.source, self.at)
        if match:
            self.at = match.end()

    def unexpected(self, wanted: str) -> TemplateError:
        found = self.source[self.at : self.at + 1]
        return self.fail(f"{wanted} is expected, not {found!r}" if found else f"{wanted} is expected, and it ends here")

    def space(self) -> None:
        match = _SPACE.match(self.source, self.at)
        self.at = match.end() if match else self.at

    # directives

    def on_set(self, directive: _Directive) -> Node:
        self.open(directive)
        self.space()
        while self.source.startswith("$$", self.at):
            self.at += 1
        if not _REFERENCE.match(self.source, self.at):
            raise self.unexpected("a reference")
        target = self.reference()
        self.space()
        if not self.source.startswith("=", self.at):
            raise self.unexpected("'='")
        self.at += 1
        value = self.expression()
        self.close()
        return nodes.assignment(target, value)

    def on_if(self, directive: _Directive) -> Node:
        branches: list[tuple[Expression, Node]] = []
        self.open(directive)
        condition = self.expression()
        self.close()
        otherwise: Node | None = None
        while True:
            body, end = self.block()
            if end is None:
                raise self.fail("#if is not closed by #end")
            if otherwise is None:
                branches.append((condition, body))
            else:
                otherwise = body
            self.at = end.end
            if end.name == "end":
                self.swallow()
                return nodes.condition(branches, otherwise)
            if otherwise is not None:
                raise self.fail(f"#{end.name} behind #else", end.start)
            if end.name == "else":
                self.swallow()
                otherwise = nodes.NOTHING
            else:
                self.open(end)
                condition = self.expression()
                self.close()

    def to_end(self, what: str) -> Node:
        """The block up to #end."""
        body, end = self.block()
        if end is None:
            raise self.fail(f"{what} is not closed by #end")
        if end.name != "end":
            raise self.fail(f"#{end.name} inside {what}", end.start)
        self.at = end.end
        self.swallow()
        return body

    def on_foreach(self, directive: _Directive) -> Node:
        self.open(directive)
        self.space()
        if not _REFERENCE.match(self.source, self.at):
            raise self.unexpected("a reference")
        variable = self.reference()
        self.space()
        word = _WORD.match(self.source, self.at)
        items: Expression | None = None
        if word is not None:
            if word[0] != "in":
                raise self.unexpected("'in'")
            self.at = word.end()
            items = self.parameter()
        elif not self.source.startswith(")", self.at):
            self.parameter()  # without `in` Velocity takes it, and goes over nothing
        self.close()
        return nodes.loop(variable.root, items, self.to_end("#foreach"))

    def on_define(self, directive: _Directive) -> Node:
        self.open(directive)
        self.space()
        if not _REFERENCE.match(self.source, self.at):
            raise self.unexpected("a reference")
        name = self.reference().root
        self.close()
        return nodes.definition(name, self.to_end("#define"))

    def on_macro(self, directive: _Directive) -> None:
        self.open(directive)
        self.space()
        name = _WORD.match(self.source, self.at)
        if name is None:
            raise self.unexpected("the name of a macro")
        self.at = name.end()
        parameters = []
        while True:
            self.separators()
            if not _REFERENCE.match(self.source, self.at):
                break
            parameters.append(self.reference().root)
        self.close()
        macro = nodes.Macro(name[0], parameters)
        self.macros[name[0]] = macro
        macro.body = self.to_end("#macro")

    def on_stop(self, directive: _Directive) -> Node:
        return nodes.stop

    def on_break(self, directive: _Directive) -> Node:
        return nodes.break_

    def separators(self) -> None:
        self.space()
        while self.source.startswith(",", self.at):
            self.at += 1
            self.space()

    def call(self, body: list[Node | str]) -> bool:
        """`#name(...)` or `#@name(...)`: a macro, or else plain text."""
        source, start = self.source, self.at
        block = source.startswith("@", start + 1)
        word = _WORD.match(source, start + 1 + block)
        if word is None or word[0] not in self.macros or not source.startswith("(", word.end()):
            body.append("#")
            self.at = start + 1
            return False
        self.at = word.end() + 1
        arguments = []
        while True:
            self.separators()
            if source.startswith(")", self.at):
                break
            arguments.append(self.parameter())
        self.close()
        content = self.to_end(f"#@{word[0]}") if block else None
        macros, name = self.macros, word[0]
        body.append(nodes.macro_call(lambda: macros[name], arguments, content))
        return True

    # references

    def reference(self) -> nodes.Reference:
        """The reference that begins here; the caller has seen that one does."""
        source, start = self.source, self.at
        self.at += 1
        if source.startswith("!", self.at):
            self.at += 1
        formal = source.startswith("{", self.at)
        self.at += formal
        root = self.name()
        steps: list[nodes.Step] = []
        self.deeper()
        while self.at < len(source):
            if source[self.at] == "[":
                steps.append(self.index())
            elif source[self.at] == "." and _NAME.match(source, self.at + 1):
                steps.append(self.member())
            else:
                break
        self.nesting -= 1
        if formal:
            if not source.startswith("}", self.at):
                raise self.unexpected("'}'")
            self.at += 1
        self.uses.add(root, steps)
        return nodes.Reference(root, steps, formal, self.place(start))

    def place(self, start: int) -> tuple[int, int]:
        error = self.fail("", start)
        return error.line, error.column

    def name(self) -> str:
        match = _NAME.match(self.source, self.at)
        if match is None:
            raise self.unexpected("a name")
        self.at = match.end()
        return match[0]

    def index(self) -> nodes.Step:
        self.at += 1
        key = self.parameter()
        self.space()
        if not self.source.startswith("]", self.at):
            raise self.unexpected("']'")
        self.at += 1
        return nodes.Step("", [key], brackets=True)

    def member(self) -> nodes.Step:
        self.at += 1
        name = self.name()
        if not self.source.startswith("(", self.at):
            return nodes.Step(name, None)
        self.at += 1
        arguments: list[Expression] = []
        self.space()
        if not self.source.startswith(")", self.at):
            while True:
                arguments.append(self.argument())
                self.space()
                if not self.source.startswith(",", self.at):
                    break
                self.at += 1
        if not self.source.startswith(")", self.at):
            raise self.unexpected("')'")
        self.at += 1
        return nodes.Step(name, arguments)

    def argument(self) -> Expression:
        """What a method takes: the only place where Velocity knows null."""
        self.space()
        word = _WORD.match(self.source, self.at)
        if word is not None and word[0] == "null":
            self.at = word.end()
            return nodes.literal(None)
        return self.parameter()

    # expressions

    def expression(self) -> Expression:
        self.deeper()
        result = self.either()
        self.nesting -= 1
        return result

    def either(self) -> Expression:
        left = self.both()
        while self.operator("||", "or"):
            left = nodes.either(left, self.both())
        return left

    def both(self) -> Expression:
        left = self.equality()
        while self.operator("&&", "and"):
            left = nodes.both(left, self.equality())
        return left

    def equality(self) -> Expression:
        left = self.relation()
        while True:
            if self.operator("==", "eq"):
                left = nodes.equality(left, self.relation(), True)
            elif self.operator("!=", "ne"):
                left = nodes.equality(left, self.relation(), False)
            else:
                return left

    def relation(self) -> Expression:
        left = self.sum()
        while True:
            for symbol, word, compare in nodes.RELATIONS:
                if self.operator(symbol, word):
                    left = nodes.relation(left, self.sum(), compare)
                    break
            else:
                return left

    def sum(self) -> Expression:
        left = self.product()
        while True:
            if self.operator("+"):
                left = nodes.addition(left, self.product())
            elif self.minus():
                left = nodes.arithmetic(left, self.product(), nodes.subtract)
            else:
                return left

    def minus(self) -> bool:
        """A minus that is followed by a digit belongs to the number: 5-7 is no difference."""
        self.space()
        if self.source.startswith("-", self.at) and not _NUMBER.match(self.source, self.at):
            self.at += 1
            return True
        return False

    def product(self) -> Expression:
        left = self.unary()
        while True:
            if self.operator("*"):
                left = nodes.arithmetic(left, self.unary(), nodes.multiply)
            elif self.operator("/"):
                left = nodes.arithmetic(left, self.unary(), nodes.divide)
            elif self.operator("%"):
                left = nodes.arithmetic(left, self.unary(), nodes.remainder)
            else:
                return left

    def unary(self) -> Expression:
        self.space()
        if self.source.startswith("!", self.at) and not self.source.startswith("!=", self.at):
            self.at += 1
            return self.negated()
        if self.operator("not"):
            return self.negated()
        return self.primary()

    def negated(self) -> Expression:
        self.deeper()
        result = nodes.negation(self.unary())
        self.nesting -= 1
        return result

    def operator(self, *spellings: str) -> bool:
        self.space()
        for spelling in spellings:
            if spelling[0].isalpha():
                word = _WORD.match(self.source, self.at)
                if word is not None and word[0] == spelling:
                    self.at = word.end()
                    return True
            elif self.source.startswith(spelling, self.at):
                after = self.source[self.at + len(spelling) : self.at + len(spelling) + 1]
                if (spelling in ("<", ">") and after == "=") or (spelling == "*" and after == "#"):
                    continue
                self.at += len(spelling)
                return True
        return False

    def primary(self) -> Expression:
        self.space()
        if self.source.startswith("(", self.at):
            self.at += 1
            inner = self.expression()
            self.space()
            if not self.source.startswith(")", self.at):
                raise self.unexpected("')'")
            self.at += 1
            return inner
        return self.parameter()

    def parameter(self) -> Expression:
        """A literal or a reference: what methods, indexes and macros take."""
        self.space()
        source, at = self.source, self.at
        character = source[at : at + 1]
        if character == "$":
            if not _REFERENCE.match(source, at):
                raise self.fail("a name is expected after $")
            return self.reference().expression()
        if character in ("'", '"'):
            return self.string(character)
        if character == "[":
            return self.nested(self.sequence)
        if character == "{":
            return self.nested(self.mapping)
        number = _NUMBER.match(source, at)
        if number is not None:
            text = number[0]
            if len(text) > MAX_NUMBER:
                raise self.fail(f"a number is longer than {MAX_NUMBER} characters")
            self.at = number.end()
            return nodes.literal(int(text) if text.lstrip("-").isdigit() else float(text))
        word = _WORD.match(source, at)
        if word is not None and word[0] in ("true", "false"):
            self.at = word.end()
            return nodes.boolean(word[0] == "true")
        raise self.unexpected("a value")

    def nested(self, read: Callable[[], Expression]) -> Expression:
        self.deeper()
        result = read()
        self.nesting -= 1
        return result

    def string(self, quote: str) -> Expression:
        source, start = self.source, self.at + 1
        at = start
        while True:
            end = source.find(quote, at)
            if end < 0:
                raise self.fail("a string is not closed")
            if not source.startswith(quote, end + 1):
                break
            at = end + 2
        self.at = end + 1
        content = source[start:end].replace(quote * 2, quote)
        if quote == "'":
            return nodes.literal(content)
        content = re.sub(r"\\u([0-9a-fA-F]{4})", lambda match: chr(int(match[1], 16)), content)
        if "$" not in content and "#" not in content:
            return nodes.literal(content)
        base = (source, start) if self.base is None else (self.base[0], self.base[1] + start)
        inner = Parser(content, base=base, macros=self.macros, uses=self.uses)
        inner.nesting = self.nesting
        return nodes.interpolation(inner.template())

    def sequence(self) -> Expression:
        """[a, b] or [1..5]."""
        self.at += 1
        self.space()
        if self.source.startswith("]", self.at):
            self.at += 1
            return nodes.sequence_literal([])
        items = [self.parameter()]
        self.space()
        if self.source.startswith("..", self.at):
            self.at += 2
            last = self.parameter()
            self.space()
            if not self.source.startswith("]", self.at):
                raise self.unexpected("']'")
            self.at += 1
            return nodes.range_literal(items[0], last)
        while self.source.startswith(",", self.at):
            self.at += 1
            items.append(self.parameter())
            self.space()
        if not self.source.startswith("]", self.at):
            raise self.unexpected("']'")
        self.at += 1
        return nodes.sequence_literal(items)

    def mapping(self) -> Expression:
        self.at += 1
        self.space()
        pairs: list[tuple[Expression, Expression]] = []
        if self.source.startswith("}", self.at):
            self.at += 1
            return nodes.mapping_literal(pairs)
        while True:
            key = self.parameter()
            self.space()
            if not self.source.startswith(":", self.at):
                raise self.unexpected("':'")
            self.at += 1
            pairs.append((key, self.parameter()))
            self.space()
            if self.source.startswith("}", self.at):
                self.at += 1
                return nodes.mapping_literal(pairs)
            if not self.source.startswith(",", self.at):
                raise self.unexpected("',' or '}'")
            self.at += 1
