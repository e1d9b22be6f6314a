"""What the sensor makes of wpa_supplicant's words; tests/interop lets the real one speak."""

from __future__ import annotations

import pytest

from sensor_parts.eap import Diagnosis, diagnose
from tests.helpers import keys

STARTED = "wlan0: CTRL-EVENT-EAP-STARTED EAP authentication started\n"
FAILED = "wlan0: CTRL-EVENT-EAP-FAILURE EAP authentication failed\n"


def complaint(reason: int) -> str:
    return (
        f"{STARTED}wlan0: CTRL-EVENT-EAP-TLS-CERT-ERROR reason={reason} depth=0 "
        f"subject='/CN=radius.example' err='something'\n{FAILED}"
    )


def alert(text: str) -> str:
    return f"{STARTED}SSL: SSL3 alert: read (remote end reported an error):fatal:{text}\n{FAILED}"


def request(names: bytes) -> str:
    return (
        f"{STARTED}OpenSSL: RX ver=0x303 content_type=22 (handshake/certificate request)\n"
        f"OpenSSL: Message - hexdump(len=70): 0d 00 00 42 {names.hex(' ')}\n{FAILED}"
    )


OURS, OTHER = keys.ca().certificate, keys.stranger().certificate


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        ("", Diagnosis.NO_ANSWER),
        (STARTED, Diagnosis.NO_ANSWER),
        (f"{STARTED}wlan0: CTRL-EVENT-EAP-SUCCESS EAP\n", Diagnosis.ACCEPTED),
        (STARTED + FAILED, Diagnosis.REJECTED),
        (complaint(1), Diagnosis.RADIUS_CA_UNKNOWN),
        (complaint(3), Diagnosis.RADIUS_CERTIFICATE_DATES),
        (complaint(4), Diagnosis.RADIUS_CERTIFICATE_DATES),
        (complaint(9), Diagnosis.RADIUS_SERVER_NAME),
        (complaint(10), Diagnosis.RADIUS_SERVER_NAME),
        (complaint(7), Diagnosis.RADIUS_CERTIFICATE_REFUSED),
        (alert("unknown CA"), Diagnosis.SENSOR_CA_UNKNOWN),
        (alert("certificate expired"), Diagnosis.SENSOR_CERTIFICATE_REFUSED),
        (alert("access denied"), Diagnosis.SENSOR_CERTIFICATE_REFUSED),
        (request(b""), Diagnosis.REJECTED),
        (request(OTHER.subject.der), Diagnosis.SENSOR_CA_UNKNOWN),
        (request(OTHER.subject.der + OURS.subject.der), Diagnosis.SENSOR_CERTIFICATE_REFUSED),
    ],
)
def test_who_complains_of_whom(log: str, expected: Diagnosis) -> None:
    assert diagnose(log, [OURS]) is expected


def test_everything_is_told_in_other_words() -> None:
    assert len({each.value for each in Diagnosis}) == len(Diagnosis)
