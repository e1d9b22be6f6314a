"""The whole error tree of pyscep.

Every error raised on purpose is a :class:`ScepError`. The text is one sentence: what was wrong,
with which value, and what to do about it; the facts are attributes, so nobody has to parse text::

    ScepError
    ├─ UsageError                  the caller asked for something impossible
    │  └─ KeyCapabilityError       the key cannot do what this step needs
    ├─ ProtocolError               the peer broke a rule
    │  ├─ DecodeError              not DER, or not the structure that belongs here
    │  │  └─ LimitExceeded         larger, deeper or more numerous than the caller's Limits
    │  ├─ MessageError             well-formed, but breaks SCEP
    │  │  ├─ MissingAttribute
    │  │  ├─ DuplicateAttribute
    │  │  ├─ TransactionMismatch
    │  │  ├─ NonceMismatch
    │  │  └─ UnexpectedMessageType
    │  └─ HttpError                an HTTP status or content that SCEP does not have
    ├─ SecurityError               do not retry, do not ignore
    │  ├─ SignatureInvalid
    │  ├─ UntrustedCa
    │  ├─ CertificateMismatch      the CA issued something else than was asked for
    │  ├─ DecryptionFailed         one type, one text, whatever went wrong
    │  ├─ DowngradeRefused
    │  ├─ ChallengeReused          a one-time challenge came a second time
    │  └─ WeakAlgorithm
    ├─ UnsupportedError            legal, but this provider or version cannot
    ├─ ProviderUnavailable         no cryptographic library could be loaded
    ├─ StoreError                  what a responder remembers cannot be read or written
    │  └─ TooManyPending           no further request may wait for a decision
    ├─ TransportError              the network, not the protocol
    ├─ RequestRefused              a FAILURE, for callers of require_success()
    └─ RequestPending              a PENDING, for callers of require_success()

A server maps an error to its answer with the two hints that each class carries:
``fail_info_hint`` (the failInfo to send, RFC 8894 section 3.2.1.4) and ``http_status_hint``.
"""

from __future__ import annotations

from typing import Any, ClassVar


def _restore(cls: type[ScepError], args: tuple[Any, ...], facts: dict[str, Any]) -> ScepError:
    error = cls.__new__(cls)
    error.args = args
    error.__dict__.update(facts)
    return error


class ScepError(Exception):
    """Base of every error of this library.

    :param message: one sentence for people.
    """

    fail_info_hint: ClassVar[int] = 2
    """The failInfo that a server should answer with; 2 is badRequest (A-15)."""

    http_status_hint: ClassVar[int] = 500
    """The HTTP status for a server that cannot form a signed reply (T-23)."""

    def __init__(self, message: str) -> None:
        super().__init__(message)

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions with keyword-only arguments do not survive pickle's default way, and would
        # vanish between processes.
        return _restore, (type(self), self.args, dict(self.__dict__))


class UsageError(ScepError):
    """The caller asked for something impossible.

    :param message: names the argument and the remedy.
    :param argument: the argument's name, if one argument is to blame.
    """

    def __init__(self, message: str, *, argument: str | None = None) -> None:
        super().__init__(message)
        self.argument = argument


class KeyCapabilityError(UsageError):
    """The key cannot do what this step needs; raised before anything is sent."""

    # badAlg: to a server it is a client's key, and there is no way to answer it (E-26).
    fail_info_hint: ClassVar[int] = 0


class ProtocolError(ScepError):
    """The peer broke a rule.

    :param reference: the rule, such as ``"RFC 8894 section 3.2.1.4"``.
    """

    http_status_hint: ClassVar[int] = 400

    def __init__(self, message: str, *, reference: str | None = None) -> None:
        super().__init__(message)
        self.reference = reference


class DecodeError(ProtocolError):
    """Not DER, or not the structure that belongs here.

    :param offset: where in the input, in bytes, if known.
    """

    def __init__(
        self, message: str, *, reference: str | None = None, offset: int | None = None
    ) -> None:
        super().__init__(message, reference=reference)
        self.offset = offset


class LimitExceeded(DecodeError):
    """Input larger, deeper or more numerous than the caller's :class:`~pyscep.limits.Limits`.

    :param limit: the field of ``Limits`` that would have to be raised.
    :param value: what was met, if it was counted.
    """

    http_status_hint: ClassVar[int] = 413

    def __init__(self, message: str, *, limit: str, value: int | None = None) -> None:
        super().__init__(message)
        self.limit = limit
        self.value = value


class MessageError(ProtocolError):
    """A well-formed message that breaks a rule of SCEP."""


class MissingAttribute(MessageError):
    """A required attribute is absent.

    :param attribute: its name as in RFC 8894, such as ``"recipientNonce"``.
    """

    def __init__(self, message: str, *, attribute: str, reference: str | None = None) -> None:
        super().__init__(message, reference=reference)
        self.attribute = attribute


class DuplicateAttribute(MessageError):
    """An attribute occurs twice, or has not exactly one value.

    :param attribute: its name as in RFC 8894.
    """

    def __init__(self, message: str, *, attribute: str, reference: str | None = None) -> None:
        super().__init__(message, reference=reference)
        self.attribute = attribute


class TransactionMismatch(MessageError):
    """A reply for another transaction.

    :param expected: the transactionID that was sent.
    :param actual: the transactionID of the reply.
    """

    def __init__(self, message: str, *, expected: str, actual: str) -> None:
        super().__init__(message, reference="RFC 8894 section 3.2.1.1")
        self.expected = expected
        self.actual = actual


class NonceMismatch(MessageError):
    """The recipientNonce is not the senderNonce that was sent: perhaps a replayed reply."""

    fail_info_hint: ClassVar[int] = 1


class UnexpectedMessageType(MessageError):
    """A messageType that does not belong here.

    :param actual: the messageType met, as text.
    """

    def __init__(self, message: str, *, actual: str) -> None:
        super().__init__(message, reference="RFC 8894 section 3.2.1.2")
        self.actual = actual


class HttpError(ProtocolError):
    """An HTTP status or content that SCEP does not have.

    :param status: the HTTP status.
    :param content_type: the Content-Type, if there was one.
    :param excerpt: the beginning of the body, printable and short.
    :param allow: for a server's 405, the method to name in ``Allow``.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        content_type: str | None = None,
        excerpt: str = "",
        allow: str | None = None,
    ) -> None:
        super().__init__(message, reference="RFC 8894 section 4.1")
        self.status = status
        self.content_type = content_type
        self.excerpt = excerpt
        self.allow = allow


class SecurityError(ScepError):
    """A check failed that protects the caller: do not retry, do not ignore."""

    http_status_hint: ClassVar[int] = 400


class SignatureInvalid(SecurityError):
    """A signature does not verify with the key that it has to verify with."""

    fail_info_hint: ClassVar[int] = 1


class UntrustedCa(SecurityError):
    """The CA certificates are not the ones that the caller trusts.

    :param expected: the fingerprint (or name) that was expected.
    :param actual: what was found instead.
    """

    def __init__(
        self, message: str, *, expected: str | None = None, actual: str | None = None
    ) -> None:
        super().__init__(message)
        self.expected = expected
        self.actual = actual


class CertificateMismatch(SecurityError):
    """The CA returned a certificate or CRL that is not what was asked for."""

    fail_info_hint: ClassVar[int] = 4


class DecryptionFailed(SecurityError):
    """Decryption failed; it is not said why, as each reason would help an attacker (E-16)."""

    # badRequest, the same as for content that decrypts and then is malformed (S-06).
    fail_info_hint: ClassVar[int] = 2
    TEXT: ClassVar[str] = "The envelope could not be decrypted with this key."

    def __init__(self) -> None:
        super().__init__(self.TEXT)


class DowngradeRefused(SecurityError):
    """What the server offers is weaker than what the caller allows.

    :param offered: what the server offers, as keywords.
    :param argument: the argument that would allow it.
    """

    def __init__(self, message: str, *, offered: tuple[str, ...], argument: str) -> None:
        super().__init__(message)
        self.offered = offered
        self.argument = argument


class ChallengeReused(SecurityError):
    """A challenge password that may be used once was used in another transaction (H-04)."""

    def __init__(self) -> None:
        super().__init__("A one-time challenge password was used a second time; issue a new one.")


class WeakAlgorithm(SecurityError):
    """An algorithm that is forbidden, or that the caller has not allowed.

    :param algorithm: its name, or its OID when it has no name here.
    :param argument: the argument that would allow it; ``None`` when nothing does.
    """

    fail_info_hint: ClassVar[int] = 0

    def __init__(self, message: str, *, algorithm: str, argument: str | None = None) -> None:
        super().__init__(message)
        self.algorithm = algorithm
        self.argument = argument


class UnsupportedError(ScepError):
    """Legal, but this provider or version cannot do it.

    :param algorithm: its name or OID.
    :param provider: the provider that cannot, if it is a matter of the provider.
    """

    fail_info_hint: ClassVar[int] = 0
    http_status_hint: ClassVar[int] = 400

    def __init__(self, message: str, *, algorithm: str, provider: str | None = None) -> None:
        super().__init__(message)
        self.algorithm = algorithm
        self.provider = provider


class ProviderUnavailable(ScepError):
    """No cryptographic library could be loaded; the text says which step helps."""


class StoreError(ScepError):
    """What a responder remembers cannot be read or written; nothing was changed."""

    http_status_hint: ClassVar[int] = 503


class TooManyPending(StoreError):
    """As many requests wait for a decision as may; the client is told to try again later.

    :param maximum: how many may.
    """

    def __init__(self, *, maximum: int) -> None:
        super().__init__(
            f"No further request may wait for a decision, as maximum_pending is {maximum}; decide "
            "about those that wait, or raise it."
        )
        self.maximum = maximum


class TransportError(ScepError):
    """The network failed; nothing is known about what the server did.

    :param url: the URL without its query, which may carry a message.
    :param timed_out: whether the time given by the caller ran out.
    """

    def __init__(self, message: str, *, url: str, timed_out: bool = False) -> None:
        super().__init__(message)
        self.url = url
        self.timed_out = timed_out


class RequestRefused(ScepError):
    """The CA answered FAILURE; raised by ``require_success()`` only.

    :param fail_info: the wire value of failInfo, ``None`` if the CA gave none.
    :param fail_info_text: the CA's own words, if it gave any.
    """

    def __init__(self, message: str, *, fail_info: int | None, fail_info_text: str | None) -> None:
        super().__init__(message)
        self.fail_info = fail_info
        self.fail_info_text = fail_info_text


class RequestPending(ScepError):
    """The CA answered PENDING; raised by ``require_success()`` only.

    :param transaction_id: the transaction to poll for.
    """

    def __init__(self, message: str, *, transaction_id: str) -> None:
        super().__init__(message)
        self.transaction_id = transaction_id
