"""Deployment packages: what is refused, what is unpacked, and where."""

from __future__ import annotations

import io
import stat
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.functions.helpers import Maker, archive, invoke
from tests.support import RunningGateway, package

ECHO = "def handler(event, context):\n    return event\n"


def entry(name: str, mode: int = 0o644) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


def corrupted() -> bytes:
    """A zip whose directory is whole, and whose data is not."""
    data = package({"app.py": ECHO})
    at = data.index(b"return event")
    return data[:at] + b"return never" + data[at + 12 :]


def encrypted() -> bytes:
    """A zip whose entry says that it needs a password."""
    data = bytearray(package({"app.py": ECHO}))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


def bomb(size: int) -> bytes:
    """A zip that says it holds `size` bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("app.py", ECHO)
        file.writestr("big", b"x")
        file.infolist()[1].file_size = size
    return buffer.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"this is no zip", id="text"),
        pytest.param(package({"app.py": ECHO})[:-30], id="cut short"),
        pytest.param(package({}), id="empty"),
        pytest.param(package({"../evil.py": ECHO}), id="above its folder"),
        pytest.param(package({"lib/../../evil.py": ECHO}), id="above its folder by a detour"),
        pytest.param(package({"/tmp/evil.py": ECHO}), id="absolute"),
        pytest.param(package({"..\\evil.py": ECHO}), id="above its folder on Windows"),
        pytest.param(bomb(300 * 1024 * 1024), id="too large unpacked"),
        pytest.param(corrupted(), id="corrupted"),
        pytest.param(encrypted(), id="encrypted"),
        pytest.param(
            archive([(entry("app.py"), ECHO.encode()), (entry("lib"), b""), (entry("lib/a.py"), b"")]),
            id="a file that is a folder too",
        ),
        pytest.param(package({"app.py": ECHO, "x" * 300: ""}), id="a name that no disk takes"),
    ],
)
def test_a_package_that_cannot_be_unpacked_safely_is_refused(functions: Any, make: Maker, data: bytes) -> None:
    with pytest.raises(functions.exceptions.InvalidParameterValueException):
        make.of_code({"ZipFile": data})


def test_a_package_with_too_many_files_is_refused(functions: Any, make: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("routekey.functions.code.MAX_FILES", 2)
    with pytest.raises(functions.exceptions.InvalidParameterValueException, match="3 files"):
        make.of_code({"ZipFile": package({"app.py": ECHO, "a": "", "b": ""})})


def test_an_update_to_a_package_that_is_none_leaves_the_function_as_it_was(
    gateway: RunningGateway, functions: Any, make: Maker
) -> None:
    name = make(ECHO)
    with pytest.raises(functions.exceptions.InvalidParameterValueException):
        functions.update_function_code(FunctionName=name, ZipFile=b"this is no zip")
    assert invoke(gateway, name, "hello").value == "hello"


def test_a_link_in_a_package_leads_nowhere(gateway: RunningGateway, make: Maker, tmp_path: Path) -> None:
    data = archive(
        [
            (entry("app.py"), ECHO.encode()),
            (entry("out", stat.S_IFLNK | 0o777), str(tmp_path).encode()),
            (entry("out/evil"), b"x"),
        ]
    )
    name = make.of_code({"ZipFile": data})
    assert invoke(gateway, name, "hello").value == "hello"
    assert list(tmp_path.iterdir()) == []


def test_packages_and_files_in_folders_are_found(gateway: RunningGateway, make: Maker) -> None:
    files = {
        "pack/__init__.py": "",
        "pack/inner.py": "from .text import read\ndef handler(event, context):\n    return read()\n",
        "pack/text.py": "def read():\n    return open('data/text.txt', encoding='utf-8').read()\n",
        "data/text.txt": "grüße",
    }
    assert invoke(gateway, make.of_code({"ZipFile": package(files)}, Handler="pack.inner.handler")).value == "grüße"
    assert invoke(gateway, make.of_code({"ZipFile": package(files)}, Handler="pack/inner.handler")).value == "grüße"


def test_files_that_may_be_run_stay_so(gateway: RunningGateway, make: Maker) -> None:
    source = (
        "import subprocess\ndef handler(event, context):\n    return subprocess.check_output(['./tool'], text=True)\n"
    )
    data = archive([(entry("app.py"), source.encode()), (entry("tool", 0o755), b"#!/bin/sh\necho ran\n")])
    assert invoke(gateway, make.of_code({"ZipFile": data})).value == "ran\n"


def test_a_package_of_ten_megabytes_is_taken(gateway: RunningGateway, make: Maker) -> None:
    source = "import os\ndef handler(event, context):\n    return os.path.getsize('big')\n"
    name = make.of_code({"ZipFile": package({"app.py": source, "big": "x" * 10_000_000})})
    assert invoke(gateway, name).value == 10_000_000


def test_functions_share_code_and_one_of_them_may_go(gateway: RunningGateway, functions: Any, make: Maker) -> None:
    source = "def handler(event, context):\n    return 'shared'\n"
    one, other = make(source), make(source)
    functions.delete_function(FunctionName=one)
    assert invoke(gateway, other).value == "shared"


def test_a_packaged_module_hides_one_of_the_gateways_own(gateway: RunningGateway, make: Maker) -> None:
    files = {
        "app.py": "import msgspec\ndef handler(event, context):\n    return msgspec.NAME\n",
        "msgspec.py": "NAME = 1",
    }
    assert invoke(gateway, make.of_code({"ZipFile": package(files)})).value == 1
