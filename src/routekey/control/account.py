"""Operations on the account."""

from __future__ import annotations

from routekey.control.operations import Control
from routekey.control.patches import patched
from routekey.resources.access import Account
from routekey.wire.service import Answer, Call


async def get_account(control: Control, call: Call) -> Answer:
    return (await control.repository.find(Account) or Account()).members()


async def update_account(control: Control, call: Call) -> Answer:
    account = await control.repository.find(Account) or Account()
    updated = Account.of(patched(account.members(), call, {"cloudwatchRoleArn": str}))
    await control.repository.put(updated)
    return updated.members()
