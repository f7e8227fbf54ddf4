"""Settings: flags over environment over routekey.toml, as one frozen value."""

from __future__ import annotations

import argparse
import ipaddress
import math
import os
import re
import ssl
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from routekey.resources.quotas import Quotas
from routekey.wire.http import parse_addresses

FILE = "routekey.toml"
PREFIX = "ROUTEKEY_"
# Flags of the contract that are still to be built: named, so that using one says so.
NOT_YET = ("stack_name", "credentials", "parameter", "watch", "workers", "admin_token")


class SettingsError(Exception):
    """A flag, variable or file that cannot be used; the message says which, and what to write."""


Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Settings:
    host: str = "127.0.0.1"
    port: int = 8080
    public_host: str | None = None
    trusted_proxy: tuple[Network, ...] = ()
    data: str = "sqlite:.routekey/routekey.db"
    region: str = "us-east-1"
    account_id: str = "000000000000"
    auth: str = "open"
    insecure: bool = False
    tls: str = "auto"  # auto, off, or CERT,KEY
    aws: str | None = None  # an endpoint's URL, moto or real
    map: Mapping[str, str] = field(default_factory=dict)
    backend_ca: str | None = None
    quotas: Quotas = field(default_factory=Quotas)
    function_environments: int = 16
    log_format: str = "text"
    log_level: str = "info"

    @property
    def is_loopback(self) -> bool:
        return is_loopback(self.host)


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Option:
    """One flag of `serve`, which is also a variable and a key of the file."""

    name: str
    metavar: str
    help: str
    repeatable: bool = False
    flag: bool = False


OPTIONS = (
    Option("host", "HOST", "address to listen on (127.0.0.1)"),
    Option("port", "PORT", "port to listen on; 0 picks one (8080)"),
    Option("public_host", "HOST[:PORT]", "what clients and backends call this gateway"),
    Option("trusted_proxy", "CIDR", "whose X-Forwarded-For and -Proto count; repeatable", repeatable=True),
    Option("data", "URL", "memory: or sqlite:PATH (sqlite:.routekey/routekey.db)"),
    Option("region", "NAME", "the region that ARNs and host names show (us-east-1)"),
    Option("account_id", "ID", "the account that ARNs show (000000000000)"),
    Option("auth", "open", "open: the control plane, the Lambda API and @connections check no signature"),
    Option("insecure", "", "allow --auth open on a host that is not loopback", flag=True),
    Option("tls", "auto|off|CERT,KEY", "certificates of the gateway's own CA, none, or yours (auto)"),
    Option("aws", "URL|moto|real", "where AWS services are: an endpoint, a moto server of the gateway's own, or AWS"),
    Option("map", "NAME=ADDRESS", "where a VPC link, load balancer, host or function is: HOST:PORT[,HOST:PORT...] or "
           "unix:PATH; repeatable", repeatable=True),
    Option("backend_ca", "FILE", "certificates in PEM that HTTPS backends may have, beside the system's"),
    Option("idle_timeout", "SECONDS", "close a connection without data for so long (600)"),
    Option("max_connection_age", "SECONDS", "close a connection after so long (7200)"),
    Option("max_message", "BYTES", "largest message, both ways (131072)"),
    Option("max_frame", "BYTES", "largest frame from a client (32768)"),
    Option("quota", "NAME=NUMBER", "another quota: " + ", ".join(
        each.name for each in fields(Quotas)
        if each.name not in ("idle_timeout", "max_connection_age", "max_message", "max_frame")
    ) + "; repeatable", repeatable=True),
    Option("function_environments", "N", "processes that one function may have at a time (16)"),
    Option("log_format", "text|json", "text, or one JSON object a line (text on a terminal, else json)"),
    Option("log_level", "LEVEL", "debug, info, warning or error (info)"),
)  # fmt: skip


_MAY_BE_ZERO = ("port", "connect_rate")  # any port; no limit. Elsewhere 0 leaves nothing to work with


def add_flags(parser: argparse.ArgumentParser) -> None:
    for option in OPTIONS:
        flag = "--" + option.name.replace("_", "-")
        if option.flag:
            parser.add_argument(flag, dest=option.name, action="store_true", default=None, help=option.help)
        else:
            action = "append" if option.repeatable else "store"
            parser.add_argument(flag, dest=option.name, action=action, metavar=option.metavar, help=option.help)
    for name in NOT_YET:
        nargs = 0 if name == "watch" else None
        parser.add_argument(
            "--" + name.replace("_", "-"), dest=name, action=_NotYet, nargs=nargs, help=argparse.SUPPRESS
        )


class _NotYet(argparse.Action):
    def __call__(self, parser: object, namespace: object, values: object, option: str | None = None) -> None:
        raise SettingsError(f"{option} is not built yet")


def load(
    flags: Mapping[str, Any],
    environment: Mapping[str, str] = os.environ,
    folder: Path | None = None,
    *,
    terminal: bool,
) -> Settings:
    """Settings from the flags that were given, the environment and routekey.toml in `folder`."""
    given: dict[str, tuple[Any, str]] = {"log_format": ("text" if terminal else "json", "the default")}
    known = {option.name: option for option in OPTIONS}
    for name, value in _file((folder or Path()) / FILE).items():
        given[name] = value, f"{name} in {FILE}"
    for variable, text in environment.items():
        if variable.startswith(PREFIX):
            name = variable.removeprefix(PREFIX).lower()
            if name in NOT_YET:
                raise SettingsError(f"{variable} is not built yet")
            if name not in known:
                raise SettingsError(
                    f"{variable} is no setting of routekey: unset it (routekey serve --help lists them)"
                )
            parts: Any = _listed(name, text) if known[name].repeatable else text
            given[name] = parts, variable
    for name, value in flags.items():
        if name in known and value is not None:
            given[name] = value, "--" + name.replace("_", "-")
    return _settings(given)


def _listed(name: str, text: str) -> list[str]:
    """The entries of a variable: commas part them, but for those between the addresses of one entry of `map`."""
    parts = [part.strip() for part in text.split(",")]
    if name != "map":
        return parts
    joined: list[str] = []
    for part in parts:
        if "=" not in part and joined:
            joined[-1] += f",{part}"
        else:
            joined.append(part)
    return joined


def _file(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        values = tomllib.loads(path.read_text())
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from None
    known = {option.name for option in OPTIONS}
    for name in values:
        if name in NOT_YET:
            raise SettingsError(f"{name} in {path} is not built yet")
        if name not in known:
            spelled = name.replace("-", "_")
            mend = f"write {spelled}" if spelled in known else "remove it (routekey serve --help lists them)"
            raise SettingsError(f"{name} in {path} is no setting of routekey: {mend}")
    return values


def _settings(given: Mapping[str, tuple[Any, str]]) -> Settings:
    values: dict[str, Any] = {}
    quotas: dict[str, Any] = {}
    numbers = {each.name: each.type for each in fields(Quotas)}
    for name, (value, source) in given.items():
        if name in numbers:
            quotas[name] = _number(value, numbers[name], source, zero=name in _MAY_BE_ZERO)
        elif name == "quota":
            for quota, number in _pairs(value, source):
                if quota not in numbers:
                    raise SettingsError(f"{source}: {quota} is no quota (one of {', '.join(numbers)})")
                quotas[quota] = _number(number, numbers[quota], f"{source} {quota}", zero=quota in _MAY_BE_ZERO)
        elif name == "map":
            values["map"] = parse_map(value, source)
        else:
            values[name] = _value(name, value, source)
    settings = Settings(**values, quotas=Quotas(**quotas))
    _check(settings)
    return settings


def _pairs(value: Any, source: str) -> list[tuple[str, Any]]:
    if isinstance(value, Mapping):
        return [(name.replace("-", "_"), number) for name, number in value.items()]
    pairs = []
    for text in value if isinstance(value, list) else [value]:
        name, sign, number = str(text).partition("=")
        if not sign:
            raise SettingsError(f"{source}: {text} is not NAME=NUMBER")
        pairs.append((name.strip().replace("-", "_"), number))
    return pairs


def parse_map(value: Any, source: str) -> dict[str, str]:
    """The entries of `--map`. What can only be an address has to be one; the rest shows when it is used."""
    if isinstance(value, Mapping):
        pairs = [
            (name, ",".join(map(str, each)) if isinstance(each, list) else str(each)) for name, each in value.items()
        ]
    else:
        texts = [str(text).partition("=") for text in (value if isinstance(value, list) else [value])]
        pairs = [(name.strip(), address.strip() if sign else "") for name, sign, address in texts]
    for name, address in pairs:
        if not name or not address:
            raise SettingsError(f"{source}: {name or address} is not NAME=ADDRESS, such as my-link=127.0.0.1:9000")
        attribute = "." in name and not name.startswith("arn:")  # of a resource, or a host name
        if not attribute and parse_addresses(address) is None:
            raise SettingsError(
                f"{source}: {name}={address}: HOST:PORT, unix:PATH, or several of them with commas are expected"
            )
    return dict(pairs)


def _number(value: Any, kind: Any, source: str, *, zero: bool = False) -> float | int:
    try:
        number = float(value) if "float" in str(kind) else int(value)
        if not math.isfinite(number):
            raise ValueError
    except (TypeError, ValueError):
        raise SettingsError(f"{source}: {value} is no number") from None
    if number < 0:
        raise SettingsError(f"{source}: {value} is negative")
    if number == 0 and not zero:
        raise SettingsError(f"{source}: 0 leaves nothing to work with")
    return number


def _value(name: str, value: Any, source: str) -> Any:
    if name in ("port", "function_environments"):
        number = _number(value, int, source, zero=name in _MAY_BE_ZERO)
        if name == "port" and number > 65535:
            raise SettingsError(f"{source}: {value} is no port (0 to 65535)")
        return number
    if name == "trusted_proxy":
        return tuple(_network(text, source) for text in (value if isinstance(value, list) else [value]))
    if name == "insecure":
        if isinstance(value, bool):
            return value
        if str(value).lower() not in ("true", "false", "1", "0"):
            raise SettingsError(f"{source}: {value} is neither true nor false")
        return str(value).lower() in ("true", "1")
    return str(value)


def _network(text: str, source: str) -> Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise SettingsError(f"{source}: {text} is no network such as 10.0.0.0/8") from None


def _check(settings: Settings) -> None:
    if settings.auth == "sigv4":
        raise SettingsError("--auth sigv4 is not built yet: use --auth open, on a loopback host")
    if settings.auth != "open":
        raise SettingsError(f"--auth {settings.auth}: open is expected")
    if not settings.is_loopback and not settings.insecure:
        raise SettingsError(
            f"--host {settings.host} can be reached by others, who could run code here with --auth open: "
            "use a loopback host, or add --insecure if that is meant"
        )
    if settings.log_format not in ("text", "json"):
        raise SettingsError(f"--log-format {settings.log_format}: text or json is expected")
    if settings.log_level.lower() not in ("debug", "info", "warning", "error"):
        raise SettingsError(f"--log-level {settings.log_level}: debug, info, warning or error is expected")
    if not (settings.account_id.isdigit() and len(settings.account_id) == 12):
        raise SettingsError(f"--account-id {settings.account_id}: 12 digits are expected")
    scheme, _, path = settings.data.partition(":")
    if scheme == "nats":
        raise SettingsError(f"--data {settings.data}: nats is not built yet, use memory: or sqlite:PATH")
    if settings.data != "memory:" and not (scheme == "sqlite" and path):
        raise SettingsError(f"--data {settings.data}: memory: or sqlite:PATH is expected")
    if settings.public_host is not None and not re.fullmatch(r"[A-Za-z0-9.-]+(:\d{1,5})?", settings.public_host):
        raise SettingsError(f"--public-host {settings.public_host}: HOST or HOST:PORT is expected")
    if not re.fullmatch("[a-z]{2}(-[a-z]+)+-[0-9]", settings.region):
        raise SettingsError(f"--region {settings.region}: a region such as us-east-1 is expected")
    if settings.aws is not None and settings.aws not in ("moto", "real"):
        _check_aws(settings.aws)
    if settings.backend_ca is not None:
        _check_authority(settings.backend_ca)
    if settings.tls not in ("auto", "off"):
        _check_tls(settings)


def _check_aws(url: str) -> None:
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
        if "@" in parts.netloc:
            raise SettingsError(
                "--aws: the URL holds a user or password, which endpoints of AWS do not take: leave it out"
            )
    except ValueError:
        valid = False
    if not valid:
        raise SettingsError(
            f"--aws {url}: moto, real, or the URL of an endpoint such as http://127.0.0.1:4566 is expected"
        )


def _check_authority(path: str) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except (ssl.SSLError, OSError) as error:
        raise SettingsError(f"--backend-ca {path}: these are no certificates in PEM ({error})") from None


def _check_tls(settings: Settings) -> None:
    parts = settings.tls.split(",")
    if len(parts) != 2:
        raise SettingsError(f"--tls {settings.tls}: auto, off, or the files CERT,KEY are expected")
    for part in parts:
        if not Path(part).is_file():
            raise SettingsError(f"--tls {settings.tls}: {part} is missing")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*parts)
    except (ssl.SSLError, OSError) as error:
        raise SettingsError(f"--tls {settings.tls}: these are no certificate and key in PEM ({error})") from None
