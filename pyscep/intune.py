"""Let Microsoft Intune decide who gets a certificate: its SCEP validation service.

The challenge password of a device that Intune manages is a sealed statement of what it may ask
for; only Intune can open it. :class:`IntuneHandler` shows the request to Intune, and tells it what
was issued before the device gets it. It does no networking of its own: HTTP and the access token
come from the caller.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pyscep.certificates import Certificate
from pyscep.errors import HttpError
from pyscep.handlers import Decision, EnrolmentRequest, Issue, Refuse
from pyscep.http import HttpRequest, HttpResponse
from pyscep.messages import FailInfo

API_VERSION = "2018-02-20"
"""Of the service ``ScepRequestValidationFEService`` (V-07)."""
SUCCESS = "Success"
"""The only ``code`` that is an agreement (V-07)."""

FAIL_INFOS = {
    "SignatureValidationFailed": FailInfo.BAD_MESSAGE_CHECK,
    "KeyLengthMismatch": FailInfo.BAD_ALG,
}
"""What Intune's codes are in SCEP; all others are BAD_REQUEST (V-09)."""

_CODE_LENGTH = 100
"""Letters of a code that is passed on to the device."""
_DESCRIPTION_LENGTH = 255
_ISSUING_FAILED = -2147467259
"""E_FAIL, as the signed number that an HRESULT is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IntuneHandler:
    """A :class:`~pyscep.handlers.RequestHandler` that asks Intune.

    Source: V-07 to V-10.
    """

    endpoint: str
    """The tenant's URL of the service ``ScepRequestValidationFEService``, as Microsoft Graph gives
    it; without ``/ScepActions``."""
    send: Callable[[HttpRequest], HttpResponse] = field(repr=False)
    """Does HTTP, such as a :class:`pyscep.transport.RequestsTransport`."""
    access_token: Callable[[], str] = field(repr=False)
    """Returns a valid OAuth token for Intune; asked before every call."""
    random_bytes: Callable[[int], bytes] = field(repr=False)
    """Where the IDs of calls are from, such as ``provider.random_bytes``."""
    caller_info: str = "pyscep"
    """Who is asking, for Intune's logs."""

    def decide(self, request: EnrolmentRequest) -> Decision:
        """See :meth:`pyscep.handlers.RequestHandler.decide`.

        :raises HttpError: Intune did not answer as agreed.
        :raises ScepError: what ``send`` raises.
        """
        if request.challenge_password is None:
            return Refuse(fail_info_text="ChallengePasswordMissing")
        if not request.is_by_requester:
            return Refuse()
        call = _Call(handler=self, request=request)
        code, _ = call.post("validateRequest", "request")
        if code != SUCCESS:
            return Refuse(fail_info=FAIL_INFOS.get(code, FailInfo.BAD_REQUEST), fail_info_text=code)
        return Issue(observer=call)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """What is said to Intune about one request; an :class:`pyscep.handlers.Observer`."""

    handler: IntuneHandler
    request: EnrolmentRequest

    def issued(self, certificate: Certificate) -> None:
        issuer = str(certificate.issuer)
        code, description = self.post(
            "successNotification",
            "notification",
            certificateThumbprint=hashlib.sha1(certificate.der, usedforsecurity=False)
            .hexdigest()
            .upper(),
            certificateSerialNumber=f"{certificate.serial_number:X}",
            certificateExpirationDateUtc=f"{certificate.not_after:%Y-%m-%dT%H:%M:%SZ}",
            issuingCertificateAuthority=issuer,
            certificateAuthority=issuer,
        )
        if code != SUCCESS:
            raise HttpError(
                f"Intune did not accept the notification of a certificate ({code}, "
                f"{description}); it is not delivered.",
                status=200,
            )

    def failed(self, reason: str) -> None:
        self.post(
            "failureNotification",
            "notification",
            hResult=_ISSUING_FAILED,
            errorDescription=reason[:_DESCRIPTION_LENGTH],
        )

    def post(self, action: str, what: str, **fields: object) -> tuple[str, str]:
        """Return code and description of Intune's answer."""
        handler, request = self.handler, self.request
        body = {
            what: {
                "transactionId": request.transaction_id,
                # As it came: Intune has bound its statement to these bytes (V-10).
                "certificateRequest": base64.b64encode(request.csr.der).decode("ascii"),
                "callerInfo": handler.caller_info,
                **fields,
            }
        }
        response = handler.send(
            HttpRequest(
                method="POST",
                url=f"{handler.endpoint.rstrip('/')}/ScepActions/{action}",
                headers=(
                    ("Authorization", f"Bearer {handler.access_token()}"),
                    ("Content-Type", "application/json; charset=utf-8"),
                    ("Accept", "application/json"),
                    ("api-version", API_VERSION),
                    ("client-request-id", _guid(handler.random_bytes(16))),
                ),
                body=json.dumps(body).encode("utf-8"),
            )
        )
        return _read(response)


def _guid(octets: bytes) -> str:
    text = octets.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def _read(response: HttpResponse) -> tuple[str, str]:
    if response.status == 200:
        answer = _object(response.body)
        code, description = answer.get("code"), answer.get("errorDescription")
        if isinstance(code, str) and _is_word(code):
            return code, description if isinstance(description, str) else ""
    raise HttpError(
        f"Intune answered with HTTP status {response.status} and no code; check the endpoint, the "
        "token and the permissions of the application.",
        status=response.status,
        content_type=response.header("Content-Type"),
    )


def _is_word(code: str) -> bool:
    """Whether it may go to the device as it is: a word and no more."""
    return code.isascii() and code.isalnum() and len(code) <= _CODE_LENGTH


def _object(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}
