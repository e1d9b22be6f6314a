"""A pending request in a file: all that `pyscep poll` needs, and no secret."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pyscep.algorithms import ContentEncryptionAlgorithm, DigestAlgorithm
from pyscep.ca import CaCertificates, TrustedCa
from pyscep.certificates import Certificate, Identity, parse_certificate
from pyscep.cli import files
from pyscep.cli.terminal import Terminal
from pyscep.errors import DecodeError, UsageError
from pyscep.exchange import ReplyRules
from pyscep.keys import PrivateKey
from pyscep.limits import DEFAULT_LIMITS
from pyscep.transaction import Transaction

_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedRequest:
    """A request that waits for the CA's decision.

    Source: RFC 8894 section 2.5.1; P-07, X-05.
    """

    url: str
    """The server's URL."""
    ca_identifier: str | None
    """Names one of several CAs of the server."""
    transaction: Transaction
    """Where it stands."""
    signer: Certificate
    """The certificate that signed the request, and has to sign each poll."""
    ca_certificates: tuple[Certificate, ...]
    """The CA's certificates, as they were authenticated."""
    key: str
    """The file with the signer's key."""
    out: str
    """Where the certificate is to be written."""
    chain_out: str | None
    """Where the certificates above it are to be written."""
    rules: ReplyRules
    """What is read in replies."""
    ignore_ca_key_usage: bool
    """Whether the CA's certificates are used for what their keyUsage does not have."""

    def to_json(self) -> str:
        """Return the file's contents, to be read by :meth:`from_json`."""
        fields = {
            "version": _VERSION,
            "url": self.url,
            "ca_identifier": self.ca_identifier,
            "transaction": json.loads(self.transaction.to_json()),
            "signer": self.signer.pem(),
            "ca_certificates": [certificate.pem() for certificate in self.ca_certificates],
            "key": self.key,
            "out": self.out,
            "chain_out": self.chain_out,
            "rules": _rules_to_fields(self.rules),
            "ignore_ca_key_usage": self.ignore_ca_key_usage,
        }
        return json.dumps(fields, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> SavedRequest:
        """Read what :meth:`to_json` wrote.

        :raises DecodeError: it is something else, or of another version.
        """
        DEFAULT_LIMITS.check("json_size", len(text), what="It has {} characters")
        try:
            fields = json.loads(text)
            if not isinstance(fields, dict) or fields.get("version") != _VERSION:
                raise ValueError
            return _from_fields(fields)
        except (ValueError, KeyError, TypeError, RecursionError):
            pass
        raise DecodeError("This is not a pending request that pyscep saved; enrol anew.")

    def save(self, path: str) -> None:
        """Write it, in the place of what was known before."""
        files.write(path, self.to_json().encode("utf-8"), force=True, private=True)

    def after(self, transaction: Transaction) -> SavedRequest:
        """Return the same at a later state of the transaction."""
        return replace(self, transaction=transaction)

    def identity(self, key: PrivateKey) -> Identity:
        """Return the signer with its key.

        :raises UsageError: it is another key.
        """
        if key.public_key != self.signer.public_key:
            raise UsageError(
                f"{self.key} is not the key that signed the request; it has to sign each poll.",
                argument="key",
            )
        return Identity(certificate=self.signer, key=key)

    def ca(self, terminal: Terminal) -> TrustedCa:
        """Return the CA again, whose certificates were authenticated when the request was sent.

        :raises UntrustedCa: one of them has expired meanwhile.
        """
        certificates = self.ca_certificates
        return CaCertificates(certificates=certificates).authenticate(
            at=terminal.now(),
            anchors=tuple(certificate for certificate in certificates if certificate.is_ca),
            ignore_key_usage=self.ignore_ca_key_usage,
            ra_may_be_any_end_entity=True,
            encrypt_with_challenge=True,
        )


def load(path: str) -> SavedRequest:
    """Read a saved request.

    :raises UsageError: the file cannot be read, or is something else.
    """
    octets = files.read(path)
    with files.explained(path):
        return SavedRequest.from_json(octets.decode("utf-8", "replace"))


def absolute(path: str) -> str:
    """Return a path that means the same in every directory."""
    return str(Path(path).absolute())


def _from_fields(fields: dict[str, Any]) -> SavedRequest:
    identifier, chain_out = fields["ca_identifier"], fields["chain_out"]
    return SavedRequest(
        url=_text(fields["url"]),
        ca_identifier=None if identifier is None else _text(identifier),
        transaction=Transaction.from_json(json.dumps(fields["transaction"])),
        signer=_certificate(fields["signer"]),
        ca_certificates=tuple(_certificate(each) for each in fields["ca_certificates"]),
        key=_text(fields["key"]),
        out=_text(fields["out"]),
        chain_out=None if chain_out is None else _text(chain_out),
        rules=_rules_from_fields(fields["rules"]),
        ignore_ca_key_usage=fields["ignore_ca_key_usage"] is True,
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _certificate(value: object) -> Certificate:
    return parse_certificate(_text(value).encode("utf-8"))


def _rules_to_fields(rules: ReplyRules) -> dict[str, Any]:
    return {
        "read_legacy_ciphers": sorted(cipher.name for cipher in rules.read_legacy_ciphers),
        "minimum_digest": rules.minimum_digest.name,
        "ignore_key_usage": rules.ignore_key_usage,
    }


def _rules_from_fields(fields: dict[str, Any]) -> ReplyRules:
    ciphers = fields["read_legacy_ciphers"]
    return ReplyRules(
        read_legacy_ciphers=frozenset(ContentEncryptionAlgorithm[name] for name in ciphers),
        minimum_digest=DigestAlgorithm[fields["minimum_digest"]],
        ignore_key_usage=fields["ignore_key_usage"] is True,
    )
