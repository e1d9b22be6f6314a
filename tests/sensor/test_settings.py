"""The settings form: every field, and one clear error for whatever is wrong with a file."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest

import pyscep
from sensor_parts.settings import SettingsError, load_settings
from tests.helpers import keys, responders, sensors

URL = "http://ca.example/scep"
NDES = "http://ndes.example/certsrv/mscep/mscep.dll/pkiclient.exe?"
CLEARPASS = "http://clearpass.example/onboard/mdps_scep.php/1"


def load(folder: Path, networks: str, **options: str) -> Any:
    return load_settings(sensors.write_settings(folder, networks, **options))


def test_the_shortest_form(tmp_path: Path) -> None:
    (office,) = load(tmp_path, f'[networks.office]\nurl = "{URL}"\n').networks
    assert office.url == URL
    assert office.subject.is_empty
    assert office.alternative_names == ()
    assert office.challenge_password is None
    assert office.encryption_algorithm is pyscep.ContentEncryptionAlgorithm.AES128_CBC
    assert office.signature_algorithm is pyscep.DigestAlgorithm.SHA256
    assert office.digest_algorithm is pyscep.DigestAlgorithm.SHA256
    assert office.rsa_key_size == 2048
    assert office.ca_certificates == office.radius_ca_certificates == ()
    assert office.root_ca_fingerprint is None
    assert office.renew_days_before_expiry is None
    assert office.ssid is None
    assert office.eap_identity == "CN41KD2001"
    assert not office.eap_tls_1_3


def test_every_field(tmp_path: Path) -> None:
    root, other = keys.ca().certificate, keys.certify("CN=RADIUS root", key=keys.rsa(2), ca=True)
    (tmp_path / "root.pem").write_text(root.pem())
    (tmp_path / "radius.der").write_bytes(other.certificate.der)
    table = sensors.network_table(
        NDES,
        common_name="dashboard-name",
        alternative_name="text:sensor-17.example, upn:sensor-17@EXAMPLE.COM",
        encryption_algorithm="3DES",
        signature_algorithm="SHA-1",
        digest_algorithm="SHA-512",
        rsa_key_size=4096,
        ca_certificates=["root.pem"],
        root_ca_fingerprint=root.sha256_fingerprint.upper(),
        renew_days_before_expiry=30,
        ssid="Office 5 GHz",
        eap_identity="host/sensor-17",
        radius_ca_certificates=["radius.der"],
        radius_server_name="radius.example",
        eap_tls_1_3=True,
    )
    settings = load(tmp_path, table)
    assert settings.state_directory == tmp_path / "state"
    (office,) = settings.networks
    assert (office.name, office.url) == ("office", NDES)
    assert str(office.subject) == "CN=Lobby west"
    assert [name.value for name in office.alternative_names] == [
        "sensor-17.example",
        "sensor-17@EXAMPLE.COM",
    ]
    assert office.encryption_algorithm is pyscep.ContentEncryptionAlgorithm.DES_EDE3_CBC
    assert office.signature_algorithm is pyscep.DigestAlgorithm.SHA1
    assert office.digest_algorithm is pyscep.DigestAlgorithm.SHA512
    assert office.rsa_key_size == 4096
    assert office.ca_certificates == (root,)
    assert office.root_ca_fingerprint == bytes.fromhex(root.sha256_fingerprint)
    assert office.renew_days_before_expiry == 30
    assert office.ssid == "Office 5 GHz"
    assert office.eap_identity == "host/sensor-17"
    assert office.radius_ca_certificates == (other.certificate,)
    assert office.radius_server_name == "radius.example"
    assert office.eap_tls_1_3
    assert sensors.CHALLENGE not in repr(settings)


@pytest.mark.conforms("T-08", "T-10")
@pytest.mark.parametrize(
    ("url", "asked"),
    [
        (NDES, f"{NDES}operation=GetCACert"),
        (CLEARPASS, f"{CLEARPASS}?operation=GetCACert"),
        (f"{URL}?profile=7", f"{URL}?profile=7&operation=GetCACert"),
    ],
)
def test_the_url_is_used_as_given(tmp_path: Path, url: str, asked: str) -> None:
    (office,) = load(tmp_path, sensors.network_table(url)).networks
    assert pyscep.get_ca_cert(office.url).url.startswith(asked)


def test_the_digest_is_that_of_the_signature_unless_it_is_set(tmp_path: Path) -> None:
    (office,) = load(tmp_path, sensors.network_table(URL, signature_algorithm="SHA-512")).networks
    assert office.digest_algorithm is pyscep.DigestAlgorithm.SHA512


@pytest.mark.parametrize("separator", ["", ":", " "])
@pytest.mark.conforms("G-15", "G-16")
def test_fingerprints_in_every_spelling(tmp_path: Path, separator: str) -> None:
    for size in (20, 32):
        octets = bytes(range(size))
        text = separator.join(f"{octet:02X}" for octet in octets)
        (office,) = load(tmp_path, sensors.network_table(URL, root_ca_fingerprint=text)).networks
        assert office.root_ca_fingerprint == octets


BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "url-scheme": ({"url": "ca.example/scep"}, "networks: office: url: "),
    "url-empty": ({"url": ""}, "url: empty, or with characters that cannot be printed."),
    "type": ({"common_name": 5}, "common_name: 5 is not text in quotes."),
    "newline": ({"ssid": "a\nb"}, "ssid: empty, or with characters that cannot be printed."),
    "common-name": (
        {"common_name": "serial"},
        "'serial' is not possible; choose serial-number or dashboard-name, or write \"text:…\".",
    ),
    "days-bool": ({"renew_days_before_expiry": True}, "True is not a whole number of days."),
    "common-name-empty": ({"common_name": "text:"}, "common_name: 'text:' is not possible"),
    "alternative-name": ({"alternative_name": "text:büro.example"}, "alternative_name: "),
    "alternative-kind": ({"alternative_name": "text:phone:112"}, "alternative_name: 'phone:112'"),
    "challenge": ({"challenge_password": ""}, "challenge_password: empty"),
    "cipher": (
        {"encryption_algorithm": "AES-256"},
        "encryption_algorithm: 'AES-256' is not possible; choose AES-128 or 3DES.",
    ),
    "cipher-des": ({"encryption_algorithm": "DES"}, "choose AES-128 or 3DES."),
    "signature": (
        {"signature_algorithm": "MD5"},
        "signature_algorithm: 'MD5' is not possible; choose SHA-256, SHA-512 or SHA-1.",
    ),
    "digest": ({"digest_algorithm": "sha256"}, "digest_algorithm: 'sha256' is not possible"),
    "key-size": (
        {"rsa_key_size": 3072},
        "rsa_key_size: 3072 is not possible; choose 2048, 4096 or 1024.",
    ),
    "key-size-text": ({"rsa_key_size": "2048"}, "rsa_key_size: '2048' is not possible"),
    "key-size-bool": ({"rsa_key_size": True}, "rsa_key_size: True is not possible"),
    "fingerprint-md5": ({"root_ca_fingerprint": "00" * 16}, "has 16 bytes, but SHA-256 has 32"),
    "fingerprint": ({"root_ca_fingerprint": "not hex"}, "root_ca_fingerprint: 'not hex' is not"),
    "days": ({"renew_days_before_expiry": 0}, "renew_days_before_expiry: 0 is not 1 or more."),
    "days-text": ({"renew_days_before_expiry": "30"}, "'30' is not a whole number of days."),
    "files": ({"ca_certificates": "root.pem"}, "'root.pem' is not a list of files."),
    "file-missing": (
        {"ca_certificates": ["gone.pem"]},
        "ca_certificates: gone.pem cannot be read (No such file or directory).",
    ),
    "file-name": ({"ca_certificates": [7]}, "ca_certificates: 7 is not the name of a file."),
    "file-other": (
        {"radius_ca_certificates": ["settings.toml"]},
        "radius_ca_certificates: settings.toml has no certificate in PEM, DER or PKCS #7.",
    ),
    "tls": ({"eap_tls_1_3": 1}, "eap_tls_1_3: 1 is not true or false."),
    "unknown": ({"chalenge_password": "x"}, "office: chalenge_password: no such setting."),
}


@pytest.mark.parametrize("name", BROKEN)
def test_one_clear_error(tmp_path: Path, name: str) -> None:
    fields, expected = BROKEN[name]
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, sensors.network_table(**{"url": URL, **fields}))
    text = str(caught.value)
    assert expected in text
    assert text.startswith(f"{tmp_path / 'settings.toml'}: networks: office: ")
    assert "\n" not in text
    assert sensors.CHALLENGE not in text


@pytest.mark.parametrize(
    ("networks", "sensor_table", "expected"),
    [
        ("[networks.office]\n", sensors.SETTINGS, "networks: office: url: is missing."),
        ("", sensors.SETTINGS, "networks: is missing."),
        ("networks = 3", "", "sensor: is missing."),
        ("", f"networks = 3\n{sensors.SETTINGS}", "networks: 3 is not a table."),
        ('[networks."../etc"]\nurl = "x"', sensors.SETTINGS, "digits, - and _ only."),
        ("[networks]\n", '[sensor]\nserial_number = "1"\n', "sensor: state_directory: is missing."),
        ("[networks]\n[more]\n", sensors.SETTINGS, "more: no such setting."),
        ("[networks]\n", f"{sensors.SETTINGS}extra = 1\n", "sensor: extra: no such setting."),
        ("[networks", sensors.SETTINGS, "not TOML ("),
        ("[networks]\n[networks]\n", sensors.SETTINGS, "not TOML ("),
    ],
)
def test_one_clear_error_about_the_file(
    tmp_path: Path, networks: str, sensor_table: str, expected: str
) -> None:
    with pytest.raises(SettingsError, match=re.escape(expected)):
        load(tmp_path, networks, sensor_table=sensor_table)


def test_files_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="cannot be read \\(No such file"):
        load_settings(tmp_path / "nothing.toml")
    path = sensors.write_settings(tmp_path, "[networks]\n")
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="not TOML"):
        load_settings(path)
    path.chmod(0o644)
    with pytest.raises(SettingsError, match="others may read this file; use chmod 600"):
        load_settings(path)


def test_without_a_reader_of_toml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tomllib", None)
    monkeypatch.setitem(sys.modules, "tomli", None)
    with pytest.raises(SettingsError, match="install tomli"):
        load(tmp_path, "[networks]\n")


def test_a_ca_bundle_of_every_kind_can_be_uploaded(tmp_path: Path) -> None:
    authority = responders.new_authority(intermediates=1)
    pems = "".join(certificate.pem() for certificate in authority.published)
    (tmp_path / "chain.pem").write_text(f"Our CA:\n{pems}")
    (office,) = load(tmp_path, sensors.network_table(URL, ca_certificates=["chain.pem"])).networks
    assert office.ca_certificates == authority.published
