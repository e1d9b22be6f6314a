"""The settings form, one table for each network in a TOML file, as typed values.

Whatever is wrong with a file is one :class:`SettingsError` which names the setting, its value and
what would be right. Nothing is enrolled with half of a file.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import pyscep
from pyscep import der, extensions, schedule
from pyscep.ca import normalise_fingerprint
from pyscep.crypto import CryptoProvider
from pyscep.names import name_from_text

T = TypeVar("T")

CIPHERS = {
    "AES-128": pyscep.ContentEncryptionAlgorithm.AES128_CBC,
    "3DES": pyscep.ContentEncryptionAlgorithm.DES_EDE3_CBC,
}
DIGESTS = {
    "SHA-256": pyscep.DigestAlgorithm.SHA256,
    "SHA-512": pyscep.DigestAlgorithm.SHA512,
    "SHA-1": pyscep.DigestAlgorithm.SHA1,
}
KEY_SIZES = {2048: 2048, 4096: 4096, 1024: 1024}


class SettingsError(Exception):
    """The settings cannot be used; the text says which one, why, and what would be right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSettings:
    """One network's form, with every choice made."""

    name: str
    """Names the network to the operator, and its folder."""
    url: str
    """The SCEP server, used as given."""
    common_name: str | None
    """The subject's only part; without it the subject is empty."""
    alternative_names: tuple[pyscep.GeneralName, ...]
    challenge_password: str | None = field(repr=False)
    encryption_algorithm: pyscep.ContentEncryptionAlgorithm
    signature_algorithm: pyscep.DigestAlgorithm
    """The hash under the signatures of the request and of the self-signed certificate."""
    digest_algorithm: pyscep.DigestAlgorithm
    """The hash of the message around the request."""
    rsa_key_size: int
    ca_certificates: tuple[pyscep.Certificate, ...]
    """Uploaded: any part of the chain, and the SCEP server's own certificates."""
    root_ca_fingerprint: bytes | None
    """SHA-256 or, by its length, SHA-1."""
    renew_days_before_expiry: float | None
    """Instead of at half of the certificate's life."""
    ssid: str | None
    """``None`` for a wired network."""
    eap_identity: str
    """Who the sensor says it is before TLS begins."""
    radius_ca_certificates: tuple[pyscep.Certificate, ...]
    """The root of the RADIUS server, if it is not that of the SCEP server."""
    radius_server_name: str | None
    """What the RADIUS server's certificate has to be for."""
    eap_tls_1_3: bool
    """Allow TLS 1.3, which RADIUS servers of old do not get right."""

    @property
    def subject(self) -> pyscep.Name:
        """The subject to ask for."""
        return _subject(self.common_name)

    def authenticate(
        self,
        fetched: pyscep.CaCertificates,
        *,
        known: tuple[pyscep.Certificate, ...],
        at: datetime,
        provider: CryptoProvider,
    ) -> pyscep.TrustedCa:
        """Decide whether this is the operator's CA, before anything secret is sent to it.

        The fingerprint decides. Without it the uploaded certificates do, then those that came with
        the present certificate; only with nothing of all that, the first answer is believed.

        :param known: the chain of the present certificate.
        """
        fingerprint = self.root_ca_fingerprint
        uploaded = self.ca_certificates
        if fingerprint is not None:
            short = len(fingerprint) == 20
            ca = fetched.authenticate(
                sha1=fingerprint if short else None,
                sha256=None if short else fingerprint,
                anchors=uploaded,
                at=at,
                provider=provider,
            )
        elif any(certificate.is_ca for certificate in uploaded):
            ca = fetched.authenticate(anchors=uploaded, at=at, provider=provider)
        elif known:
            ca = fetched.authenticate(anchors=known, extra=uploaded, at=at, provider=provider)
        else:
            both = pyscep.CaCertificates(certificates=(*fetched.certificates, *uploaded))
            ca = both.authenticate_without_verification(
                reason="the form may be left without fingerprint and certificates",
                at=at,
                provider=provider,
            )
        if ca.chain.problem is not None:
            # EAP-TLS needs the whole chain, so ask for it before a one-time password is spent.
            raise pyscep.UntrustedCa(ca.chain.problem)
        return ca

    def renew_at(self, certificate: pyscep.Certificate) -> datetime:
        """Return when to renew: at half of the life, or that many days before its end."""
        begin, end = certificate.not_before, certificate.not_after
        days = self.renew_days_before_expiry
        if days is not None:
            moment = schedule.renew_at(begin, end, days_before_expiry=days)
            if moment > begin:
                return moment
            # The CA issues for less time than that: each certificate would be renewed at once.
        return schedule.renew_at(begin, end)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The whole file."""

    serial_number: str
    dashboard_name: str
    state_directory: Path
    """Where keys and certificates live."""
    networks: tuple[NetworkSettings, ...]


def load_settings(path: Path) -> Settings:
    """Read and check a file of settings.

    :raises SettingsError: something in it cannot be used.
    """
    try:
        with path.open("rb") as file:
            # It holds challenge passwords.
            if path.stat().st_mode & 0o077:
                raise SettingsError(f"{path}: others may read this file; use chmod 600.")
            fields = _read_toml(file.read().decode("utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror}).") from None
    except ValueError as error:
        raise SettingsError(f"{path}: not TOML ({error}).") from None
    return _read_settings(_Table(str(path), fields), path.parent)


def _read_toml(text: str) -> dict[str, Any]:
    # Part of Python since 3.11.
    module = "tomllib" if sys.version_info >= (3, 11) else "tomli"
    try:
        loads: Callable[[str], dict[str, Any]] = importlib.import_module(module).loads
    except ModuleNotFoundError:
        raise SettingsError("Python 3.10 cannot read TOML by itself; install tomli.") from None
    return loads(text)


class _Table:
    """A table of the file, of which each setting is taken once."""

    def __init__(self, where: str, fields: dict[str, Any]) -> None:
        self.where = where
        self._fields = dict(fields)

    def fail(self, name: str, problem: str) -> SettingsError:
        return SettingsError(f"{self.where}: {name}: {problem}")

    def take(self, name: str, kind: type[T], what: str) -> T | None:
        value = self._fields.pop(name, None)
        # For Python a bool is an int; for the operator it is not.
        if value is None or (isinstance(value, kind) and (kind is bool or value is not True)):
            return value
        raise self.fail(name, f"{value!r} is not {what}.")

    def text(self, name: str) -> str | None:
        value = self.take(name, str, "text in quotes")
        if value is not None and (not value.strip() or not value.isprintable()):
            raise self.fail(name, "empty, or with characters that cannot be printed.")
        return value

    def required(self, name: str) -> str:
        value = self.text(name)
        if value is None:
            raise self.fail(name, "is missing.")
        return value

    def choice(self, name: str, choices: dict[Any, T], default: T) -> T:
        value = self._fields.pop(name, None)
        if value is None:
            return default
        if isinstance(value, (str, int)) and value is not True and value in choices:
            return choices[value]
        raise self.fail(name, f"{value!r} is not possible; choose {_either(choices)}.")

    def checked(self, name: str, make: Callable[[], T]) -> T:
        """Let the library check a value, so that its rules stand in one place."""
        try:
            return make()
        except pyscep.ScepError as error:
            raise self.fail(name, str(error)) from None

    def table(self, name: str) -> _Table:
        fields = self.take(name, dict, "a table")
        if fields is None:
            raise self.fail(name, "is missing.")
        return _Table(f"{self.where}: {name}", fields)

    def tables(self) -> dict[str, _Table]:
        return {name: self.table(name) for name in tuple(self._fields)}

    def finish(self) -> None:
        for name in self._fields:
            raise self.fail(name, "no such setting.")


def _either(choices: dict[Any, Any]) -> str:
    *others, last = (str(choice) for choice in choices)
    return f"{', '.join(others)} or {last}"


def _read_settings(table: _Table, folder: Path) -> Settings:
    sensor = table.table("sensor")
    serial_number = sensor.required("serial_number")
    dashboard_name = sensor.text("dashboard_name") or serial_number
    names = {"serial-number": serial_number, "dashboard-name": dashboard_name}
    state_directory = folder / sensor.required("state_directory")
    sensor.finish()
    networks = tuple(
        _read_network(name, network, folder, names)
        for name, network in table.table("networks").tables().items()
    )
    table.finish()
    return Settings(
        serial_number=serial_number,
        dashboard_name=dashboard_name,
        state_directory=state_directory,
        networks=networks,
    )


def _read_network(name: str, table: _Table, folder: Path, names: dict[str, str]) -> NetworkSettings:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", name):
        raise SettingsError(f"{table.where}: a network's name has letters, digits, - and _ only.")
    url = table.required("url")
    table.checked("url", lambda: pyscep.get_ca_cert(url))
    common_name = _read_name(table, "common_name", names)
    table.checked("common_name", lambda: _subject(common_name))
    signature = table.choice("signature_algorithm", DIGESTS, pyscep.DigestAlgorithm.SHA256)
    settings = NetworkSettings(
        name=name,
        url=url,
        common_name=common_name,
        alternative_names=_read_alternative_names(table, names),
        challenge_password=table.text("challenge_password"),
        encryption_algorithm=table.choice("encryption_algorithm", CIPHERS, CIPHERS["AES-128"]),
        signature_algorithm=signature,
        digest_algorithm=table.choice("digest_algorithm", DIGESTS, signature),
        rsa_key_size=table.choice("rsa_key_size", KEY_SIZES, 2048),
        ca_certificates=_read_certificates(table, "ca_certificates", folder),
        root_ca_fingerprint=_read_fingerprint(table),
        renew_days_before_expiry=_read_days(table),
        ssid=table.text("ssid"),
        eap_identity=table.text("eap_identity") or common_name or names["serial-number"],
        radius_ca_certificates=_read_certificates(table, "radius_ca_certificates", folder),
        radius_server_name=table.text("radius_server_name"),
        eap_tls_1_3=table.take("eap_tls_1_3", bool, "true or false") or False,
    )
    table.finish()
    return settings


def _subject(common_name: str | None) -> pyscep.Name:
    """Return the subject, however long: a CA that has issued such a one is asked for it again."""
    if common_name is None:
        return pyscep.build_name({})
    return name_from_text(f"CN=#{der.utf8_string(common_name).hex()}")


def _read_name(table: _Table, name: str, names: dict[str, str]) -> str | None:
    """Read ``"serial-number"``, ``"dashboard-name"`` or ``"text:"`` and any text."""
    value = table.text(name)
    if value is None or value in names:
        return names.get(value or "")
    kind, separator, text = value.partition(":")
    if kind != "text" or not separator or not text:
        raise table.fail(
            name, f'{value!r} is not possible; choose {_either(names)}, or write "text:…".'
        )
    return text


def _read_alternative_names(table: _Table, names: dict[str, str]) -> tuple[pyscep.GeneralName, ...]:
    """Read host and domain names, several with commas between; ``upn:`` and so on may precede."""
    text = _read_name(table, "alternative_name", names)
    if text is None:
        return ()
    parts = [part.strip() for part in text.split(",")]

    def read() -> tuple[pyscep.GeneralName, ...]:
        found = tuple(
            pyscep.parse_general_name(part if ":" in part else f"dns:{part}") for part in parts
        )
        extensions.subject_alt_name(found, critical=False)
        return found

    return table.checked("alternative_name", read)


def _read_certificates(table: _Table, name: str, folder: Path) -> tuple[pyscep.Certificate, ...]:
    found: list[pyscep.Certificate] = []
    for file in table.take(name, list, "a list of files") or []:
        if not isinstance(file, str):
            raise table.fail(name, f"{file!r} is not the name of a file.")
        try:
            octets = (folder / file).read_bytes()
        except OSError as error:
            raise table.fail(name, f"{file} cannot be read ({error.strerror}).") from None
        try:
            found += pyscep.parse_ca_certificates(octets).certificates
        except pyscep.ScepError:
            raise table.fail(name, f"{file} has no certificate in PEM, DER or PKCS #7.") from None
    return tuple(found)


def _read_fingerprint(table: _Table) -> bytes | None:
    text = table.text("root_ca_fingerprint")
    if text is None:
        return None
    digits = len(re.sub(r"[:\s]", "", text))
    size = 20 if digits == 40 else 32
    return table.checked("root_ca_fingerprint", lambda: normalise_fingerprint(text, size=size))


def _read_days(table: _Table) -> float | None:
    days = table.take("renew_days_before_expiry", int, "a whole number of days")
    if days is not None and days <= 0:
        raise table.fail("renew_days_before_expiry", f"{days} is not 1 or more.")
    return days
