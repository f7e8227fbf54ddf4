"""Operations on client certificates, which a stage shows to HTTP backends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from routekey.control.operations import Control, only
from routekey.control.patches import find, page, patch
from routekey.resources.access import ClientCertificate
from routekey.resources.base import check_tags
from routekey.wire.certificates import self_signed
from routekey.wire.service import Answer, Call

CERTIFICATE_DAYS = 365


async def generate_client_certificate(control: Control, call: Call) -> Answer:
    now = control.now()
    pem, key, ends = self_signed("ApiGateway", now, CERTIFICATE_DAYS)
    certificate = ClientCertificate.of(
        only(call.members, ClientCertificate),
        client_certificate_id=control.ids.of(6),
        pem_encoded_certificate=pem,
        private_key=key,
        created_date=now,
        expiration_date=ends,
    )
    check_tags(certificate.tags)
    await control.repository.add(certificate)
    return _public(certificate)


def _public(certificate: ClientCertificate) -> Mapping[str, Any]:
    return {name: member for name, member in certificate.members().items() if name != "privateKey"}


async def _certificate(control: Control, call: Call) -> ClientCertificate:
    found: ClientCertificate = await find(
        control, ClientCertificate, "Client Certificate", call["clientcertificate_id"]
    )
    return found


async def get_client_certificate(control: Control, call: Call) -> Answer:
    return _public(await _certificate(control, call))


async def get_client_certificates(control: Control, call: Call) -> Answer:
    certificates = await control.repository.all(ClientCertificate)
    return page(call, [_public(each) for each in certificates], "clientCertificateId")


async def update_client_certificate(control: Control, call: Call) -> Answer:
    return await patch(control, call, await _certificate(control, call), {"description": str})


async def delete_client_certificate(control: Control, call: Call) -> Answer:
    certificate = await _certificate(control, call)
    await control.repository.remove(certificate)
    return None
