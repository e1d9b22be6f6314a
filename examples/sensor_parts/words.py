"""What the operator reads: one entry for each kind of error, apart for enrolment and renewal.

The library says what was wrong with which value. What that means for a sensor on a wall, and who
can do something about it, is said here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import pyscep


@dataclass(frozen=True, slots=True)
class _Words:
    cause: str
    enrolment: str
    """What to do if a first certificate was asked for."""
    renewal: str
    """What to do if the present one was to be renewed."""


_NETWORK = (
    "Check the enrolment network and the server's URL.",
    "Check that the SCEP server can be reached from this network itself; enrolment used another.",
)
_URL = (
    "Check that the server's URL is that of its SCEP service.",
    "The URL worked at enrolment: ask the server's administrator what has changed.",
)
_ATTACK = (
    "Nothing of the answer was used. Find out who answered before trying again.",
    "Nothing of the answer was used; the present certificate is untouched. Find out who answered.",
)
_SERVER = (
    "Report this to the server's administrator; another SCEP server may be at this URL.",
    "Enrolment worked with this server: ask its administrator what has changed.",
)
_FIRMWARE = (
    "Report this to the sensor's support, with the settings of this network.",
    "Report this to the sensor's support, with the settings and the certificate's dates.",
)
_ALGORITHMS = (
    "Choose other algorithms for this network, or let the server's administrator allow better.",
    "The algorithms worked at enrolment: ask the server's administrator what has changed.",
)

ERRORS: dict[type[pyscep.ScepError], _Words] = {
    pyscep.ScepError: _Words("Something went wrong that has no name.", *_FIRMWARE),
    pyscep.UsageError: _Words("The settings of this network do not work.", *_FIRMWARE),
    pyscep.KeyCapabilityError: _Words(
        "The key cannot do what SCEP needs.",
        "Choose another key size or signature algorithm.",
        "Let the sensor enrol again for this network.",
    ),
    pyscep.ProtocolError: _Words("The server does not keep to SCEP.", *_SERVER),
    pyscep.DecodeError: _Words("The server's answer is not SCEP at all.", *_URL),
    pyscep.LimitExceeded: _Words("The server's answer is unreasonably large.", *_SERVER),
    pyscep.MessageError: _Words("The server's answer breaks a rule of SCEP.", *_SERVER),
    pyscep.MissingAttribute: _Words("The server's answer is incomplete.", *_SERVER),
    pyscep.DuplicateAttribute: _Words("The server's answer says something twice.", *_SERVER),
    pyscep.TransactionMismatch: _Words("The answer belongs to another request.", *_ATTACK),
    pyscep.NonceMismatch: _Words("The answer may be an old one sent again.", *_ATTACK),
    pyscep.UnexpectedMessageType: _Words(
        "The server sent something else than an answer.", *_SERVER
    ),
    pyscep.HttpError: _Words(
        "The server answered, but not in SCEP.",
        "Check the server's URL and the challenge password, which some servers refuse like this.",
        "Some servers refuse like this: check the challenge password, and ask what has changed.",
    ),
    pyscep.SecurityError: _Words("A check failed that protects the sensor.", *_ATTACK),
    pyscep.SignatureInvalid: _Words("The answer was not signed by the CA.", *_ATTACK),
    pyscep.UntrustedCa: _Words(
        "The server's CA certificates are not those of the settings, or not complete.",
        "Compare the root CA fingerprint with the CA, and upload the missing certificates.",
        "The CA may have been replaced: compare the fingerprint, and upload the new certificates.",
    ),
    pyscep.CertificateMismatch: _Words(
        "The CA issued something else than was asked for.",
        "Let the CA's administrator look up what was issued for this sensor.",
        "The present certificate is untouched; let the CA's administrator look up what was issued.",
    ),
    pyscep.DecryptionFailed: _Words("The answer was not encrypted for this sensor.", *_SERVER),
    pyscep.DowngradeRefused: _Words("The server offers weaker algorithms only.", *_ALGORITHMS),
    pyscep.ChallengeReused: _Words(
        "The challenge password has been used before.",
        "Get a new one-time challenge password for this network.",
        "Get a new one-time challenge password; without it this network cannot be renewed.",
    ),
    pyscep.WeakAlgorithm: _Words("An algorithm is too weak to be used.", *_ALGORITHMS),
    pyscep.UnsupportedError: _Words("The sensor does not know an algorithm.", *_ALGORITHMS),
    pyscep.ProviderUnavailable: _Words(
        "The sensor's cryptographic library does not load.",
        "Install the firmware again before this network is set up.",
        "Install the firmware again before the present certificate ends.",
    ),
    pyscep.StoreError: _Words("A record cannot be read or written.", *_FIRMWARE),
    pyscep.TooManyPending: _Words("Too many requests wait for a decision.", *_FIRMWARE),
    pyscep.TransportError: _Words("The SCEP server could not be reached.", *_NETWORK),
    pyscep.RequestRefused: _Words(
        "The server refused the request.",
        "Check the challenge password.",
        "The challenge password might be incorrect, or renewal not permitted.",
    ),
    pyscep.RequestPending: _Words(
        "The server waits for somebody to approve the request.",
        "Ask the CA's administrator to approve this sensor.",
        "Ask the CA's administrator to approve the renewal.",
    ),
}


def explain_error(error: pyscep.ScepError, *, renewal: bool) -> str:
    """Return what an error means, what to do, and the library's own words."""
    words = next(ERRORS[kind] for kind in type(error).__mro__ if kind in ERRORS)
    return f"{words.cause} {words.renewal if renewal else words.enrolment} ({error})"


def explain_failure(failure: pyscep.Failure) -> str:
    """Return why the CA refused, as far as it says so."""
    reason = failure.fail_info.rfc_name if failure.fail_info else "no reason"
    said = f" The server says {failure.fail_info_text!r}." if failure.fail_info_text else ""
    return f"The server refused ({reason}): {failure.explanation}{said}"


def failed(cause: str, *, renewal: bool, retry: datetime, expires: datetime | None) -> str:
    """Return the whole message about an attempt that has failed."""
    what = "Renewal" if renewal else "Enrolment"
    left = f"The present certificate is good until {when(expires)}; " if expires else ""
    return f"{what} failed. {cause} {left}{'n' if left else 'N'}ext attempt {when(retry)}."


def expired(expires: datetime) -> str:
    return (
        f"The certificate expired on {when(expires)} and cannot be renewed any more. Let the "
        "sensor enrol again for this network, with a challenge password that is good now."
    )


def pending(since: datetime, next_poll: datetime, *, renewal: bool) -> str:
    what = "renewal" if renewal else "enrolment"
    return (
        f"The CA wants somebody to approve the {what}; waiting since {when(since)}, next question "
        f"{when(next_poll)}."
    )


def gave_up(since: datetime) -> str:
    return (
        f"Nobody has approved the request since {when(since)}, so it was given up; ask the CA's "
        "administrator."
    )


def storage(error: Exception) -> str:
    return (
        f"The sensor's storage does not work ({error}). If it has room and is not damaged, let "
        "the sensor enrol again for this network."
    )


def active(expires: datetime, renew_at: datetime, remarks: list[str]) -> str:
    text = f"The certificate is good until {when(expires)} and is renewed from {when(renew_at)} on."
    return " ".join([text, *remarks])


def other_subject(actual: pyscep.Name, wanted: pyscep.Name) -> str:
    return f"Its subject is {str(actual) or 'empty'}, not {str(wanted) or 'empty'} as configured."


def other_alternative_name(missing: str) -> str:
    return f"The configured alternative name {missing} is not in it."


NOT_AUTHENTICATED = (
    "The CA was believed as it first answered: there is neither a fingerprint nor an uploaded CA "
    "certificate."
)


def when(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
