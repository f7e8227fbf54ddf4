"""Addresses by name, and the order in which several are tried."""

from __future__ import annotations

import pytest

from routekey.errors import CompileError
from routekey.gateway.integrations.address import RETRY_SECONDS, AddressMap, Targets
from routekey.wire.transport import Origin
from tests.support import ManualClock

A, B, C = (Origin(name, 80) for name in "abc")


def firsts(targets: Targets, times: int) -> str:
    """Where so many requests are sent first."""
    return "".join(targets.order()[0].host for _ in range(times))


def test_addresses_take_turns_and_every_request_may_try_them_all() -> None:
    targets = Targets([A, B, C], ManualClock())
    assert [list(targets.order()) for _ in range(4)] == [[A, B, C], [B, C, A], [C, A, B], [A, B, C]]


def test_one_that_failed_comes_last_until_its_time_is_over() -> None:
    clock = ManualClock()
    targets = Targets([A, B, C], clock)
    targets.failed(B)
    assert {order[-1] for order in (targets.order() for _ in range(6))} == {B}
    clock.advance(RETRY_SECONDS - 0.01)
    assert "b" not in firsts(targets, 6)
    clock.advance(0.01)
    assert sorted(firsts(targets, 6)) == list("aabbcc")


def test_one_that_works_again_is_back_at_once() -> None:
    targets = Targets([A, B], ManualClock())
    targets.failed(A)
    assert firsts(targets, 4) == "bbbb"
    targets.worked(A)
    assert sorted(firsts(targets, 4)) == list("aabb")


def test_where_all_failed_the_one_that_failed_first_is_tried_first() -> None:
    clock = ManualClock()
    targets = Targets([A, B, C], clock)
    for each in (B, C, A):
        targets.failed(each)
        clock.advance(1)
    assert {tuple(targets.order()) for _ in range(6)} == {(B, C, A)}


def test_a_single_address_is_always_tried() -> None:
    targets = Targets([A], ManualClock())
    targets.failed(A)
    assert list(targets.order()) == [A]


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("127.0.0.1:80", [("127.0.0.1", 80)]),
        ("my-host_1.example:65535", [("my-host_1.example", 65535)]),
        ("[::1]:9000", [("::1", 9000)]),
        ("unix:/run/app.sock", [("/run/app.sock", 0)]),
        ("unix:relative", [("relative", 0)]),
        ("a:1,b:2", [("a", 1), ("b", 2)]),
        (" a:1 , unix:/x ,[::1]:3 ", [("a", 1), ("/x", 0), ("::1", 3)]),
    ],
)
def test_an_entry_has_one_address_or_several(text: str, addresses: list[tuple[str, int]]) -> None:
    assert AddressMap({"name": text}).find(["name"]) == ("name", addresses)


@pytest.mark.parametrize(
    "text",
    ["", "host", "host:", ":80", "host:port", "host:0", "host:65536", "host:123456", "::1:80", "[::1]", "unix:",
     "http://host:80", "host:80/path", "a:1,", ",a:1", "a:1 b:2", "user@host:80"],
)  # fmt: skip
def test_an_entry_that_is_no_address_is_refused_by_name(text: str) -> None:
    with pytest.raises(CompileError, match=r"--map name=.*HOST:PORT, unix:PATH"):
        AddressMap({"name": text}).find(["name"])


def test_the_first_name_that_has_an_entry_counts_and_entries_nobody_asks_for_need_be_no_addresses() -> None:
    table = AddressMap({"second": "b:2", "third": "c:3", "Parameter.Value": "plain text"})
    assert table.find(["first", "second", "third"]) == ("second", [("b", 2)])
    assert table.find(["first"]) is None
    assert table.find([]) is None


def test_names_are_matched_whole_and_with_their_case() -> None:
    table = AddressMap({"Link": "a:1"})
    assert table.find(["link", "Lin", "Link ", "Link:80"]) is None
