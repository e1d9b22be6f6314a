"""Who takes part in the vectors: fixed public test keys, and certificates for them.

Most vectors are about one CA, ``ca``, that does everything itself, and one client, that enrols with
its old key and renews with its new one.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from importlib import resources

from pyscep import extensions
from pyscep.algorithms import DigestAlgorithm, KeyType
from pyscep.certificates import Certificate, Identity, key_identifier_of, key_type_of
from pyscep.crypto import CryptoProvider
from pyscep.errors import ProviderUnavailable
from pyscep.extensions import ExtendedKeyUsage, KeyUsage
from pyscep.handlers import static_challenge
from pyscep.keys import PrivateKey
from pyscep.memory_store import MemoryStore
from pyscep.names import build_name
from pyscep.pkcs10 import build_certificate, random_serial_number, signing_algorithm
from pyscep.responder import Responder
from pyscep.testing.ephemeral_ca import ALL_CA_USAGES, EphemeralCa
from pyscep.testing.vectors.model import AuthorityCertificates
from pyscep.testing.vectors.seeded import SeededProvider

KEY_NAMES = (
    "root",
    "ca",
    "next-ca",
    "ra-sign",
    "ra-encrypt",
    "client-old",
    "client-new",
    "stranger",
    "short",
    "ec-ca",
    "ec-client-old",
    "ec-client-new",
)
"""The public test keys: RSA of 2048 bits, the short one of 1024; EC on P-256."""
CHALLENGE_PASSWORD = "vectors-know-it-by-heart"  # noqa: S105  # public test data
CLIENT = "CN=sensor-17,O=Example"
YEAR = timedelta(days=365)

_CA_NAME = "CN=Vector CA,O=Example"
_SIGN = (KeyUsage.DIGITAL_SIGNATURE,)
_ENCRYPT = (KeyUsage.KEY_ENCIPHERMENT,)
_BOTH = _SIGN + _ENCRYPT
_CERT_SIGN = (KeyUsage.KEY_CERT_SIGN, KeyUsage.CRL_SIGN)
_REQUEST_AGENT = ("1.3.6.1.4.1.311.20.2.1",)
"""Microsoft's Certificate Request Agent, as the RA certificates of NDES have it."""

AUTHORITIES = {
    "ca": AuthorityCertificates(anchor="ca", issuer="ca", signers=("ca",), recipient="ca"),
    "chain": AuthorityCertificates(
        anchor="root", issuer="issuing", signers=("issuing",), recipient="issuing"
    ),
    "ra": AuthorityCertificates(
        anchor="ca", issuer="ca", signers=("ra-sign", "ca"), recipient="ra-encrypt"
    ),
    "ndes": AuthorityCertificates(
        anchor="ndes-ca",
        issuer="ndes-ca",
        signers=("ndes-ra-sign", "ndes-ca"),
        recipient="ndes-ra-encrypt",
    ),
    "next-ca": AuthorityCertificates(
        anchor="next-ca", issuer="next-ca", signers=("next-ca",), recipient="next-ca"
    ),
    "next-ca-link": AuthorityCertificates(
        anchor="next-ca-link",
        issuer="next-ca-link",
        signers=("next-ca-link",),
        recipient="next-ca-link",
    ),
    "ec": AuthorityCertificates(
        anchor="ec-ca", issuer="ec-ca", signers=("ec-ca",), recipient="ec-ca"
    ),
}
"""The CAs that a client may trust, each by which of its certificates is for what."""


@functools.cache
def public_test_key(name: str) -> bytes:
    """Return one of the committed keys, PKCS #8 in PEM; everybody has it."""
    folder = resources.files("pyscep.testing.vectors") / "public_test_keys"
    return (folder / f"{name}.pem").read_bytes()


@dataclass(frozen=True, slots=True, kw_only=True)
class Parties:
    """Keys and certificates by name, and what they are put to; made by :func:`make_parties`."""

    base: CryptoProvider = field(repr=False)
    """The cryptography."""
    seed: int
    """What all randomness is drawn from."""
    at: datetime
    """The moment at which everything is read."""
    keys: dict[str, PrivateKey] = field(repr=False)
    """Private keys by name."""
    certificates: dict[str, tuple[Certificate, str]] = field(default_factory=dict)
    """Certificates by name, each with the name of its key."""

    def provider(self, label: str) -> SeededProvider:
        """Return the cryptography for one vector, at the beginning of its randomness."""
        return SeededProvider(base=self.base, seed=self.seed, label=label)

    def certificate(self, name: str) -> Certificate:
        """Return a certificate by its name."""
        return self.certificates[name][0]

    def name_of(self, certificate: Certificate) -> str:
        """Return the name of a certificate."""
        entries = self.certificates.items()
        return next(name for name, (known, _key) in entries if known == certificate)

    def identity(self, name: str) -> Identity:
        """Return a certificate by its name, with its key."""
        certificate, key = self.certificates[name]
        return Identity(certificate=certificate, key=self.keys[key])

    def ephemeral_ca(self, name: str, provider: CryptoProvider) -> EphemeralCa:
        """Return one of :data:`AUTHORITIES`, or any other certificate, as an authority."""
        roles = AUTHORITIES.get(name) or AuthorityCertificates(
            anchor=name, issuer=name, signers=(name,), recipient=name
        )
        chained = roles.anchor != roles.issuer
        return EphemeralCa(
            identity=self.identity(roles.issuer),
            parents=(self.identity(roles.anchor),) if chained else (),
            signer=self.identity(roles.signers[0]),
            recipients=(self.identity(roles.recipient),),
            lifetime=YEAR,
            publish_root=True,
            provider=provider,
        )

    def responder(self, name: str, provider: CryptoProvider) -> Responder:
        """Return a responder of one of the CAs, which has seen nothing yet."""
        return Responder(
            authority=self.ephemeral_ca(name, provider),
            handler=static_challenge(CHALLENGE_PASSWORD),
            store=MemoryStore(),
            now=lambda: self.at,
            provider=provider,
        )

    def certify(
        self,
        name: str,
        subject: str,
        key: str,
        *,
        issuer: str | None = None,
        ca: bool = False,
        usages: Iterable[KeyUsage] = _BOTH,
        purposes: Iterable[str] = (),
        since: timedelta = 5 * YEAR,
        until: timedelta = 15 * YEAR,
    ) -> None:
        """Add a certificate; a self-signed one, if there is no *issuer*.

        :param since: how long before :attr:`at` it began.
        :param until: how long after :attr:`at` it ends; it may be negative.
        """
        public_key = self.keys[key].public_key
        own_name = build_name(subject)
        signing_key = self.keys[key] if issuer is None else self.identity(issuer).key
        items = [extensions.basic_constraints(ca=ca), extensions.key_usage(usages)]
        items += [extensions.extended_key_usage(purposes)] if purposes else []
        certificate = build_certificate(
            issuer=own_name if issuer is None else self.certificate(issuer).subject,
            subject=own_name,
            public_key=public_key,
            serial_number=random_serial_number(self.provider(f"certificates/{name}")),
            not_before=self.at - since,
            not_after=self.at + until,
            items=(
                *items,
                extensions.subject_key_identifier(key_identifier_of(public_key)),
                extensions.authority_key_identifier(key_identifier_of(signing_key.public_key)),
            ),
            key=signing_key,
            algorithm=signing_algorithm(signing_key, DigestAlgorithm.SHA256),
        )
        self.certificates[name] = (certificate, key)


def _load_key(name: str, provider: CryptoProvider) -> PrivateKey:
    text = public_test_key(name)
    key = provider.load_private_key(text)
    # ECDSA draws a number for each signature, which a provider's key takes from nobody.
    return _repeatable(text) if key_type_of(key.public_key) is KeyType.EC else key


def _repeatable(text: bytes) -> PrivateKey:
    try:
        from pyscep.crypto import pyca_provider  # noqa: PLC0415  # an extra
    except ImportError as error:
        raise ProviderUnavailable(
            f"Test vectors with EC keys need cryptography ({error}), whose ECDSA can be repeated; "
            "install the extra [cryptography]."
        ) from error
    key = pyca_provider.PycaProvider().load_private_key(text)
    return pyca_provider.RepeatableEcKey(key)


def make_parties(seed: int, at: datetime, provider: CryptoProvider) -> Parties:
    """Certify the public test keys for everybody who takes part.

    Source: RFC 8894 section 2.1; G-08, G-09, G-11.
    """
    keys = {name: _load_key(name, provider) for name in KEY_NAMES}
    parties = Parties(base=provider, seed=seed, at=at, keys=keys)
    certify = parties.certify
    every = ALL_CA_USAGES
    certify("root", "CN=Vector Root CA,O=Example", "root", ca=True, usages=_CERT_SIGN)
    certify("ca", _CA_NAME, "ca", ca=True, usages=every)
    certify("issuing", "CN=Vector Issuing CA,O=Example", "ca", issuer="root", ca=True, usages=every)
    certify("ra-sign", "CN=Vector RA sign", "ra-sign", issuer="ca", usages=_SIGN)
    certify("ra-encrypt", "CN=Vector RA encrypt", "ra-encrypt", issuer="ca", usages=_ENCRYPT)
    certify("ndes-ca", "CN=Vector NDES CA", "ca", ca=True, usages=(*_SIGN, *_CERT_SIGN))
    for use, usages in (("sign", _SIGN), ("encrypt", _ENCRYPT)):
        certify(
            f"ndes-ra-{use}",
            "CN=NDES-MSCEP-RA,C=DE",
            f"ra-{use}",
            issuer="ndes-ca",
            usages=usages,
            purposes=_REQUEST_AGENT,
        )
    for name, issuer in (("next-ca", None), ("next-ca-link", "ca")):
        certify(
            name,
            _CA_NAME,
            "next-ca",
            issuer=issuer,
            ca=True,
            usages=every,
            since=timedelta(days=-30),
            until=20 * YEAR,
        )
    certify("ec-ca", "CN=Vector EC CA", "ec-ca", ca=True, usages=(*_SIGN, *_CERT_SIGN))
    certify("expired-ca", _CA_NAME, "ca", ca=True, usages=every, until=-YEAR)
    _certify_clients(parties)
    _certify_strangers(parties)
    return parties


def _certify_clients(parties: Parties) -> None:
    for name in ("client-old", "client-new", "short"):
        label = "client" if name == "client-old" else name
        parties.certify(f"{label}-self-signed", CLIENT, name)
    parties.certify("ec-client-self-signed", CLIENT, "ec-client-old", usages=_SIGN)
    day = timedelta(days=1)
    for name, key, issuer, since, until in (
        ("client-old", "client-old", "ca", YEAR, 10 * YEAR),
        ("client-old-by-issuing", "client-old", "issuing", YEAR, 10 * YEAR),
        ("client-old-by-ndes-ca", "client-old", "ndes-ca", YEAR, 10 * YEAR),
        ("client-old-by-next-ca", "client-old", "next-ca", YEAR, 10 * YEAR),
        ("client-new", "client-new", "ca", day, 10 * YEAR),
        ("client-expired", "client-old", "ca", 2 * YEAR, -day),
        ("ec-client-old", "ec-client-old", "ca", YEAR, 10 * YEAR),
        ("ec-client-new", "ec-client-new", "ca", day, 10 * YEAR),
        ("client-old-by-ec-ca", "client-old", "ec-ca", YEAR, 10 * YEAR),
        ("client-new-by-ec-ca", "client-new", "ec-ca", day, 10 * YEAR),
        ("ec-client-old-by-ec-ca", "ec-client-old", "ec-ca", YEAR, 10 * YEAR),
        ("ec-client-new-by-ec-ca", "ec-client-new", "ec-ca", day, 10 * YEAR),
    ):
        parties.certify(
            name,
            CLIENT,
            key,
            issuer=issuer,
            usages=_SIGN if key.startswith("ec-") else _BOTH,
            purposes=(ExtendedKeyUsage.CLIENT_AUTH.value,),
            since=since,
            until=until,
        )


def _certify_strangers(parties: Parties) -> None:
    certify = parties.certify
    certify("stranger-ca", _CA_NAME, "stranger", ca=True, usages=ALL_CA_USAGES)
    certify("stranger-ra", "CN=Vector RA", "ra-encrypt", issuer="stranger-ca")
    certify("client-by-stranger", CLIENT, "client-old", issuer="stranger-ca")
    stranger = parties.ephemeral_ca("stranger-ca", parties.base)
    for name in ("ca", "client-self-signed"):
        # Another key under the issuer and serial number of the right one.
        forged = stranger.forge(parties.certificate(name))
        parties.certificates[f"{name}-look-alike"] = (forged, "stranger")
