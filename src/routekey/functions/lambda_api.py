"""The Lambda API: functions, versions, aliases, permissions, Invoke."""

from __future__ import annotations

import asyncio
import base64
import binascii
import datetime
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from routekey.clock import Clock
from routekey.errors import ApiError
from routekey.functions.code import sha256
from routekey.functions.runtime_api import MAX_PAYLOAD
from routekey.functions.service import Functions, invalid, missing
from routekey.resources.base import ABSENT
from routekey.resources.function import LATEST, Alias, Function, Policy
from routekey.wire import restjson
from routekey.wire.http import Headers
from routekey.wire.model import Operation, Service
from routekey.wire.service import REQUEST_ID, Answer, Call, Handler, RestService

CODE_FOLDER_BUCKET = "routekey-folder"  # S3Bucket of code that is run straight from the folder in S3Key
MAX_EVENT = 1024 * 1024  # bytes of an asynchronous invocation's payload
MAX_TIMEOUT = 900
MEMORY = (128, 10240)
_RUNTIME = re.compile(r"python3\.\d+")
_RESERVED = re.compile(
    r"_HANDLER|_X_AMZN_TRACE_ID|_ROUTEKEY_.*|AWS_(?:DEFAULT_)?REGION|AWS_EXECUTION_ENV|AWS_LAMBDA_.*|AWS_ACCESS_KEY(?:_ID)?|"
    r"AWS_SECRET_ACCESS_KEY|AWS_SESSION_TOKEN|LAMBDA_TASK_ROOT|LAMBDA_RUNTIME_DIR"
)


class LambdaApi:
    def __init__(self, functions: Functions, clock: Clock) -> None:
        self.functions = functions
        self.repository = functions.repository
        self.clock = clock
        self._lock = asyncio.Lock()

    def service(self, model: Service) -> RestService:
        """The Lambda API over `model`; each method named after an operation carries it out."""
        handlers: dict[str, Handler] = {}
        for name in dir(self):
            operation = "".join(word.capitalize() for word in name.split("_"))
            if operation in model.operations and not name.startswith("_"):
                handlers[operation] = getattr(self, name) if _reads(operation) else self._alone(getattr(self, name))

        def headers() -> Headers:
            return [("x-amzn-RequestId", self.functions.ids.uuid())]

        def absent(operation: Operation) -> ApiError:
            return ApiError(
                400,
                "InvalidRequestContentException",
                f"{operation.name} is not available on this gateway",
                {"Type": "User"},
            )

        def fault(fault: restjson.Fault) -> ApiError:
            if fault.kind in ("enum", "limit"):
                message = f"1 validation error detected: {fault.message}"
                return ApiError(400, "ValidationException", message, {"Type": "User"})
            return invalid(fault.message)

        failure = ApiError(500, "ServiceException", "Internal server error", {"Type": "Service"})
        return RestService(model, handlers, request_headers=headers, absent=absent, fault=fault, failure=failure)

    def _alone(self, handler: Handler) -> Handler:
        """Writes one after the other: versions, packages and policies are read before they are written."""

        async def run(call: Call) -> Answer:
            async with self._lock:
                return await handler(call)

        return run

    # functions

    async def create_function(self, call: Call) -> Answer:
        name, _ = self.functions.parse(call["FunctionName"])
        if await self.repository.find(Function, name, LATEST) is not None:
            raise ApiError(409, "ResourceConflictException", f"Function already exist: {name}", {"Type": "User"})
        if call.get("PackageType", "Zip") != "Zip":
            raise invalid("PackageType Image is not available: give a zip or a folder")
        if not call.get("Handler") or not call.get("Runtime"):
            raise invalid(
                "Runtime and Handler are mandatory parameters for functions created with deployment packages."
            )
        function = Function(
            function_name=name,
            role=call["Role"],
            tags=call.get("Tags", {}),
            last_modified=self._now(),
            revision_id=self.functions.ids.uuid(),
            runtime=call["Runtime"],
            handler=call["Handler"],
            architectures=call.get("Architectures", ["x86_64"]),
            **await self._code(call["Code"]),
        )
        function = self._configured(function, call)
        await self.repository.add(function)
        if call.get("Publish"):
            function = await self._publish(function)
        return self._describe(function)

    async def _code(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The fields that say what code a function has."""
        data = given.get("ZipFile")
        if data is not None:
            return {"code_sha256": await self.functions.code.save(data), "code_size": len(data)}
        if given.get("S3Bucket") == CODE_FOLDER_BUCKET:
            folder = Path(given.get("S3Key", ""))
            if folder.is_absolute() and not folder.is_dir():
                raise invalid(f"There is no folder {folder}")
            if not folder.is_absolute():
                raise invalid(
                    f"S3Key must be the absolute path of a folder with S3Bucket {CODE_FOLDER_BUCKET}: {folder}"
                )
            return {"code_sha256": sha256(str(folder).encode()), "code_size": 0, "code_folder": str(folder)}
        raise invalid(f"Give the code as ZipFile, or as a folder: S3Bucket={CODE_FOLDER_BUCKET}, S3Key=/absolute/path")

    def _configured(self, function: Function, call: Call) -> Function:
        """`function` with the settings that the call gives, checked."""
        names = {
            "Runtime": "runtime", "Handler": "handler", "Description": "description", "Timeout": "timeout",
            "MemorySize": "memory_size", "Role": "role",
        }  # fmt: skip
        changes: dict[str, Any] = {field: call[name] for name, field in names.items() if call.get(name) is not None}
        if call.get("Environment") is not None:
            changes["environment"] = call["Environment"].get("Variables", {})
        updated: Function = msgspec.structs.replace(function, **changes)
        if not _RUNTIME.fullmatch(updated.runtime):
            raise invalid(f"Runtime {updated.runtime} is not available yet: use python3.11, python3.12 or python3.13")
        if call.get("Layers"):
            raise invalid("Layers are not available yet: put what they hold into the package")
        if not 1 <= updated.timeout <= MAX_TIMEOUT:
            raise invalid(f"Timeout must be 1 to {MAX_TIMEOUT} seconds: {updated.timeout}")
        if not MEMORY[0] <= updated.memory_size <= MEMORY[1]:
            raise invalid(f"MemorySize must be {MEMORY[0]} to {MEMORY[1]} MB: {updated.memory_size}")
        reserved = [name for name in updated.environment if _RESERVED.fullmatch(name)]
        if reserved:
            raise invalid(
                "Lambda was unable to configure your environment variables because the environment variables you have "
                "provided contains reserved keys that are currently not supported for modification. "
                f"Reserved keys used in this request: {', '.join(reserved)}"
            )
        for name, value in updated.environment.items():
            if "\0" in value or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
                raise invalid(f"Environment variable names are letters, digits and _: {name:.80}")
        return updated

    def _describe(self, function: Function) -> dict[str, Any]:
        qualifier = "" if function.version == LATEST else function.version
        members = function.members()
        described = {
            "FunctionName": function.function_name,
            "FunctionArn": self.functions.region.function(function.function_name, qualifier),
            "CodeSha256": function.code_sha256,
            "State": "Active",
            "LastUpdateStatus": "Successful",
            "TracingConfig": {"Mode": "PassThrough"},
            "EphemeralStorage": {"Size": 512},
        }
        for name in (
            "Runtime", "Role", "Handler", "CodeSize", "Description", "Timeout", "MemorySize", "LastModified", "Version",
            "RevisionId", "PackageType", "Architectures",
        ):  # fmt: skip
            described[name] = members[name]
        if function.environment:
            described["Environment"] = {"Variables": function.environment}
        return described

    async def _function(self, call: Call) -> Function:
        name, qualifier = self.functions.parse(call["FunctionName"], call.get("Qualifier"))
        return await self.functions.resolve(name, qualifier)

    async def _latest(self, call: Call) -> Function:
        name, _ = self.functions.parse(call["FunctionName"])
        return await self.functions.resolve(name, LATEST)

    async def get_function(self, call: Call) -> Answer:
        function = await self._function(call)
        code = {"RepositoryType": "S3", "Location": f"code/{function.code_sha256}"}
        if isinstance(function.code_folder, str):
            code = {"RepositoryType": "folder", "Location": function.code_folder}
        answer: dict[str, Any] = {"Configuration": self._describe(function), "Code": code}
        return {**answer, "Tags": function.tags} if function.tags else answer

    async def get_function_configuration(self, call: Call) -> Answer:
        return self._describe(await self._function(call))

    async def list_functions(self, call: Call) -> Answer:
        functions = await self.repository.all(Function)
        every = call.get("FunctionVersion") == "ALL"
        shown = [self._describe(each) for each in functions if every or each.version == LATEST]
        return _page(call, "Functions", shown)

    async def update_function_code(self, call: Call) -> Answer:
        known = await self._latest(call)
        code = await self._code({name: call[name] for name in ("ZipFile", "S3Bucket", "S3Key") if name in call.members})
        if call.get("DryRun"):
            return self._describe(known)
        function = await self._update(
            known, lambda stored: msgspec.structs.replace(stored, **{"code_folder": ABSENT, **code})
        )
        await self._discard_code(known)
        if call.get("Publish"):
            function = await self._publish(function)
        return self._describe(function)

    async def update_function_configuration(self, call: Call) -> Answer:
        return self._describe(
            await self._update(await self._latest(call), lambda stored: self._configured(stored, call))
        )

    async def _update(self, known: Function, change: Any) -> Function:
        def update(stored: Function) -> Function:
            changed: Function = msgspec.structs.replace(
                change(stored), last_modified=self._now(), revision_id=self.functions.ids.uuid()
            )
            return changed

        return await self.repository.replace(known, update)

    async def delete_function(self, call: Call) -> Answer:
        name, qualifier = self.functions.parse(call["FunctionName"], call.get("Qualifier"))
        if call.get("Qualifier") == LATEST:
            raise invalid("$LATEST version cannot be deleted without deleting the function.")
        if qualifier != LATEST:
            version = await self.functions.resolve(name, qualifier)
            used = [
                each.name for each in await self.repository.all(Alias, name) if each.function_version == version.version
            ]
            if used:
                raise ApiError(
                    409, "ResourceConflictException",
                    f"Version {version.version} is used by the alias {', '.join(used)}: point that elsewhere first",
                    {"Type": "User"},
                )  # fmt: skip
            await self.repository.remove(version)
            await self._discard_code(version)
            return None
        await self.functions.resolve(name, LATEST)
        versions = await self.repository.all(Function, name)
        aliases = await self.repository.all(Alias, name)
        policies = await self.repository.all(Policy, name)
        await self.repository.remove(*versions, *aliases, *policies)
        for each in versions:
            await self._discard_code(each)
        return None

    async def _discard_code(self, function: Function) -> None:
        """Packages that nothing refers to any more are not kept."""
        functions = await self.repository.all(Function)
        if function.code_folder is ABSENT and all(each.code_sha256 != function.code_sha256 for each in functions):
            await self.functions.code.discard(function.code_sha256)

    # versions and aliases

    async def publish_version(self, call: Call) -> Answer:
        function = await self._latest(call)
        if call.get("CodeSha256") not in (None, "", function.code_sha256):
            raise invalid(
                f"CodeSHA256 ({call['CodeSha256']}) is different from current CodeSHA256 in "
                f"$LATEST ({function.code_sha256}). "
                "Please try again with the CodeSHA256 in $LATEST."
            )
        return self._describe(await self._publish(function, call.get("Description")))

    async def _publish(self, function: Function, description: str | None = None) -> Function:
        versions = [
            each for each in await self.repository.all(Function, function.function_name) if each.version != LATEST
        ]
        newest = max(versions, key=lambda each: int(each.version), default=None)
        if newest is not None and _same(newest, function):
            return newest
        number = 1 + function.last_version
        await self._update_quietly(function, number)
        version: Function = msgspec.structs.replace(
            function,
            version=str(number),
            description=function.description if description is None else description,
            revision_id=self.functions.ids.uuid(),
        )
        await self.repository.add(version)
        return version

    async def _update_quietly(self, function: Function, number: int) -> None:
        """Note the newest version's number, which is never given again; the function itself is as before."""
        await self.repository.replace(function, lambda stored: msgspec.structs.replace(stored, last_version=number))

    async def list_versions_by_function(self, call: Call) -> Answer:
        function = await self._latest(call)
        versions = await self.repository.all(Function, function.function_name)
        versions.sort(key=lambda each: 0 if each.version == LATEST else int(each.version))
        return _page(call, "Versions", [self._describe(each) for each in versions])

    async def create_alias(self, call: Call) -> Answer:
        function = await self._latest(call)
        name = call["Name"]
        if await self.repository.find(Alias, function.function_name, name) is not None:
            raise ApiError(
                409,
                "ResourceConflictException",
                f"Alias already exists: {self._alias_arn(function, name)}",
                {"Type": "User"},
            )
        alias = Alias(
            function_name=function.function_name,
            name=name,
            function_version=await self._version(function, call["FunctionVersion"]),
            description=call.get("Description", ""),
            revision_id=self.functions.ids.uuid(),
        )
        await self.repository.add(alias)
        return self._alias_members(alias)

    def _alias_arn(self, function: Function, name: str) -> str:
        return self.functions.region.function(function.function_name, name)

    async def _version(self, function: Function, version: str) -> str:
        if await self.repository.find(Function, function.function_name, version) is None:
            raise missing(self.functions.region.function(function.function_name, version))
        return version

    def _alias_members(self, alias: Alias) -> dict[str, Any]:
        arn = self.functions.region.function(alias.function_name, alias.name)
        return {**alias.members(), "AliasArn": arn}

    async def _alias(self, call: Call) -> Alias:
        name, _ = self.functions.parse(call["FunctionName"])
        alias = await self.repository.find(Alias, name, call["Name"])
        if alias is None:
            arn = self.functions.region.function(name, call["Name"])
            raise ApiError(404, "ResourceNotFoundException", f"Cannot find alias arn: {arn}", {"Type": "User"})
        return alias

    async def get_alias(self, call: Call) -> Answer:
        return self._alias_members(await self._alias(call))

    async def list_aliases(self, call: Call) -> Answer:
        function = await self._latest(call)
        aliases = await self.repository.all(Alias, function.function_name)
        wanted = call.get("FunctionVersion")
        return _page(
            call,
            "Aliases",
            [self._alias_members(each) for each in aliases if wanted in (None, each.function_version)],
        )

    async def update_alias(self, call: Call) -> Answer:
        known = await self._alias(call)
        changes: dict[str, Any] = {"revision_id": self.functions.ids.uuid()}
        if call.get("FunctionVersion") is not None:
            changes["function_version"] = await self._version(await self._latest(call), call["FunctionVersion"])
        if call.get("Description") is not None:
            changes["description"] = call["Description"]
        return self._alias_members(
            await self.repository.replace(known, lambda stored: msgspec.structs.replace(stored, **changes))
        )

    async def delete_alias(self, call: Call) -> Answer:
        name, _ = self.functions.parse(call["FunctionName"])
        alias = await self.repository.find(Alias, name, call["Name"])
        if alias is not None:
            await self.repository.remove(alias)
        return None

    # permissions

    async def _policy(self, call: Call) -> tuple[str, str, Policy | None]:
        name, qualifier = self.functions.parse(call["FunctionName"], call.get("Qualifier"))
        await self.functions.resolve(name, qualifier)
        return name, qualifier, await self.repository.find(Policy, name, qualifier)

    async def add_permission(self, call: Call) -> Answer:
        name, qualifier, policy = await self._policy(call)
        statement = self._statement(call, name, qualifier)
        statements = policy.statements if policy is not None else []
        if any(each["Sid"] == call["StatementId"] for each in statements):
            raise ApiError(
                409, "ResourceConflictException",
                f"The statement id ({call['StatementId']}) provided already exists. "
                "Please provide a new statement id, or remove the existing statement.",
                {"Type": "User"},
            )  # fmt: skip
        await self.repository.put(self._with(name, qualifier, [*statements, statement]))
        return {"Statement": msgspec.json.encode(statement).decode()}

    def _statement(self, call: Call, name: str, qualifier: str) -> dict[str, Any]:
        principal = call["Principal"]
        shown: Any = {"Service": principal} if principal.endswith(".amazonaws.com") else {"AWS": principal}
        statement: dict[str, Any] = {
            "Sid": call["StatementId"],
            "Effect": "Allow",
            "Principal": "*" if principal == "*" else shown,
            "Action": call["Action"],
            "Resource": self.functions.region.function(name, "" if qualifier == LATEST else qualifier),
        }
        condition: dict[str, Any] = {}
        if call.get("SourceArn"):
            condition["ArnLike"] = {"AWS:SourceArn": call["SourceArn"]}
        if call.get("SourceAccount"):
            condition["StringEquals"] = {"AWS:SourceAccount": call["SourceAccount"]}
        return {**statement, "Condition": condition} if condition else statement

    def _with(self, name: str, qualifier: str, statements: list[dict[str, Any]]) -> Policy:
        return Policy(
            function_name=name,
            qualifier=qualifier,
            statements=statements,
            revision_id=self.functions.ids.uuid(),
        )

    async def remove_permission(self, call: Call) -> Answer:
        name, qualifier, policy = await self._policy(call)
        statements = policy.statements if policy is not None else []
        rest = [each for each in statements if each["Sid"] != call["StatementId"]]
        if len(rest) == len(statements):
            raise ApiError(
                404, "ResourceNotFoundException", f"Statement {call['StatementId']} is not found in resource policy.",
                {"Type": "User"},
            )  # fmt: skip
        await self.repository.put(self._with(name, qualifier, rest))
        return None

    async def get_policy(self, call: Call) -> Answer:
        _, _, policy = await self._policy(call)
        if policy is None or not policy.statements:
            raise ApiError(
                404,
                "ResourceNotFoundException",
                "No policy is associated with the given resource.",
                {"Type": "User"},
            )
        document = {"Version": "2012-10-17", "Id": "default", "Statement": policy.statements}
        return {"Policy": msgspec.json.encode(document).decode(), "RevisionId": policy.revision_id}

    # invoking

    async def invoke(self, call: Call) -> Answer:
        name, qualifier = self.functions.parse(call["FunctionName"], call.get("Qualifier"))
        kind = call.get("X-Amz-Invocation-Type", "RequestResponse")
        payload = call.get("Payload") or b"{}"
        if kind == "DryRun":
            await self.functions.resolve(name, qualifier)
            return {"StatusCode": 204}
        try:
            msgspec.json.decode(payload)
        except (msgspec.DecodeError, RecursionError) as error:
            raise ApiError(
                400,
                "InvalidRequestContentException",
                f"Could not parse request body into json: {error}",
                {"Type": "User"},
            ) from None
        if kind == "Event":
            if len(payload) > MAX_EVENT:
                message = f"{len(payload)} byte payload is too large for the Event invocation type (limit {MAX_EVENT})"
                raise ApiError(413, "RequestTooLargeException", message, {"Type": "User"})
            request_id = await self.functions.invoke_later(name, qualifier, payload)
            return {"StatusCode": 202, REQUEST_ID: request_id}
        if len(payload) > MAX_PAYLOAD:
            message = f"{len(payload)} byte payload is too large for the RequestResponse type (limit {MAX_PAYLOAD})"
            raise ApiError(413, "RequestTooLargeException", message, {"Type": "User"})
        invoked = await self.functions.invoke(
            name,
            qualifier,
            payload,
            tail=call.get("X-Amz-Log-Type") == "Tail",
            client_context=_client_context(call.get("X-Amz-Client-Context")),
        )
        answer: dict[str, Any] = {
            "StatusCode": 200,
            "Payload": invoked.outcome.payload,
            "X-Amz-Executed-Version": invoked.version,
            "X-Amz-Log-Result": invoked.log,
            REQUEST_ID: invoked.request_id,
        }
        if invoked.outcome.error is not None:
            answer["X-Amz-Function-Error"] = "Unhandled"
        return answer

    def _now(self) -> str:
        moment = datetime.datetime.fromtimestamp(self.clock.time(), datetime.UTC)
        return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}+0000"


def _reads(operation: str) -> bool:
    return operation == "Invoke" or operation.startswith(("Get", "List"))


def _client_context(text: str | None) -> str | None:
    if not text:
        return None
    try:
        value = json.loads(base64.b64decode(text, validate=True))
        if not isinstance(value, dict):
            raise ValueError
        return json.dumps(value)  # one line of ASCII, fit for a header
    except (binascii.Error, ValueError, RecursionError):
        raise ApiError(
            400,
            "InvalidRequestContentException",
            "Client context must be base64 of a JSON object",
            {"Type": "User"},
        ) from None


def _same(one: Function, other: Function) -> bool:
    fields = ("code_sha256", "runtime", "handler", "timeout", "memory_size", "environment", "role")
    return all(getattr(one, name) == getattr(other, name) for name in fields)


def _page(call: Call, member: str, items: list[dict[str, Any]]) -> Answer:
    """One page of a list: MaxItems items after Marker, a number."""
    start = int(call["Marker"]) if str(call.get("Marker", "")).isdecimal() else 0
    size = call.get("MaxItems", 50)
    answer: dict[str, Any] = {member: items[start : start + size]}
    if start + size < len(items):
        answer["NextMarker"] = str(start + size)
    return answer
