"""Operations on models (spec 1.9)."""

from __future__ import annotations

from typing import Any

import msgspec

from routekey.control.auto_deploy import changed
from routekey.control.operations import Control, clear, only, page
from routekey.errors import bad_request, conflict
from routekey.resources.api import Api, Model
from routekey.wire.service import Answer, Call

MAX_DEPTH = 20  # of the skeleton that GetModelTemplate gives


def _check(api: Api, model: Model, others: list[Model]) -> None:
    if any(other.name == model.name and other.model_id != model.model_id for other in others):
        raise conflict(f"Model with name {model.name} already exists for this API")
    if model.schema and api.disable_schema_validation is not True:
        try:
            schema = msgspec.json.decode(model.schema)
        except (msgspec.DecodeError, RecursionError) as error:
            raise bad_request(f"Invalid value for schema of model {model.name}: it is not JSON ({error})") from None
        if not isinstance(schema, dict):
            raise bad_request(f"Invalid value for schema of model {model.name}: a JSON object is expected")


async def create_model(control: Control, call: Call) -> Answer:
    api = await control.api(call)
    model = Model.of(call.members, model_id=control.ids.of(6))
    _check(api, model, await control.repository.all(Model, api.api_id))
    await control.repository.add(model)
    await changed(control, api.api_id)
    return model.members()


async def get_model(control: Control, call: Call) -> Answer:
    return (await control.child(Model, call["apiId"], call["modelId"])).members()


async def get_models(control: Control, call: Call) -> Answer:
    api = await control.api(call)
    models = await control.repository.all(Model, api.api_id)
    return page(call, [model.members() for model in models], lambda item: str(item["modelId"]))


async def update_model(control: Control, call: Call) -> Answer:
    api = await control.api(call)
    known = await control.child(Model, api.api_id, call["modelId"])
    others = await control.repository.all(Model, api.api_id)

    def update(stored: Model) -> Model:
        updated = stored.changed(only(call.members, Model))
        _check(api, updated, others)
        return clear(updated, call, ("description",))

    model = await control.repository.replace(known, update)
    await changed(control, api.api_id)
    return model.members()


async def delete_model(control: Control, call: Call) -> Answer:
    model = await control.child(Model, call["apiId"], call["modelId"])
    await control.repository.remove(model)
    await changed(control, model.api_id)
    return None


async def get_model_template(control: Control, call: Call) -> Answer:
    model = await control.child(Model, call["apiId"], call["modelId"])
    try:
        schema = msgspec.json.decode(model.schema or "{}")
    except msgspec.DecodeError:
        raise bad_request(f"The schema of model {model.name} is not JSON") from None
    return {"value": f"#set($inputRoot = $input.path('$'))\n{_skeleton(schema, '$inputRoot', 0)}"}


_SAMPLES = {"string": '"foo"', "integer": "42", "number": "3.1415", "boolean": "true", "null": "null"}


def _skeleton(schema: Any, path: str, depth: int) -> str:
    """A mapping template that rebuilds what `schema` describes from the value at `path`."""
    if not isinstance(schema, dict) or depth > MAX_DEPTH:
        return '"foo"'
    kind = schema.get("type", "object" if "properties" in schema else "string")
    indent = "  " * depth
    if kind == "object":
        properties = schema.get("properties")
        if not isinstance(properties, dict) or not properties:
            return "{}"
        lines = [
            f"{indent}  {msgspec.json.encode(name).decode()} : {_skeleton(each, f'{path}.{name}', depth + 1)}"
            for name, each in properties.items()
        ]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    if kind == "array":
        item = _skeleton(schema.get("items"), "$elem", depth + 1)
        return f"[\n#foreach($elem in {path})\n{indent}  {item}#if($foreach.hasNext),#end\n#end\n{indent}]"
    return _SAMPLES.get(kind if isinstance(kind, str) else "string", '"foo"')
