"""Settings: flags over environment over file, and what is refused."""

from __future__ import annotations

import argparse
import datetime
from pathlib import Path
from typing import Any

import pytest

from routekey.config import Settings, SettingsError, add_flags, load
from routekey.wire import tls


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


# --map, --aws, --backend-ca


ARN = "arn:aws:elasticloadbalancing:us-east-1:000000000000:loadbalancer/net/orders/50dc6c495c0c9188"


@pytest.mark.parametrize(
    ("flags", "environment", "file", "entries"),
    [
        ({}, {}, "", {}),
        ({"map": ["a=h:1"]}, {}, "", {"a": "h:1"}),
        ({"map": ["a=h:1,h:2", "b=unix:/run/x", f"{ARN}=[::1]:3"]}, {}, "",
         {"a": "h:1,h:2", "b": "unix:/run/x", ARN: "[::1]:3"}),
        ({"map": [" a = h:1 "]}, {}, "", {"a": "h:1"}),
        ({"map": ["a=h:1", "a=h:2"]}, {}, "", {"a": "h:2"}),
        ({"map": ["a.Value=x=y"]}, {}, "", {"a.Value": "x=y"}),
        ({}, {"ROUTEKEY_MAP": "a=h:1"}, "", {"a": "h:1"}),
        ({}, {"ROUTEKEY_MAP": "a=h:1,h:2,b=h:3"}, "", {"a": "h:1,h:2", "b": "h:3"}),
        ({}, {"ROUTEKEY_MAP": " a=h:1, h:2 , b=unix:/x,h:3 "}, "", {"a": "h:1,h:2", "b": "unix:/x,h:3"}),
        ({}, {}, '[map]\na = "h:1"\n"host.example:80" = "h:2"\nb = ["h:3", "unix:/x"]\n',
         {"a": "h:1", "host.example:80": "h:2", "b": "h:3,unix:/x"}),
        ({}, {}, 'map = ["a=h:1", "b=h:2,h:3"]\n', {"a": "h:1", "b": "h:2,h:3"}),
        ({"map": ["a=flag:1"]}, {"ROUTEKEY_MAP": "a=variable:1"}, '[map]\na = "file:1"\n', {"a": "flag:1"}),
        ({}, {"ROUTEKEY_MAP": "a=variable:1"}, '[map]\na = "file:1"\n', {"a": "variable:1"}),
    ],
)  # fmt: skip
def test_map_is_a_table_of_names_and_addresses_wherever_it_is_written(
    tmp_path: Path, flags: Any, environment: Any, file: str, entries: dict[str, str]
) -> None:
    assert settings(tmp_path, flags, environment, file).map == entries


@pytest.mark.parametrize(
    ("flags", "environment", "file", "says"),
    [
        ({"map": ["a"]}, {}, "", "--map: a is not NAME=ADDRESS"),
        ({"map": ["good=h:1", "=h:1"]}, {}, "", "--map: h:1 is not NAME=ADDRESS"),
        ({"map": ["a="]}, {}, "", "--map: a is not NAME=ADDRESS"),
        ({"map": [""]}, {}, "", "is not NAME=ADDRESS, such as my-link=127.0.0.1:9000"),
        ({}, {"ROUTEKEY_MAP": "h:1,a=h:2"}, "", "ROUTEKEY_MAP: h:1 is not NAME=ADDRESS"),
        ({}, {"ROUTEKEY_MAP": ""}, "", "ROUTEKEY_MAP:"),
        ({}, {}, 'map = "a"', "map in routekey.toml: a is not NAME=ADDRESS"),
        ({"map": ["foo=bar"]}, {}, "", "--map: foo=bar: HOST:PORT"),
        ({"map": ["foo=127.0.0.1:99999"]}, {}, "", "--map: foo=127.0.0.1:99999: HOST:PORT"),
        ({"map": ["foo=127.0.0.1:1,"]}, {}, "", "--map: foo=127.0.0.1:1,: HOST:PORT"),
        ({"map": ["foo=http://127.0.0.1:1"]}, {}, "", "--map: foo=http://127.0.0.1:1: HOST:PORT"),
        ({"aws": "http://me:secret@127.0.0.1"}, {}, "", "--aws: the URL holds a user or password"),
        ({}, {}, '[map]\na = ""', "map in routekey.toml: a is not NAME=ADDRESS"),
        ({}, {}, "[map.a]\nb = 1", "map in routekey.toml: a={'b': 1}: HOST:PORT"),
        ({}, {}, "map = 7", "map in routekey.toml: 7 is not NAME=ADDRESS"),
        ({"aws": "localstack"}, {}, "", "--aws localstack: moto, real, or the URL of an endpoint"),
        ({"aws": ""}, {}, "", "--aws"),
        ({"aws": "127.0.0.1:4566"}, {}, "", "--aws 127.0.0.1:4566"),
        ({"aws": "ftp://127.0.0.1"}, {}, "", "--aws ftp://127.0.0.1"),
        ({"aws": "http://"}, {}, "", "--aws http://"),
        ({"aws": "http://127.0.0.1:99999"}, {}, "", "--aws http://127.0.0.1:99999"),
        ({"aws": "http://[::1"}, {}, "", "--aws http://[::1"),
        ({}, {"ROUTEKEY_AWS": "Moto"}, "", "--aws Moto"),
        ({}, {}, 'aws = "x"', "--aws x"),
        ({"backend_ca": "missing.pem"}, {}, "", "--backend-ca missing.pem: these are no certificates in PEM"),
        ({}, {"ROUTEKEY_BACKEND_CA": "missing.pem"}, "", "--backend-ca missing.pem"),
        ({}, {}, 'backend_ca = "routekey.toml"', "--backend-ca routekey.toml"),
    ],
)  # fmt: skip
def test_a_bad_map_aws_or_authority_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: Any, environment: Any, file: str, says: str
) -> None:
    monkeypatch.chdir(tmp_path)  # where the file of certificates would be
    with pytest.raises(SettingsError) as caught:
        settings(tmp_path, flags, environment, file)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    "value", ["moto", "real", "http://127.0.0.1:4566", "https://aws.example", "http://[::1]:4566/", "http://localhost"]
)
def test_aws_is_moto_real_or_an_endpoint(tmp_path: Path, value: str) -> None:
    assert settings(tmp_path, {"aws": value}).aws == value
    assert settings(tmp_path, environment={"ROUTEKEY_AWS": value}).aws == value
    assert settings(tmp_path, file=f'aws = "{value}"\n').aws == value


def test_without_flags_nothing_is_mapped_and_aws_is_out_of_reach(tmp_path: Path) -> None:
    given = settings(tmp_path)
    assert (given.map, given.aws, given.backend_ca) == ({}, None, None)


def test_backend_ca_takes_certificates_in_pem(tmp_path: Path) -> None:
    authority = tls.ensure(tmp_path / "tls", ["backend.internal"], datetime.datetime.now(datetime.UTC))
    assert settings(tmp_path, {"backend_ca": str(authority.ca)}).backend_ca == str(authority.ca)
    with pytest.raises(SettingsError, match="no certificates in PEM"):
        settings(tmp_path, {"backend_ca": str(authority.ca_key)})


def test_the_command_line_takes_map_again_and_again(tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    add_flags(parser)
    flags = vars(parser.parse_args(["--map", "a=h:1", "--map", "b=h:2,h:3", "--aws", "moto"]))
    given = settings(tmp_path, flags)
    assert (given.map, given.aws) == ({"a": "h:1", "b": "h:2,h:3"}, "moto")
