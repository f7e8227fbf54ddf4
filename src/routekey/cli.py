"""The commands."""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from routekey import __version__
from routekey.config import Settings, SettingsError, add_flags, load

if TYPE_CHECKING:
    from routekey.app import Gateway
    from routekey.logs import Output

log = logging.getLogger("routekey")

NOT_YET = (
    "deploy",
    "tail",
    "new",
    "generate",
    "validate",
    "diff",
    "docs",
    "export",
    "package",
    "call",
    "listen",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; gives the exit code of contract 2."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(
        "routekey", description="The open gateway for API Gateway WebSocket APIs.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"routekey {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    serve = commands.add_parser(
        "serve", help="run the gateway", description="Run the gateway.", allow_abbrev=False,
        epilog="Each flag is also a variable ROUTEKEY_<NAME> and a key of routekey.toml, the nearer one winning.",
    )  # fmt: skip
    render = commands.add_parser(
        "render",
        help="render a mapping template",
        description="Render a mapping template as the gateway would, and print the output.",
        allow_abbrev=False,
    )
    render.add_argument("template", metavar="TEMPLATE", help="the file of the template")
    render.add_argument("--body", metavar="FILE", help="what $input reads: the message, or a backend's answer")
    render.add_argument("--params", metavar="FILE", help='JSON: {"path": {}, "querystring": {}, "header": {}}')
    render.add_argument("--context", metavar="FILE", help="JSON object behind $context")
    render.add_argument("--stage-variables", metavar="FILE", help="JSON object behind $stageVariables")
    serve.add_argument("source", nargs="?", help=argparse.SUPPRESS)
    try:
        if given and given[0] in NOT_YET:
            raise SettingsError(f"routekey {given[0]} is not built yet")
        add_flags(serve)
        values = parser.parse_args(given)
        if values.command is None:
            parser.print_help()
            return 2
        if values.command == "render":
            return _render(values)
        if values.source is not None:
            raise SettingsError(
                f"serving {values.source} is not built yet: start without it, and make the API with the AWS CLI"
            )
        return _serve(load(vars(values), terminal=sys.stdout.isatty()))
    except SettingsError as error:
        print(f"routekey: {error}", file=sys.stderr)
        return 2


def _render(values: argparse.Namespace) -> int:
    from routekey import TemplateError, render_template

    def text(path: str | None) -> str:
        try:
            return Path(path).read_text() if path else ""
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{path} cannot be read: {error}") from None

    def mapping(path: str | None) -> dict[str, Any]:
        try:
            value = json.loads(text(path) or "{}")
        except ValueError as error:
            raise SettingsError(f"{path} is not JSON: {error}") from None
        if not isinstance(value, dict):
            raise SettingsError(f"{path}: a JSON object is expected")
        return value

    try:
        output = render_template(
            text(values.template),
            body=text(values.body),
            params=mapping(values.params),
            context=mapping(values.context),
            stage_variables=mapping(values.stage_variables),
        )
    except TemplateError as error:
        print(f"routekey: {values.template}:{error.line}:{error.column}: {error.message}", file=sys.stderr)
        return 2
    print(output, end="")
    return 0


def _serve(settings: Settings) -> int:
    from routekey.app import Gateway
    from routekey.aws import moto
    from routekey.logs import Output
    from routekey.state.store import StoreError

    if settings.aws == "moto":
        try:
            moto.require()
        except moto.NotInstalled as error:
            raise SettingsError(str(error)) from None

    async def run() -> int:
        try:
            gateway = Gateway(settings)
        except StoreError as error:
            print(f"routekey: {error}", file=sys.stderr)
            return 1
        output = Output(settings.log_format, settings.log_level)
        code = await _until_stopped(gateway, output)
        if not output.finish():
            # The writing thread is stuck on a pipe that nobody reads, and would hold up the interpreter's end.
            os._exit(code)
        return code

    try:
        import uvloop
    except ImportError:
        return asyncio.run(run())
    return uvloop.run(run())


async def _until_stopped(gateway: Gateway, output: Output) -> int:
    from routekey.aws.moto import MotoFailed

    settings = gateway.settings
    signals = _Signals()
    try:
        await gateway.start()
    except MotoFailed as error:
        print(f"routekey: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        address = f"{settings.host}:{settings.port}"
        print(
            f"routekey: cannot listen on {address} ({error.strerror or error}): stop what does, or use --port",
            file=sys.stderr,
        )
        return 1
    gc.collect()
    gc.freeze()  # what a start leaves lives as long as the process: collections need not walk it
    output.line(gateway.url)
    for url in await gateway.stages():
        output.line(url)
    if settings.aws == "moto":
        log.info("moto serves AWS", extra={"data": {"url": gateway.endpoints.aws}})
    await signals.first.wait()
    await gateway.stop(signals.second)
    return 0


class _Signals:
    """The first SIGINT or SIGTERM asks to drain, the second to end at once."""

    def __init__(self) -> None:
        self.first = asyncio.Event()
        self.second = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._heard)

    def _heard(self) -> None:
        (self.second if self.first.is_set() else self.first).set()


if __name__ == "__main__":
    sys.exit(main())
