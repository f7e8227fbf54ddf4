"""Settings: flags over environment over file, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from routekey.config import Settings, SettingsError, load


def settings(
    tmp_path: Path, flags: dict[str, Any] | None = None, environment: dict[str, str] | None = None, file: str = ""
) -> Settings:
    if file:
        (tmp_path / "routekey.toml").write_text(file)
    return load(flags or {}, environment or {}, tmp_path, terminal=True)


def test_the_defaults_are_those_of_the_contract(tmp_path: Path) -> None:
    given = settings(tmp_path)
    assert (given.host, given.port, given.data) == ("127.0.0.1", 8080, "sqlite:.routekey/routekey.db")
    assert (given.region, given.account_id, given.auth, given.tls) == ("us-east-1", "000000000000", "open", "auto")
    quotas = given.quotas
    assert (quotas.idle_timeout, quotas.max_connection_age) == (600, 7200)
    assert (quotas.max_message, quotas.max_frame) == (131072, 32768)


def test_flags_win_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    file = 'port = 1\nregion = "eu-west-1"\nidle_timeout = 5\ntrusted_proxy = ["10.0.0.0/8"]\n[quota]\nroutes = 7\n'
    environment = {"ROUTEKEY_PORT": "2", "ROUTEKEY_IDLE_TIMEOUT": "6", "OTHER": "x"}
    given = settings(tmp_path, {"port": "3"}, environment, file)
    assert (given.port, given.region, given.quotas.idle_timeout, given.quotas.routes) == (3, "eu-west-1", 6.0, 7)
    assert str(given.trusted_proxy[0]) == "10.0.0.0/8"


def test_zero_means_any_port_and_no_limit_wherever_it_is_written(tmp_path: Path) -> None:
    assert settings(tmp_path, {"port": "0", "quota": ["connect_rate=0"]}).quotas.connect_rate == 0
    assert settings(tmp_path, environment={"ROUTEKEY_PORT": "0"}).port == 0
    given = settings(tmp_path, file="port = 0\n[quota]\nconnect_rate = 0\n")
    assert (given.port, given.quotas.connect_rate) == (0, 0)


def test_lists_in_the_environment_are_split_at_commas(tmp_path: Path) -> None:
    given = settings(tmp_path, environment={"ROUTEKEY_TRUSTED_PROXY": "10.0.0.0/8, 192.168.0.0/16"})
    assert len(given.trusted_proxy) == 2


@pytest.mark.parametrize(
    ("flags", "environment", "file", "says"),
    [
        ({"port": "x"}, {}, "", "--port: x is no number"),
        ({"port": "70000"}, {}, "", "--port: 70000 is no port"),
        ({"auth": "sigv4"}, {}, "", "--auth sigv4 is not built yet"),
        ({"auth": "none"}, {}, "", "--auth none: open is expected"),
        ({"host": "0.0.0.0"}, {}, "", "--insecure"),
        ({"data": "nats://x"}, {}, "", "nats is not built yet"),
        ({"tls": "cert.pem,key.pem"}, {}, "", "cert.pem is missing"),
        ({"account_id": "12"}, {}, "", "12 digits"),
        ({"quota": ["routes"]}, {}, "", "routes is not NAME=NUMBER"),
        ({"quota": ["rotues=1"]}, {}, "", "rotues is no quota"),
        ({"trusted_proxy": ["x"]}, {}, "", "x is no network"),
        ({"log_level": "loud"}, {}, "", "--log-level loud"),
        ({"idle_timeout": "-1"}, {}, "", "--idle-timeout: -1 is negative"),
        ({}, {"ROUTEKEY_PROT": "1"}, "", "ROUTEKEY_PROT is no setting"),
        ({}, {"ROUTEKEY_WORKERS": "2"}, "", "ROUTEKEY_WORKERS is not built yet"),
        ({}, {}, "prot = 1", "prot in routekey.toml is no setting"),
        ({}, {}, 'log-level = "debug"', "write log_level"),
        ({"public_host": "http://x"}, {}, "", "HOST or HOST:PORT"),
        ({"region": "mars"}, {}, "", "a region such as"),
        ({"data": "memory"}, {}, "", "memory: or sqlite:PATH"),
        ({"idle_timeout": "nan"}, {}, "", "nan is no number"),
        ({"quota": ["in_flight=0"]}, {}, "", "0 leaves nothing"),
        ({"tls": "a,b,c"}, {}, "", "CERT,KEY"),
        ({}, {}, "watch = true", "watch in routekey.toml is not built yet"),
        ({}, {}, "port = [", "cannot be read"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_named(tmp_path: Path, flags: Any, environment: Any, file: str, says: str) -> None:
    tmp_path.joinpath("routekey.toml").write_text(file)
    with pytest.raises(SettingsError) as caught:
        load(flags, environment, tmp_path, terminal=True)
    assert says in str(caught.value).replace(str(tmp_path) + "/", "")


def test_a_host_that_others_reach_wants_insecure_said(tmp_path: Path) -> None:
    assert settings(tmp_path, {"host": "0.0.0.0", "insecure": True}).host == "0.0.0.0"
    assert settings(tmp_path, {"host": "localhost"}).is_loopback
    assert settings(tmp_path, {"host": "::1"}).is_loopback
