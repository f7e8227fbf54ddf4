"""Templates are written by strangers, and see what clients send: what they may not do, and how far they may go."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import routekey
from routekey.errors import EvaluationError, ExpressionError
from routekey.expressions.jsonpath import compile_path
from routekey.expressions.vtl.errors import TemplateError
from routekey.expressions.vtl.template import Template


def render(template: str, body: str = "", **context: Any) -> str:
    return Template(template).render(body, {}, context, {})


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("#set($s='x')#foreach($i in [1..40])#set($s=\"$s$s\")#end$s", "string is longer"),
        ("#set($s='x')#foreach($i in [1..40])#set($s=$s+$s)#end$s", "string is longer"),
        ("#set($s='ab')#foreach($i in [1..40])#set($s=$s.replace('a','aa'))#end", "string is longer"),
        ("#set($s='ab')#foreach($i in [1..9])#set($s=$s.replaceAll('.','$0$0$0$0$0$0$0$0'))#end", "too long|longer"),
        ("#set($s='x')$s.repeat(99999999)", "string is longer"),
        ("#set($n=9)#foreach($i in [1..60])#set($n=$n*$n)#end$n", "digits"),
        ("#foreach($i in [1..99999999])x#end", "range has more than"),
        ("#foreach($a in [1..1000])#foreach($b in [1..1000])x#end#end", "steps"),
        ("#set($t='xxxxxxxxxxxxxxxx')#foreach($a in [1..1000])#foreach($b in [1..100])$t$t$t$t#end#end", "longer"),
        ("#macro(m)#m()#end#m()", "deeper"),
        ("#define($d)$d#end$d", "deeper"),
        ("#set($l=[])#foreach($i in [1..30])#set($l=[$l,$l])#end$l", "longer|deep|steps|more than"),
        ("#set($m={})#set($m.a=$m)$m", "deep"),
        ("#set($l=[1])#foreach($i in [1..40])$l.addAll($l)#end", "list has more than"),
        ("#set($s='1,2,3,4,5,6,7,8,9,1,2,3,4,5,6,7,8,9,1,2,3,4,5,6,7,8,9,1,2')$s.matches('(.*?,){25}P')", "too long"),
        ("#set($s='x')$s.matches('(')", "no regular expression"),
        ("$input.path('$.x').format('%99999999s','x')", ""),
    ],
)  # fmt: skip
def test_what_grows_without_end_ends_in_a_clear_error(template: str, says: str) -> None:
    started = time.process_time()
    if says:
        with pytest.raises(TemplateError, match=says):
            render(template)
    else:
        render(template)
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    "source", ["(" * 300 + "1" + ")" * 300, "[" * 300 + "]" * 300, "!" * 5000 + "true", "{1:" * 500]
)
def test_what_nests_too_deep_does_not_compile(source: str) -> None:
    with pytest.raises(TemplateError):
        Template(f"#set($x = {source})")
    with pytest.raises(TemplateError):
        Template("#if(true)" * 300 + "#end" * 300)


@pytest.mark.parametrize(
    "template",
    [
        "[$x.__class__]",
        "[$x.class]",
        "[$x.class.forName('os')]",
        "[$x.getClass()]",
        "[$x.__init__()]",
        "[$x['__class__']]",
        "[$input.__dict__]",
        "[$input._document]",
        "[$util.methods]",
        "[$util.__class__.__mro__]",
        "[$context.__class__]",
        "[$foreach.get('x')]",
        "[$x.encode('utf-8')]",
        "[$x.format_map($context)]",
        "[$input.path('$').__class__]",
    ],
)
def test_no_template_reaches_python(template: str) -> None:
    assert render("#set($x='text')" + template, '{"a":1}') == "[]"


@pytest.mark.parametrize("name", ["include", "parse", "evaluate"])
def test_templates_that_load_templates_are_refused_with_their_place(name: str) -> None:
    with pytest.raises(TemplateError) as caught:
        Template(f"a\nb #{name}('x')")
    assert (caught.value.line, caught.value.column) == (2, 3)


def test_an_error_says_where_it_is() -> None:
    with pytest.raises(TemplateError) as caught:
        Template("line one\n  #if(true)\n  x #set($a = )\n#end")
    assert (caught.value.line, caught.value.column) == (3, 15)


def test_a_template_that_fails_says_which_reference_did() -> None:
    with pytest.raises(TemplateError) as caught:
        render("\n\n  $input.path('$.s').substring(9)", '{"s":"abc"}')
    assert (caught.value.line, caught.value.column) == (3, 3)


PIECES = [
    "$a", "${a}", "$!a.b", "$a[0]", "$a.get('b')", "\\$a", "#set($a = ", "1 + ", "'x'", '"$a#if(true)y#end"', "[1..5]",
    "{'k':$a}", ")", "#if($a == 1)", "#elseif(true)", "#else", "#end", "#foreach($i in $a)", "#macro(m $p)", "#m(1)",
    "#define($d)", "#stop", "#break", "## c\n", "#* c *#", "#[[x]]#", "\n", "  ", "text", "$input.json('$')",
    "$input.path('$.a[*]')", "$util.base64Encode($a)", "$a.replaceAll('a+','$0')", "-7", "%", "&&", "!", "(", "]", "}",
]  # fmt: skip


@settings(derandomize=True, max_examples=600, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join), st.text(max_size=30))
def test_any_template_renders_or_raises_its_own_error(source: str, body: str) -> None:
    with contextlib.suppress(TemplateError):
        assert isinstance(Template(source).render(body, {}, {"a": [1, {"b": "x"}]}, {}), str)


@settings(derandomize=True, max_examples=600, deadline=None)
@given(st.text(alphabet="$.[]()*?@'\"ab01,:-!=<>&| ~/", max_size=30))
def test_any_path_compiles_or_raises_its_own_error(source: str) -> None:
    with contextlib.suppress(ExpressionError, EvaluationError):
        compile_path(source).find({"a": [1, {"b": "x"}], "b": None})


def test_a_search_that_looks_at_too_much_ends() -> None:
    document: Any = {"a": [{"a": [{"a": list(range(50))} for _ in range(40)]} for _ in range(40)]}
    with pytest.raises(EvaluationError, match="looks at more than"):
        compile_path("$..[?(@..a)]..a..*").find(document)


def test_a_body_is_parsed_once_and_what_is_put_into_it_shows() -> None:
    template = "#set($d = $input.path('$'))#set($x = $d.put('b', 2))$input.json('$')"
    assert render(template, '{"a":1}') == '{"a":1,"b":2}'


def test_render_template_is_the_public_door() -> None:
    out = routekey.render_template(
        "$input.path('$.who') $context.stage $stageVariables.env $input.params('q')",
        body=b'{"who":"Ada"}',
        params={"querystring": {"q": "x"}},
        context={"stage": "dev"},
        stage_variables={"env": "test"},
    )
    assert out == "Ada dev test x"
    with pytest.raises(routekey.TemplateError) as caught:
        routekey.render_template("#if(")
    assert (caught.value.line, caught.value.column) == (1, 5)
