"""The rules that a survey can see a server keep or break, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass

from pyscep.inspection.findings import Level


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One item of the conformance checklist, as far as a server can be seen to keep it."""

    level: Level
    """How much it weighs to break it."""
    rule: str
    """What it says, in a sentence."""
    advice: str
    """What whoever runs the server can do, in a sentence."""


def _must(rule: str, advice: str) -> Rule:
    return Rule(level=Level.MUST, rule=rule, advice=advice)


def _should(rule: str, advice: str) -> Rule:
    return Rule(level=Level.SHOULD, rule=rule, advice=advice)


def _field(rule: str, advice: str) -> Rule:
    return Rule(level=Level.FIELD, rule=rule, advice=advice)


def _advice(rule: str, advice: str) -> Rule:
    return Rule(level=Level.ADVICE, rule=rule, advice=advice)


_UPDATE = "Update the server's software, or report this to whoever makes it."
_RENEW_CA = "Give the CA or RA a new certificate."

RULES: dict[str, Rule] = {
    # HTTP
    "T-04": _must("PKIOperation works by POST.", "Switch POST on and announce POSTPKIOperation."),
    "T-20": _must(
        "Every answer has the Content-Type of its operation.",
        "Set the Content-Type in the server, or stop a proxy from changing it.",
    ),
    "T-21": _field(
        "Content-Types come without parameters.", "Switch the charset off: some clients compare."
    ),
    "T-23": _field(
        "Every request that can be read is answered by a CertRep in an HTTP 200.",
        "Clients learn nothing from an HTTP error; see the server's log for its cause.",
    ),
    "T-28": _advice(
        "Answers may not be cached.", "Send Cache-Control: no-store, for the sake of proxies."
    ),
    # GetCACaps
    "C-01": _must("GetCACaps is answered.", "Clients fall back to 3DES and SHA-1; update."),
    "C-03": _must("Capabilities are keywords in plain text, a line each.", _UPDATE),
    "C-04": _advice("There are no blank lines and spaces around keywords.", _UPDATE),
    "C-05": _field(
        "Lines end in LF.", "With CRLF, some clients do not recognise a single keyword."
    ),
    "C-06": _must("Keywords are in the letter case of RFC 8894.", "Correct the spelling."),
    "C-13": _must(
        "What SCEPStandard promises works: POST, AES-128 and SHA-256.",
        "Take SCEPStandard out, or make the server do what it promises.",
    ),
    "C-24": _should("Private keywords name their owner.", "Rename them, as in Example.com-Magic."),
    "C-32": _advice("Only what works is announced.", "Take out what does not work."),
    "M-36": _must("SHA-256 is supported.", "Allow SHA-256 and announce it."),
    "E-10": _must(
        "AES-128-CBC is supported.",
        "Allow AES and announce it; NDES has AES without saying so, and clients have to be told.",
    ),
    # GetCACert
    "G-01": _must("GetCACert is answered.", "Check the URL and the server's CA configuration."),
    "G-03": _must("A CA without intermediate and RA is answered as one bare certificate.", _UPDATE),
    "G-04": _must("Several certificates come as a degenerate SignedData.", _UPDATE),
    "G-07": _advice(
        "The RA's or issuing CA's certificate is the first.",
        "Reorder them if old clients take the first certificate.",
    ),
    "G-11": _must(
        "A CA without RA may sign and receive messages by its keyUsage.",
        "Use RA certificates, or renew the CA certificate with digitalSignature and "
        "keyEncipherment.",
    ),
    "G-13": _field(
        "Requests can be encrypted to an RSA certificate.", "Add an RA with an RSA key."
    ),
    "G-14": _must("All certificates are in their time of validity.", _RENEW_CA),
    "G-17": _advice("All certificates belong to one CA.", "Remove those that do not belong."),
    "R-12": _field("RSA keys have at least 2048 bits.", _RENEW_CA),
    "S-04": _must("MD5 is used nowhere.", _RENEW_CA),
    "S-18": _advice("SHA-1 is used nowhere.", "Choose SHA-256 for certificates and replies."),
    # GetNextCACert
    "N-01": _must("GetNextCACert is answered if it is announced.", "Take the keyword out."),
    "N-02": _must("The next CA certificates are signed with the current CA's key.", _UPDATE),
    "N-04": _must("The next CA certificates are inside what is signed.", _UPDATE),
    "N-05": _advice("The next CA certificate ends after the current one.", "Renew it for longer."),
    # Replies
    "M-01": _must("A reply is a SignedData over id-data.", _UPDATE),
    "M-03": _must("A reply without content leaves it out.", _UPDATE),
    "M-05": _field("Replies are DER.", "Some clients do not read BER."),
    "M-06": _advice("Version numbers are the usual ones.", _UPDATE),
    "M-07": _advice("A reply has one signer.", _UPDATE),
    "M-08": _must("A reply has signed attributes.", _UPDATE),
    "M-09": _must("contentType and messageDigest are there and right.", _UPDATE),
    "M-10": _must("The signature verifies over sorted attributes.", _UPDATE),
    "M-11": _advice("Every attribute is there once, with one value.", _UPDATE),
    "M-12": _must("transactionID, messageType and senderNonce are there.", _UPDATE),
    "M-13": _must("recipientNonce is there, and failInfo in a FAILURE only.", _UPDATE),
    "M-14": _must("Attributes have the ASN.1 types of RFC 8894.", _UPDATE),
    "M-15": _must("Numbers are plain decimal digits.", _UPDATE),
    "M-21": _must("messageType is one of RFC 8894.", _UPDATE),
    "M-22": _must("pkiStatus is 0, 2 or 3.", _UPDATE),
    "M-23": _must("failInfo is 0 to 4.", _UPDATE),
    "M-25": _must("A senderNonce has 16 bytes and is new in each reply.", _UPDATE),
    "M-26": _must("recipientNonce is the whole senderNonce of the request.", _UPDATE),
    "M-29": _must("A reply has a senderNonce of its own.", _UPDATE),
    "M-33": _field("The signer's certificate is the first in the reply.", _UPDATE),
    "M-37": _advice("One hash is used throughout a message.", _UPDATE),
    "M-39": _field("signingTime is within the signer's validity.", "Set the server's clock."),
    "M-41": _must("The messageType of a reply is 3.", _UPDATE),
    "X-12": _must("The reply has the transactionID of the request.", _UPDATE),
    "A-11": _must("A reply has a pkiStatus.", _UPDATE),
    "A-12": _advice("Replies are signed by the CA or by its RA.", "Publish the RA's certificate."),
    "A-01": _must("A SUCCESS has the issued certificate in it.", _UPDATE),
    "A-03": _field("The issued certificate is the first in a SUCCESS.", _UPDATE),
    "A-05": _must("A FAILURE has failInfo and no envelope.", _UPDATE),
    "A-06": _must("A PENDING has no envelope.", _UPDATE),
    "A-07": _must("The reply to GetCRL has the CRL and nothing else.", _UPDATE),
    "A-13": _must("Queries are answered by SUCCESS or FAILURE.", _UPDATE),
    "A-17": _advice("The hash of the request is the hash of the reply.", "Mirror the request."),
    "D-01": _must("What a SUCCESS carries has neither signer nor content.", _UPDATE),
    "D-03": _advice("What a SUCCESS carries has version 1 and no hashes.", _UPDATE),
    "E-01": _must("The encrypted content is of type id-data.", _UPDATE),
    "E-02": _must("The encrypted content fits the messageType.", _UPDATE),
    "E-12": _must("Single DES is not used.", "Choose AES for replies."),
    "E-13": _field("Replies use AES-128.", "Some clients do not read AES with longer keys."),
    "E-17": _advice("The version of the envelope is the usual one.", _UPDATE),
    "E-20": _must("A reply is encrypted to the requester alone.", _UPDATE),
    "E-21": _advice("The cipher of the request is the cipher of the reply.", "Mirror the request."),
    "E-22": _field("encryptedContent is in one piece.", "Some clients do not read pieces."),
    "P-11": _must("A CertPoll is answered as the request was.", _UPDATE),
    "Q-03": _must("GetCert returns the certificate that was asked for.", _UPDATE),
    "Q-06": _must("GetCRL returns the CA's CRL.", _UPDATE),
    "R-13": _advice("The certificate is for the key that was asked for, by the CA.", _UPDATE),
    "X-07": _field(
        "The same request sent again gets the same certificate.",
        "Otherwise a client that missed the reply gets a second certificate, or none.",
    ),
}
"""What is looked at, by ID."""
