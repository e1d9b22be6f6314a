"""Is that server all right? A survey asks it, and reports for each rule whether it is kept.

Without an :class:`~pyscep.survey.enrolment.Enrolment` only GetCACaps, GetCACert and, where it is
announced, GetNextCACert are asked, which any production server gets all day. With one, a
certificate is really requested: use a server, a name and a challenge password meant for it.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pyscep import http
from pyscep.ca import CaCertificates, parse_ca_certificates
from pyscep.capabilities import NO_CAPABILITIES, Capabilities, Capability
from pyscep.certificates import Certificate
from pyscep.cms_signed import degenerate
from pyscep.crypto import CryptoProvider, default_provider
from pyscep.errors import ScepError, TransportError
from pyscep.flows import Transport
from pyscep.inspection import Finding, Inspection, Kind, Level, inspect
from pyscep.limits import DEFAULT_LIMITS, Limits
from pyscep.survey.enrolment import Enrolling, Enrolment
from pyscep.survey.result import (
    Check,
    Observation,
    Survey,
    Verdict,
    about_http,
    broken,
    compare,
    judge,
    kept,
)
from pyscep.survey.rules import RULES

__all__ = ["Check", "Enrolment", "Survey", "Verdict", "survey"]

_OF_CERTIFICATES = ("G-07", "G-11", "G-13", "G-17", "R-12", "S-04", "S-18")
_OF_CAPABILITIES = ("C-04", "C-05", "C-06", "C-24")
_MANDATORY = (
    ("T-04", Capability.POST_PKI_OPERATION),
    ("E-10", Capability.AES),
    ("M-36", Capability.SHA256),
)


def survey(
    url: str,
    *,
    send: Transport,
    at: datetime | None,
    enrolment: Enrolment | None = None,
    ca_identifier: str | None = None,
    provider: CryptoProvider | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Survey:
    """Ask a server, and report on each rule whether it is kept.

    :param at: the present, with a time zone; ``None`` does not look for expired certificates.
    :param enrolment: request a certificate as well, poll for it, send the request again, and ask
        for the certificate and the CRL.
    :raises TransportError: the server cannot be reached.
    :raises UsageError: *url* cannot be that of a SCEP server.
    :raises ScepError: what ``enrolment.authenticate`` raises.

    Source: RFC 8894 section 4; T-20, C-01, G-01, N-01.
    """
    surveyor = _Surveyor(
        url=url,
        send=send,
        at=at,
        ca_identifier=ca_identifier,
        provider=provider or default_provider(),
        limits=limits,
    )
    observations: list[Observation] = []
    seen = _collect(surveyor.look(enrolment), observations)
    return Survey(
        url=http.get_ca_caps(url).address,
        capabilities=seen.capabilities,
        ca_certificates=seen.certificates,
        checks=tuple(judge(identifier, observations) for identifier in RULES),
        notes=seen.notes,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    capabilities: Capabilities
    certificates: tuple[Certificate, ...]
    notes: tuple[str, ...]


def _collect(watch: Generator[Observation, None, _Seen], observations: list[Observation]) -> _Seen:
    result: list[_Seen] = []

    def run() -> Generator[Observation, None, None]:
        result.append((yield from watch))

    observations += run()
    return result[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Surveyor:
    url: str
    send: Transport
    at: datetime | None
    ca_identifier: str | None
    provider: CryptoProvider
    limits: Limits

    def look(self, enrolment: Enrolment | None) -> Generator[Observation, None, _Seen]:
        capabilities = yield from self._capabilities()
        certificates, notes = yield from self._ca_certificates()
        if capabilities.supports(Capability.GET_NEXT_CA_CERT):
            notes = (*notes, (yield from self._next_ca(certificates)))
        if enrolment is not None and certificates:
            ca = enrolment.authenticate(CaCertificates(certificates=certificates))
            enrolling = Enrolling(
                url=self.url,
                send=self.send,
                ca=ca,
                enrolment=enrolment,
                capabilities=capabilities,
                algorithms=enrolment.algorithms or capabilities.select(allow_legacy=True),
                provider=self.provider,
                limits=self.limits,
            )
            notes = (*notes, *(yield from enrolling.look()))
        return _Seen(capabilities=capabilities, certificates=certificates, notes=notes)

    def _inspect(self, octets: bytes, signers: Sequence[Certificate] = ()) -> Inspection:
        # Expired certificates are looked for apart, with the reason beside it.
        return inspect(octets, signers=signers, provider=self.provider, limits=self.limits)

    # --------------------------------------------------------------------------------- GetCACaps

    def _capabilities(self) -> Generator[Observation, None, Capabilities]:
        where = "GetCACaps"
        try:
            response = self.send(http.get_ca_caps(self.url, ca_identifier=self.ca_identifier))
        except TransportError as error:
            # Old servers say so that they have none (C-17); whether this one is there at all,
            # GetCACert will tell.
            yield broken("C-01", f"{where}: {error}")
            return NO_CAPABILITIES
        capabilities = http.parse_get_ca_caps(response, limits=self.limits)
        if not capabilities.answered:
            yield broken("C-01", f"{where}: it was answered by HTTP status {response.status}.")
            return capabilities
        yield kept("C-01")
        yield from about_http(response, http.TEXT_TYPE, where, Level.SHOULD)
        seen = self._inspect(response.body)
        if response.body.strip() and not capabilities.keywords:
            yield broken("C-03", f"{where}: there is no keyword in the answer.")
        else:
            yield kept("C-03")
            yield from compare(seen.findings, _OF_CAPABILITIES, where)
        for identifier, capability in _MANDATORY:
            yield (
                kept(identifier)
                if capabilities.supports(capability)
                else broken(identifier, f"{where}: {capability.value} is not announced.")
            )
        return capabilities

    # --------------------------------------------------------------------------------- GetCACert

    def _ca_certificates(
        self,
    ) -> Generator[Observation, None, tuple[tuple[Certificate, ...], tuple[str, ...]]]:
        where = "GetCACert"
        response = self.send(http.get_ca_cert(self.url, ca_identifier=self.ca_identifier))
        try:
            body = http.parse_get_ca_cert(response, limits=self.limits)
            found = parse_ca_certificates(body, limits=self.limits).certificates
        except ScepError as error:
            yield broken("G-01", f"{where}: {error}")
            return (), (f"GetCACert: {error}",)
        yield kept("G-01")
        seen = self._inspect(body)
        bare = seen.kind is Kind.CERTIFICATE and not seen.wrapping
        expected = http.CA_CERT_TYPE if bare else http.CA_RA_CERT_TYPE
        yield from about_http(response, expected, where, Level.MUST)
        yield from self._about_form(seen, bare=bare, count=len(found))
        # A certificate alone is judged as the set that it is.
        whole = seen if len(found) > 1 else replace(seen, findings=self._alone(found[0]))
        yield from compare(whole.findings, _OF_CERTIFICATES, where)
        for certificate in found if self.at is not None else ():
            yield self._about_validity(certificate, self.at, where)
        return found, (f"GetCACert: {_counted(len(found))}.",)

    def _about_form(self, seen: Inspection, *, bare: bool, count: int) -> Iterator[Observation]:
        problems = [each for each in seen.findings if each.id in {"D-01", "M-05", "M-42"}]
        identifier = "G-03" if count == 1 else "G-04"
        if count == 1 and not bare:
            yield broken("G-03", f"GetCACert: one certificate comes as {seen.kind.value}.")
        elif problems:
            yield broken(
                identifier,
                f"GetCACert: {problems[0].text}",
                Level.MUST if problems[0].id == "D-01" else problems[0].level,
            )
        else:
            yield kept(identifier)

    def _alone(self, certificate: Certificate) -> tuple[Finding, ...]:
        packed = self._inspect(degenerate([certificate.der])).findings
        return tuple(each for each in packed if each.id != "G-06")

    def _about_validity(
        self, certificate: Certificate, at: datetime | None, where: str
    ) -> Observation:
        if at is None or certificate.is_valid_at(at):
            return kept("G-14")
        return broken(
            "G-14",
            f"{where}: {certificate.subject} is valid from {certificate.not_before:%Y-%m-%d} to "
            f"{certificate.not_after:%Y-%m-%d}.",
        )

    # ----------------------------------------------------------------------------- GetNextCACert

    def _next_ca(self, current: tuple[Certificate, ...]) -> Generator[Observation, None, str]:
        where = "GetNextCACert"
        response = self.send(http.get_next_ca_cert(self.url, ca_identifier=self.ca_identifier))
        if response.status in {404, 501, 503}:
            yield kept("N-01")
            return f"GetNextCACert: HTTP status {response.status}, so there is no next CA yet."
        try:
            body = http.parse_get_next_ca_cert(response, limits=self.limits)
        except ScepError as error:
            yield broken("N-01", f"{where}: {error}")
            yield broken("C-32", f"{where}: it is announced and does not work.")
            return f"GetNextCACert: {error}"
        yield kept("N-01")
        yield kept("C-32")
        yield from about_http(response, http.NEXT_CA_CERT_TYPE, where, Level.MUST)
        seen = self._inspect(body, signers=current)
        yield from compare(seen.findings, ("N-02", "N-04", "S-04", "S-18"), where)
        latest = max((c.not_after for c in current if c.is_ca), default=None)
        for certificate in seen.certificates or ():
            if certificate.is_ca and latest is not None and certificate not in current:
                yield (
                    kept("N-05")
                    if certificate.not_after > latest
                    else broken("N-05", f"{where}: {certificate.subject} ends before today's CA.")
                )
        return f"GetNextCACert: {_counted(len(seen.certificates or ()))}."


def _counted(number: int) -> str:
    return f"{number} certificate{'' if number == 1 else 's'}"
