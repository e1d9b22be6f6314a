"""A sensor that gets and renews its own certificates, one for each 802.1X network.

python examples/sensor.py settings.toml [--once] [--enrol-again NETWORK]

The library has no policy; this is one. :class:`Network` is a whole life of a certificate: enrol,
wait for approval, renew at half of the life, back off, stop at expiry. Each step is written down
before it is taken, so the power may go at any instant. Clock, sleep and transports are arguments.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pyscep
from pyscep.crypto.oscrypto_provider import OscryptoProvider
from pyscep.flows import Transport
from pyscep.schedule import is_expired
from pyscep.transport import RequestsTransport
from sensor_parts import eap, words
from sensor_parts.settings import NetworkSettings, Settings, SettingsError, load_settings
from sensor_parts.storage import (
    Attempt,
    Credentials,
    State,
    Status,
    StorageError,
    Store,
    forget_others,
    make_folder,
)

POLLS = pyscep.PollSchedule(
    first_delay=timedelta(minutes=1),
    interval=timedelta(minutes=10),
    max_count=None,
    max_time=timedelta(days=7),
)
SELF_SIGNED_LIFETIME = timedelta(days=30)  # longer than all polling
LONGEST_WAIT = timedelta(days=1)
RULES = pyscep.ReplyRules(
    # Servers send these whatever was asked for; what they hide is a certificate, which is public.
    read_legacy_ciphers=frozenset(
        {pyscep.ContentEncryptionAlgorithm.DES_EDE3_CBC, pyscep.ContentEncryptionAlgorithm.DES_CBC}
    ),
    # Some CAs issue for signatures only, and encrypt to such certificates all the same.
    ignore_key_usage=True,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """One network of the sensor: its settings, its storage, and what is done when."""

    settings: NetworkSettings
    store: Store
    enrolment_transport: Transport
    """Over the enrolment network, without a proxy."""
    network_transport: Transport
    """Over the network itself, for renewal."""
    now: Callable[[], datetime]
    provider: OscryptoProvider = field(repr=False)

    def step(self) -> Status:
        """Do what is due now, if anything is; return how the network stands, and keep it."""
        at = self.now()
        try:
            before = self.store.status()
            waits = before.failures or before.state is State.ACTIVE
            # A clock that was wrong for a while must not keep the sensor waiting for years.
            if waits and before.next_step and at < before.next_step <= at + LONGEST_WAIT:
                return before
            status = self._act(at, before.failures)
            self.store.save_status(status)
        except (OSError, StorageError) as error:
            # The network's own errors are ScepErrors, so this is the disk. It keeps no status.
            return Status(
                state=State.STORAGE_FAILED,
                message=words.storage(error),
                next_step=at + timedelta(hours=1),
            )
        return status

    def _act(self, at: datetime, failures: int) -> Status:
        attempt = self.store.attempt()
        current = self.store.current() if not self.store.enrolment_wanted else None
        if current is not None:
            certificate = current.certificate
            if is_expired(certificate.not_after, at=at):
                self.store.discard_attempts()
                return Status(
                    state=State.EXPIRED,
                    message=words.expired(certificate.not_after),
                    expires=certificate.not_after,
                )
            if attempt is None and at < self.settings.renew_at(certificate):
                return self._active(current, at)
        try:
            if attempt is not None:
                return self._resume(attempt, current, at, failures)
            return self._begin(current, at, failures)
        except pyscep.ScepError as error:
            cause = words.explain_error(error, renewal=current is not None)
            return self._failed(cause, at, failures, error=error, current=current)

    # ------------------------------------------------------------------------------- SCEP

    def _client(self, current: Credentials | None) -> pyscep.Client:
        send = self.enrolment_transport if current is None else self.network_transport
        return pyscep.Client(self.settings.url, send=send, rules=RULES, provider=self.provider)

    def _authenticate(
        self, client: pyscep.Client, current: Credentials | None, at: datetime
    ) -> pyscep.TrustedCa:
        known = () if current is None else current.chain
        fetched = client.get_ca_cert()
        return self.settings.authenticate(fetched, known=known, at=at, provider=self.provider)

    def _begin(self, current: Credentials | None, at: datetime, failures: int) -> Status:
        """Ask for a certificate: for a first one, or for one to follow *current*."""
        settings = self.settings
        if current is None or current.certificate.subject != settings.subject:
            # Refuses what is too long for most CAs, unless this one has issued it already.
            pyscep.build_name(str(settings.subject))
        client = self._client(current)
        ca = self._authenticate(client, current, at)
        capabilities = client.get_ca_caps()
        algorithms = capabilities.select(
            content_encryption_algorithm=settings.encryption_algorithm,
            digest_algorithm=settings.digest_algorithm,
        )
        key = self.provider.generate_rsa_key(settings.rsa_key_size)
        csr = pyscep.build_csr(
            subject=settings.subject,
            key=key,
            # Also for a renewal, as some servers want it again.
            challenge_password=settings.challenge_password,
            subject_alt_names=settings.alternative_names,
            digest_algorithm=settings.signature_algorithm,
        )
        if current is None:
            ask = pyscep.pkcs_req
            identity = pyscep.self_signed_identity(
                csr,
                key=key,
                not_before=at,
                lifetime=SELF_SIGNED_LIFETIME,
                digest_algorithm=settings.signature_algorithm,
                provider=self.provider,
            )
        else:
            announced = capabilities.supports(pyscep.Capability.RENEWAL)
            renewal = announced and not _is_ndes(settings.url, capabilities)
            ask = pyscep.renewal_req if renewal else pyscep.pkcs_req
            identity = current.identity
        exchange = ask(
            csr,
            identity=identity,
            ca=ca,
            algorithms=algorithms,
            rules=RULES,
            provider=self.provider,
        )
        # Written down before it is sent: the answer can be asked for after a restart.
        attempt = self.store.begin(key, identity.certificate, exchange.transaction)
        reply = self._or_discard(lambda: client.converse(exchange), keep=pyscep.TransportError)
        return self._settle(attempt, reply, current, at, failures)

    def _resume(
        self, attempt: Attempt, current: Credentials | None, at: datetime, failures: int
    ) -> Status:
        """Ask what has become of a request, also one from before a restart."""
        since = attempt.pending_since
        if since is None:
            return self._ask_for_lost_answer(attempt, current, at, failures)
        due = self._next_poll(attempt, at)
        if due is None:
            self.store.discard_attempts()
            return self._failed(words.gave_up(since), at, failures, current=current)
        if due > at:
            return self._pending(attempt, current, due)
        # A server that has a bad day has not forgotten the request.
        keep = (pyscep.TransportError, pyscep.HttpError)
        reply = self._or_discard(lambda: self._poll(attempt, current, at), keep=keep)
        return self._settle(attempt, reply, current, at, failures)

    def _ask_for_lost_answer(
        self, attempt: Attempt, current: Credentials | None, at: datetime, failures: int
    ) -> Status:
        """Ask for the answer to a request that may not even have arrived; else begin anew."""
        try:
            reply = self._poll(attempt, current, at)
        except pyscep.TransportError:
            raise
        except pyscep.ScepError:
            reply = None
        if reply is None or isinstance(reply, pyscep.Failure):
            self.store.discard_attempts()
            return self._begin(current, at, failures)
        return self._settle(attempt, reply, current, at, failures)

    def _poll(self, attempt: Attempt, current: Credentials | None, at: datetime) -> pyscep.Reply:
        client = self._client(current)
        ca = self._authenticate(client, current, at)
        key = attempt.key if current is None else current.identity.key
        identity = pyscep.Identity(certificate=attempt.signer, key=key)
        return client.poll(attempt.transaction, identity=identity, ca=ca)

    def _or_discard(
        self,
        ask: Callable[[], pyscep.Reply],
        keep: type[pyscep.ScepError] | tuple[type[pyscep.ScepError], ...],
    ) -> pyscep.Reply:
        """Ask the server; whatever goes wrong ends the attempt, except for *keep*."""
        try:
            return ask()
        except pyscep.ScepError as error:
            if not isinstance(error, keep):
                self.store.discard_attempts()
            raise

    def _settle(
        self,
        attempt: Attempt,
        reply: pyscep.Reply,
        current: Credentials | None,
        at: datetime,
        failures: int,
    ) -> Status:
        """Put an answer into the storage, and say what it is."""
        match reply:
            case pyscep.Success():
                certificate, *chain = reply.chain.certificates
                files = eap.credential_files(
                    self.settings, attempt.folder, certificate, tuple(chain)
                )
                return self._active(self.store.switch(attempt, files), at)
            case pyscep.Pending():
                answered = replace(
                    attempt,
                    transaction=reply.transaction,
                    pending_since=attempt.pending_since or at,
                    last_poll=at,
                )
                self.store.update(answered)
                due = self._next_poll(answered, at) or at
                return self._pending(answered, current, due)
            case pyscep.Failure():
                self.store.discard_attempts()
                cause = words.explain_failure(reply)
                return self._failed(cause, at, failures, current=current)

    def _next_poll(self, attempt: Attempt, at: datetime) -> datetime | None:
        return POLLS.next_poll(
            started=attempt.pending_since or at,
            polls_done=attempt.transaction.polls,
            last_poll=attempt.last_poll,
            now=at,
        )

    # ------------------------------------------------------------------------------- statuses

    def _active(self, current: Credentials, at: datetime) -> Status:
        certificate, settings = current.certificate, self.settings
        remarks = []
        if certificate.subject != settings.subject:
            remarks.append(words.other_subject(certificate.subject, settings.subject))
        remarks += [
            words.other_alternative_name(name.value)
            for name in settings.alternative_names
            if name not in certificate.subject_alt_names
        ]
        uploaded_ca = any(each.is_ca for each in settings.ca_certificates)
        if settings.root_ca_fingerprint is None and not uploaded_ca:
            remarks.append(words.NOT_AUTHENTICATED)
        due = settings.renew_at(certificate)
        if due <= at:
            # The CA issues certificates that are half over: do not renew each of them at once.
            due = at + min(LONGEST_WAIT, (certificate.not_after - at) / 2)
        return Status(
            state=State.ACTIVE,
            message=words.active(certificate.not_after, due, remarks),
            next_step=due,
            expires=certificate.not_after,
        )

    def _pending(self, attempt: Attempt, current: Credentials | None, due: datetime) -> Status:
        since = attempt.pending_since or due
        expires = None if current is None else current.certificate.not_after
        return Status(
            state=State.PENDING,
            message=words.pending(since, due, renewal=current is not None),
            next_step=_before_expiry(due, expires),
            expires=expires,
        )

    def _failed(
        self,
        cause: str,
        at: datetime,
        failures: int,
        *,
        error: pyscep.ScepError | None = None,
        current: Credentials | None = None,
    ) -> Status:
        """Say what has failed, and wait: twice as long each time, but never more than a day."""
        match error:
            case pyscep.TransportError() | pyscep.HttpError():
                first = timedelta(minutes=1)
            case pyscep.SecurityError():
                first = LONGEST_WAIT
            case _:
                first = timedelta(hours=1)
        wait = min(first * 2 ** min(failures, 12), LONGEST_WAIT)
        expires = None if current is None else current.certificate.not_after
        retry = _before_expiry(at + wait, expires)
        renewal = current is not None
        return Status(
            state=State.RENEWAL_FAILED if renewal else State.ENROLMENT_FAILED,
            message=words.failed(cause, renewal=renewal, retry=retry, expires=expires),
            next_step=retry,
            failures=failures + 1,
            expires=expires,
        )


def _is_ndes(url: str, capabilities: pyscep.Capabilities) -> bool:
    """Whether ``Renewal`` means a PKCSReq that is signed with the present certificate."""
    return "/mscep.dll" in url.lower() or "Microsoft-IIS" in (capabilities.server or "")


def _before_expiry(moment: datetime, expires: datetime | None) -> datetime:
    """Return *moment*, or when the certificate has just ended, which has to be told in time."""
    return moment if expires is None else min(moment, expires + timedelta(seconds=1))


# ----------------------------------------------------------------------------------- the sensor


def networks_of(
    settings: Settings,
    *,
    enrolment_transport: Transport,
    network_transport: Transport,
    now: Callable[[], datetime],
    provider: OscryptoProvider,
) -> list[Network]:
    """Return the networks side by side, each with a folder of its own."""
    make_folder(settings.state_directory)
    forget_others(settings.state_directory, [network.name for network in settings.networks])
    networks = []
    for each in settings.networks:
        folder = settings.state_directory / each.name
        make_folder(folder)
        networks.append(
            Network(
                settings=each,
                store=Store(folder, provider),
                enrolment_transport=enrolment_transport,
                network_transport=network_transport,
                now=now,
                provider=provider,
            )
        )
    return networks


def run_once(networks: list[Network], report: Callable[[str], None]) -> datetime | None:
    """Take one step for each network; return when the next is due."""
    due = []
    for network in networks:
        status = network.step()
        report(f"{network.settings.name}: {status.message}")
        if status.next_step is not None:
            due.append(status.next_step)
    return min(due, default=None)


def run(
    networks: list[Network],
    *,
    now: Callable[[], datetime],
    sleep: Callable[[float], None],
    report: Callable[[str], None],
) -> None:
    """Look after all networks for ever."""
    while True:
        due = run_once(networks, report)
        wait = LONGEST_WAIT if due is None else due - now()
        sleep(min(max(wait, timedelta(seconds=1)), LONGEST_WAIT).total_seconds())


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Look after the certificates of a sensor.")
    parser.add_argument("settings", type=Path)
    parser.add_argument("--once", action="store_true", help="do what is due now, and end")
    parser.add_argument("--enrol-again", metavar="NETWORK", help="enrol afresh, and end")
    chosen = parser.parse_args(argv)
    try:
        settings = load_settings(chosen.settings)
    except SettingsError as error:
        print(error)
        return 2

    def now() -> datetime:
        return datetime.now(timezone.utc)

    # On a real sensor each of the two is bound to its own network interface.
    with RequestsTransport(timeout=30) as enrolment, RequestsTransport(timeout=30) as network:
        try:
            networks = networks_of(
                settings,
                enrolment_transport=enrolment,
                network_transport=network,
                now=now,
                provider=OscryptoProvider(),
            )
        except OSError as error:
            print(f"{chosen.settings}: state_directory: {error.filename}: {error.strerror}.")
            return 2
        if chosen.enrol_again is not None:
            networks = [each for each in networks if each.settings.name == chosen.enrol_again]
            if not networks:
                print(f"{chosen.settings}: there is no network {chosen.enrol_again}.")
                return 2
            networks[0].store.enrol_again()
        if chosen.once or chosen.enrol_again is not None:
            run_once(networks, print)
            return 0
        run(networks, now=now, sleep=time.sleep, report=print)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
