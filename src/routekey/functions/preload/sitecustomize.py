"""Runs in a function's process before its code: leads its calls to the gateway's own hosts home.

Names such as abc123.execute-api.us-east-1.amazonaws.com, and the gateway's custom domains, resolve
to a marker address; a connection to the marker goes to the gateway; TLS to such a name trusts the
gateway's certificate authority beside the system's. Nothing else is touched, and the function's
code needs neither change nor setting.
"""

import importlib.machinery
import importlib.util
import os
import re
import socket
import ssl
import sys

_MARKER = "127.82.75.1"
_HOSTS = re.compile(r"[a-z0-9]+\.execute-api\.[a-z0-9-]+\.amazonaws\.com(\.cn)?\.?", re.IGNORECASE)


def _install(gateway, authority, domains):
    host, _, port = gateway.rpartition(":")
    home = (host.strip("[]"), int(port))
    pem = ""
    if authority:
        with open(authority) as file:
            pem = file.read()

    def ours(name):
        if isinstance(name, bytes):
            name = name.decode("latin-1")
        return isinstance(name, str) and (_HOSTS.fullmatch(name) is not None or name.lower() in domains)

    def redirected(address):
        if isinstance(address, tuple) and len(address) >= 2 and (address[0] == _MARKER or ours(address[0])):
            return home
        return address

    getaddrinfo = socket.getaddrinfo
    gethostbyname = socket.gethostbyname

    def lead_getaddrinfo(host, port, *args, **kwargs):
        return getaddrinfo(_MARKER if ours(host) else host, port, *args, **kwargs)

    def lead_gethostbyname(hostname, /):
        return _MARKER if ours(hostname) else gethostbyname(hostname)

    socket.getaddrinfo = lead_getaddrinfo
    socket.gethostbyname = lead_gethostbyname

    for name in ("connect", "connect_ex"):
        real = getattr(socket.socket, name)

        def connect(self, address, real=real):
            return real(self, redirected(address))

        setattr(socket.socket, name, connect)

    for name, position in (("wrap_socket", 4), ("wrap_bio", 3)):
        real = getattr(ssl.SSLContext, name)

        def wrap(self, *args, _real=real, _position=position, **kwargs):
            peer = args[_position] if len(args) > _position else kwargs.get("server_hostname")
            if pem and peer is not None and ours(peer):
                self.load_verify_locations(cadata=pem)
            return _real(self, *args, **kwargs)

        setattr(ssl.SSLContext, name, wrap)

    class LeadUvloop:
        """libuv resolves and connects in C: its loop's methods are led when it is imported."""

        def find_spec(self, name, path=None, target=None):
            if name != "uvloop":
                return None
            sys.meta_path.remove(self)
            spec = importlib.util.find_spec(name)
            if spec is None or spec.loader is None:
                return spec
            execute = spec.loader.exec_module

            def exec_module(module):
                execute(module)
                loop = module.Loop
                resolve, create = loop.getaddrinfo, loop.create_connection

                async def lead_resolve(self, host, port, **kwargs):
                    return await resolve(self, _MARKER if ours(host) else host, port, **kwargs)

                async def lead_create(self, factory, host=None, port=None, **kwargs):
                    if host is not None and (host == _MARKER or ours(host)):
                        if kwargs.get("ssl") is not None and kwargs.get("server_hostname") is None:
                            kwargs["server_hostname"] = host
                        host, port = home
                    return await create(self, factory, host, port, **kwargs)

                loop.getaddrinfo, loop.create_connection = lead_resolve, lead_create

            spec.loader.exec_module = exec_module
            return spec

    sys.meta_path.insert(0, LeadUvloop())


def _chain():
    """Run the sitecustomize that this one hides, if there is one."""
    here = os.path.dirname(os.path.abspath(__file__))
    rest = [path for path in sys.path if os.path.abspath(path or ".") != here]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", rest)
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


_gateway = os.environ.get("_ROUTEKEY_GATEWAY", "")
if _gateway:
    _install(
        _gateway,
        os.environ.get("_ROUTEKEY_CA", ""),
        frozenset(os.environ.get("_ROUTEKEY_DOMAINS", "").lower().split()),
    )
_chain()
