"""pyscep's own responder over HTTP, as the clients that others wrote meet it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any

from pyscep.algorithms import ContentEncryptionAlgorithm, DigestAlgorithm
from pyscep.certificates import Certificate
from pyscep.handlers import static_challenge
from pyscep.http import HttpRequest, HttpResponse
from pyscep.memory_store import MemoryStore
from pyscep.messages import CertRep, FailInfo, MessageType, PkiStatus
from pyscep.pki_message import VerifiedMessage
from pyscep.responder import AES_CIPHERS, SHA2_DIGESTS, Responder, standard_encoder
from pyscep.testing import EphemeralCa, ScepServer
from tests.helpers import keys

CHALLENGE = "correct-horse_battery/staple"

LAYOUTS: Mapping[str, Mapping[str, Any]] = {
    "ca": {},
    "ca-below-root": {"intermediates": 1},
    "ca-and-ra": {"single_ra": True},
    "ca-and-two-ras": {"separate_ra": True},
}
"""The ways to set up a CA: does it talk itself, is it the root, one RA or one for each purpose."""

FOR_EVERYBODY: Mapping[str, Any] = {
    "ciphers": AES_CIPHERS
    | {ContentEncryptionAlgorithm.DES_EDE3_CBC, ContentEncryptionAlgorithm.DES_CBC},
    "digests": SHA2_DIGESTS | {DigestAlgorithm.SHA1},
    "extra_capabilities": ("SHA-384",),
    "empty_content": b"",
}
"""The options of a responder that every client here can enrol with."""


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """One pkiMessage and its answer."""

    message_type: MessageType
    digest: DigestAlgorithm
    """The hash that the request was signed with."""
    cipher: ContentEncryptionAlgorithm
    """That of the reply, which mirrors the request's, except single DES."""
    status: PkiStatus
    fail_info: FailInfo | None


@dataclass
class Recorder:
    """Encodes replies as usual and keeps what they were about."""

    approve: bool
    exchanges: list[Exchange] = field(default_factory=list)

    def __call__(
        self,
        responder: Responder,
        request: VerifiedMessage,
        reply: CertRep,
        cipher: ContentEncryptionAlgorithm,
    ) -> bytes:
        self.exchanges.append(
            Exchange(
                message_type=request.message_type,
                digest=request.digest_algorithm,
                cipher=cipher,
                status=reply.pki_status,
                fail_info=reply.fail_info,
            )
        )
        if self.approve and reply.pki_status is PkiStatus.PENDING:
            responder.approve(request.transaction_id)
        return standard_encoder(responder, request, reply, cipher)


@dataclass(frozen=True, kw_only=True)
class Service:
    """A running responder, with its certificates in files of PEM."""

    folder: Path
    authority: EphemeralCa
    responder: Responder
    server: ScepServer
    exchanges: list[Exchange]
    """Every pkiMessage that could be read, in order."""

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def root(self) -> Path:
        return self._write("root", self.authority.root)

    @property
    def issuer(self) -> Path:
        return self._write("issuer", self.authority.issuer)

    @property
    def signer(self) -> Path:
        """Who signs the replies."""
        return self._write("signer", self.authority.signer.certificate)

    @property
    def recipient(self) -> Path:
        """Who requests are encrypted to."""
        return self._write("recipient", self.authority.recipients[0].certificate)

    @property
    def http_methods(self) -> list[str]:
        """How the pkiMessages came."""
        requests = [entry.request for entry in self.server.log]
        return [each.method for each in requests if "operation=PKIOperation" in each.url]

    def _write(self, name: str, certificate: Certificate) -> Path:
        path = self.folder / f"{name}.pem"
        path.write_text(certificate.pem())
        return path


@functools.cache
def authority(layout: str = "ca", *, bits: int = 2048) -> EphemeralCa:
    """Return the CA of one of the :data:`LAYOUTS`; all its keys have the same size."""
    return EphemeralCa.create(
        now=now() - timedelta(days=1),
        key=keys.rsa(0, bits=bits),
        key_bits=bits,
        provider=keys.provider(),
        **LAYOUTS[layout],
    )


def opening_for_the_ca_too(ca: EphemeralCa) -> EphemeralCa:
    """Return *ca* opening also what a client has encrypted to the CA instead of its RA."""
    return replace(ca, recipients=(*ca.recipients, ca.identity))


def now() -> datetime:
    """Return the present, which is when the clients believe to be."""
    return datetime.now(timezone.utc)


def promising_no_post(
    handle: Callable[[HttpRequest], HttpResponse], request: HttpRequest
) -> HttpResponse:
    """Answer a request, and leave POST out of what is announced."""
    response = handle(request)
    if "operation=GetCACaps" not in request.url:
        return response
    kept = (k for k in response.body.split() if k not in (b"POSTPKIOperation", b"SCEPStandard"))
    return replace(response, body=b"\n".join(kept))


@contextmanager
def serve(
    folder: Path,
    ca: EphemeralCa | None = None,
    *,
    approve: bool = False,
    post: bool = True,
    **options: Any,
) -> Iterator[Service]:
    """Run a responder, and check in the end that nothing went wrong inside.

    :param approve: what is PENDING is approved as soon as the client has been told so.
    :param post: whether POST is announced; it is answered in any case.
    :param options: those of :class:`pyscep.responder.Responder`.
    """
    recorder = Recorder(approve)
    standard = {
        "authority": authority() if ca is None else ca,
        "handler": static_challenge(CHALLENGE),
        "store": MemoryStore(),
        "now": now,
        "encoder": recorder,
        "provider": keys.provider(),
    }
    responder = Responder(**{**standard, **options})
    folder.mkdir(exist_ok=True)
    handle = responder.handle if post else partial(promising_no_post, responder.handle)
    with ScepServer(handle) as server:
        yield Service(
            folder=folder,
            authority=authority() if ca is None else ca,
            responder=responder,
            server=server,
            exchanges=recorder.exchanges,
        )
    server.check()
