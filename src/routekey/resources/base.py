"""What every resource shares: its key, its wire spelling, its checks."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from routekey.errors import bad_request
from routekey.state.store import key

Tags = dict[str, str]
Description = Annotated[str, Meta(max_length=1024)]

R = TypeVar("R", bound="Resource")


class Resource(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One thing of the control plane, as it is stored and as its API answers it.

    Fields are snake case here and camel case on the wire; an absent optional member is UNSET.
    """

    collection: ClassVar[str]
    ids: ClassVar[tuple[str, ...]]  # the fields that lead to it, the outermost first
    kind: ClassVar[str]  # as error messages name it

    @property
    def key(self) -> str:
        return key(self.collection, *(getattr(self, name) for name in self.ids))

    def members(self) -> dict[str, Any]:
        """Its members by wire name, absent ones left out."""
        value: dict[str, Any] = msgspec.to_builtins(self, builtin_types=(datetime.datetime,))
        return value

    @classmethod
    def of(cls, members: Mapping[str, Any], **fixed: Any) -> Self:
        """A resource from wire members, checked; members it does not have are ignored (spec 1.1)."""
        values = {name: value for name, value in members.items() if value is not None}
        names = dict(zip(cls.__struct_fields__, cls.__struct_encode_fields__, strict=True))
        values.update({names[field]: value for field, value in fixed.items()})
        try:
            return msgspec.convert(values, cls, builtin_types=(datetime.datetime,))
        except msgspec.ValidationError as error:
            raise bad_request(explain(error, values)) from None

    def changed(self, members: Mapping[str, Any], **fixed: Any) -> Self:
        """The same resource with other members, checked like a new one."""
        return self.of({**self.members(), **{k: v for k, v in members.items() if v is not None}}, **fixed)

    def without(self, *names: str) -> Self:
        """The same resource with the wire members `names` absent."""
        return self.of({name: value for name, value in self.members().items() if name not in names})


_PATH = re.compile(r" - at `\$\.?([^`]*)`$")


def explain(error: msgspec.ValidationError, values: Mapping[str, Any]) -> str:
    """What is wrong with which member, in one line."""
    text = str(error)
    match = _PATH.search(text)
    where = match[1] if match else ""
    text = _PATH.sub("", text).replace("`", "")
    missing = re.match(r"Object missing required field (\S+)", text)
    if missing:
        return f"Missing required member: {missing[1]}"
    value = values.get(where)
    shown = f"{value!s:.80}" if isinstance(value, str | int | float) else ""
    return f"Invalid value for {where}: {shown or 'given'} ({text[0].lower()}{text[1:]})"


def check_tags(tags: Mapping[str, str]) -> None:
    """Spec 1.4: at most 50 tags, keys of 1 to 128 characters that do not begin with aws:."""
    if len(tags) > 50:
        raise bad_request(f"Invalid value for tags: {len(tags)} tags given, 50 are allowed")
    for name, value in tags.items():
        if not 1 <= len(name) <= 128 or name.lower().startswith("aws:"):
            raise bad_request(f"Invalid tag key: {name:.140} (1 to 128 characters, not beginning with aws:)")
        if len(value) > 256:
            raise bad_request(f"Invalid value for tag {name}: longer than 256 characters")


Maybe = UnsetType
ABSENT = UNSET
