"""What `make demo` runs: a gateway with the chat on it, and what to type next."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

from deploy import deploy

DATA = Path(".routekey")

NEXT = """
The chat is running at

    {url}

Open two more terminals in this folder and type in each, with a name of its own:

    {python} -m websockets '{url}?name=ann'
    {python} -m websockets '{url}?name=bob'

Then send, in either of them:

    {{"action": "say", "text": "hello"}}      the other one sees it
    {{"action": "who"}}                       who is here
    anything else                           goes to $default

The AWS CLI sees the same gateway:

    aws apigatewayv2 get-apis --endpoint-url {endpoint} --no-sign-request --region us-east-1

Ctrl-C stops it. What happens in the gateway shows below.
"""


def main() -> int:
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    DATA.mkdir(exist_ok=True)
    room = (DATA / "chat.db").absolute()
    port = os.environ.get("PORT") or "8080"
    # A session of its own, so that Ctrl-C reaches it through us alone and it drains once.
    gateway = subprocess.Popen(
        [sys.executable, "-m", "routekey", "serve", "--port", port, "--log-format", "text",
         "--data", f"sqlite:{DATA / 'demo.db'}"],
        stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        assert gateway.stdout is not None
        endpoint = gateway.stdout.readline().strip()
        if not endpoint:
            print("make demo PORT=NUMBER takes another port.", file=sys.stderr)
            return gateway.wait()
        room.unlink(missing_ok=True)  # the gateway is ours alone now: nobody is there yet
        url = deploy(endpoint, room)
        program = Path(sys.executable)
        with contextlib.suppress(ValueError):
            program = program.relative_to(Path.cwd())
        print(NEXT.format(url=url, endpoint=endpoint, python=program), flush=True)
        for line in gateway.stdout:
            print(line, end="", flush=True)
        return gateway.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        if gateway.poll() is None:
            gateway.terminate()
            try:
                gateway.wait(10)
            except subprocess.TimeoutExpired:
                gateway.kill()


if __name__ == "__main__":
    sys.exit(main())
