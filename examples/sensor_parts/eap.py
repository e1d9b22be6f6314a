"""From certificates to EAP-TLS: the files and the block for wpa_supplicant, and its complaints."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum
from pathlib import Path

import pyscep
from sensor_parts.settings import NetworkSettings


def credential_files(
    settings: NetworkSettings,
    folder: Path,
    certificate: pyscep.Certificate,
    chain: tuple[pyscep.Certificate, ...],
) -> dict[str, str]:
    """Return what lies beside ``key.pem``.

    :param folder: where all this will be for good: not the link, which may change while
        wpa_supplicant reads one file after the other.
    :param chain: the issuers, the root last.
    """
    *intermediates, root = chain
    return {
        # wpa_supplicant sends all of this file; the root is known to the other side, or is not.
        "certificate.pem": _pem((certificate, *intermediates)),
        "chain.pem": _pem(chain),
        "radius-ca.pem": _pem(settings.radius_ca_certificates or (root,)),
        "network.conf": network_block(settings, folder),
    }


def network_block(settings: NetworkSettings, folder: Path) -> str:
    """Return the block for wpa_supplicant.conf."""
    ssid = settings.ssid
    lines = {
        "ssid": None if ssid is None else _quoted(ssid),
        "key_mgmt": "IEEE8021X" if ssid is None else "WPA-EAP",
        "eapol_flags": "0" if ssid is None else None,
        "eap": "TLS",
        "identity": _quoted(settings.eap_identity),
        "ca_cert": _quoted(str(folder / "radius-ca.pem")),
        "domain_suffix_match": _quoted(settings.radius_server_name or "") or None,
        "client_cert": _quoted(str(folder / "certificate.pem")),
        "private_key": _quoted(str(folder / "key.pem")),
        "phase1": _quoted("tls_disable_tlsv1_3=0") if settings.eap_tls_1_3 else None,
    }
    text = "".join(f"    {name}={value}\n" for name, value in lines.items() if value)
    return f"network={{\n{text}}}\n"


def _quoted(text: str) -> str:
    """Write a value as wpa_supplicant reads it: in quotes, or in hexadecimal if it has any."""
    if not text:
        return ""
    plain = text.isascii() and text.isprintable() and '"' not in text
    return f'"{text}"' if plain else text.encode().hex()


def _pem(certificates: Iterable[pyscep.Certificate]) -> str:
    return "".join(certificate.pem() for certificate in certificates)


class Diagnosis(Enum):
    """What became of EAP-TLS, in words for the operator."""

    ACCEPTED = "The RADIUS server accepted the sensor."
    RADIUS_CA_UNKNOWN = (
        "The sensor does not know the CA of the RADIUS server: upload the root certificate of the "
        "RADIUS server for this network."
    )
    SENSOR_CA_UNKNOWN = (
        "The RADIUS server does not know the CA of the sensor: the RADIUS server's administrator "
        "has to add the CA that issues the sensors' certificates."
    )
    RADIUS_SERVER_NAME = (
        "The RADIUS server's certificate is for another name than the settings say."
    )
    RADIUS_CERTIFICATE_DATES = (
        "The RADIUS server's certificate has expired or is not valid yet, or the sensor's clock is "
        "wrong."
    )
    RADIUS_CERTIFICATE_REFUSED = "The RADIUS server's certificate cannot be used."
    SENSOR_CERTIFICATE_REFUSED = (
        "The RADIUS server knows the sensor's CA but refuses the sensor: its certificate may be "
        "expired or revoked, or belong to no account."
    )
    REJECTED = (
        "The RADIUS server rejected the sensor without saying why. Its log has to tell; most often "
        "it does not know the CA of the sensor."
    )
    NO_ANSWER = "There was no EAP-TLS at all: nobody answered, or the sensor has no certificate."


# wpa_supplicant numbers its own complaints about the server's certificate.
_OWN_COMPLAINTS = {
    1: Diagnosis.RADIUS_CA_UNKNOWN,
    3: Diagnosis.RADIUS_CERTIFICATE_DATES,
    4: Diagnosis.RADIUS_CERTIFICATE_DATES,
    5: Diagnosis.RADIUS_SERVER_NAME,
    6: Diagnosis.RADIUS_SERVER_NAME,
    9: Diagnosis.RADIUS_SERVER_NAME,
    10: Diagnosis.RADIUS_SERVER_NAME,
}
_COMPLAINT = re.compile(r"CTRL-EVENT-EAP-TLS-CERT-ERROR reason=(\d+)")
_ALERT = re.compile(r"SSL3 alert: read \(remote end reported an error\):fatal:(.+)")
_CERTIFICATE_REQUEST = re.compile(
    r"RX [^\n]*\(handshake/certificate request\)\n[^\n]*hexdump\(len=\d+\): ([0-9a-f ]+)"
)
_ATTRIBUTE_OF_A_NAME = "06 03 55 04"


def diagnose(log: str, chain: Iterable[pyscep.Certificate]) -> Diagnosis:
    """Read what wpa_supplicant (with ``-dd``) or eapol_test printed about one attempt.

    Who complains decides: what wpa_supplicant complains of is the RADIUS server, an alert that it
    received is about the sensor. FreeRADIUS 3 sends no alert but just rejects; then the names of
    the CAs that it asked for a certificate of tell whether it knows the sensor's.

    :param chain: the issuers of the sensor's certificate.
    """
    if own := _COMPLAINT.search(log):
        return _OWN_COMPLAINTS.get(int(own[1]), Diagnosis.RADIUS_CERTIFICATE_REFUSED)
    if alert := _ALERT.search(log):
        unknown = alert[1].strip() == "unknown CA"
        return Diagnosis.SENSOR_CA_UNKNOWN if unknown else Diagnosis.SENSOR_CERTIFICATE_REFUSED
    if "CTRL-EVENT-EAP-SUCCESS" in log:
        return Diagnosis.ACCEPTED
    if "CTRL-EVENT-EAP-FAILURE" not in log:
        return Diagnosis.NO_ANSWER
    asked = _CERTIFICATE_REQUEST.search(log)
    if asked is None or _ATTRIBUTE_OF_A_NAME not in asked[1]:
        return Diagnosis.REJECTED
    if any(issuer.subject.der.hex(" ") in asked[1] for issuer in chain):
        return Diagnosis.SENSOR_CERTIFICATE_REFUSED
    return Diagnosis.SENSOR_CA_UNKNOWN
