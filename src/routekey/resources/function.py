"""Functions, their versions and aliases, as the Lambda API names their members."""

from __future__ import annotations

from typing import Any, ClassVar

from msgspec import field

from routekey.resources.base import ABSENT, Maybe, Resource

LATEST = "$LATEST"


class Function(Resource, frozen=True, kw_only=True, rename="pascal"):
    """One version of a function; `$LATEST` is the one that updates change."""

    collection: ClassVar = "functions"
    ids: ClassVar = ("function_name", "version")
    kind: ClassVar = "Function"

    function_name: str
    version: str = LATEST
    runtime: str
    handler: str
    role: str = ""
    description: str = ""
    timeout: int = 3  # seconds
    memory_size: int = 128  # MB
    environment: dict[str, str] = field(default_factory=dict)
    code_sha256: str
    code_size: int
    code_folder: str | Maybe = ABSENT  # code that is run where it lies
    last_modified: str
    revision_id: str
    last_version: int = 0  # the newest number that was given to a version of it
    package_type: str = "Zip"
    architectures: list[str] = field(default_factory=lambda: ["x86_64"])
    layers: list[str] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)


class Alias(Resource, frozen=True, kw_only=True, rename="pascal"):
    collection: ClassVar = "aliases"
    ids: ClassVar = ("function_name", "name")
    kind: ClassVar = "Alias"

    function_name: str
    name: str
    function_version: str
    description: str = ""
    revision_id: str


class Policy(Resource, frozen=True, kw_only=True, rename="pascal"):
    """The permissions on a function, or on one qualifier of it."""

    collection: ClassVar = "function-policies"
    ids: ClassVar = ("function_name", "qualifier")
    kind: ClassVar = "Policy"

    function_name: str
    qualifier: str
    statements: list[dict[str, Any]] = field(default_factory=list)
    revision_id: str
