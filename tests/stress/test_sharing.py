"""One client, provider and key for many threads, and in a process that has forked."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import pytest

from pyscep.certificates import Identity
from pyscep.client import Client
from pyscep.crypto import CryptoProvider
from pyscep.crypto.key_files import KeyEncoding
from pyscep.crypto.oscrypto_provider import OscryptoProvider
from pyscep.crypto.pyca_provider import PycaProvider
from pyscep.identifiers import IssuerAndSerialNumber
from pyscep.pkcs10 import build_csr
from pyscep.testing import ScepServer
from pyscep.transaction import Success, require_success
from pyscep.transport import RequestsTransport
from tests.helpers import keys, responders

THREADS = 16
ROUNDS = 4


@pytest.mark.parametrize("provider", [OscryptoProvider(), PycaProvider()], ids=lambda p: p.name)
@pytest.mark.parametrize("over_http", [False, True], ids=["in memory", "over HTTP"])
def test_threads_share_client_provider_and_key(provider: CryptoProvider, over_http: bool) -> None:
    responder = responders.new_responder(provider=provider)
    plain = OscryptoProvider().dump_private_key(keys.rsa(1), encoding=KeyEncoding.DER)
    key = provider.load_private_key(plain)
    ca = responders.trust(responder)
    requests = {
        number: build_csr(
            subject=f"CN=client-{number}", key=key, challenge_password=responders.CHALLENGE
        )
        for number in range(THREADS * ROUNDS)
    }
    certificate = responders.self_signed(responders.csr(1)).certificate
    identity = Identity(certificate=certificate, key=key)

    with ScepServer(responder.handle) as server, RequestsTransport(timeout=60) as transport:
        client = Client(
            server.url if over_http else responders.URL,
            send=transport if over_http else responder.handle,
            provider=provider,
        )

        def use(number: int) -> tuple[str, int]:
            """Everything a client does, at the same time as fifteen others."""
            client.get_ca_caps().select()
            client.get_ca_cert().authenticate(anchors=ca.certificates[-1:], at=keys.NOW)
            issued = require_success(client.enrol(requests[number], identity=identity, ca=ca))
            wanted = IssuerAndSerialNumber.of(issued.certificate)
            found = client.get_cert(wanted, identity=identity, ca=ca)
            assert isinstance(found, Success)
            assert found.certificate == issued.certificate
            client.get_crl(wanted, identity=identity, ca=ca)
            return str(issued.certificate.subject), issued.certificate.serial_number

        with ThreadPoolExecutor(THREADS) as pool:
            received = list(pool.map(use, requests))
        server.check()
    assert [subject for subject, _ in received] == [f"CN=client-{n}" for n in requests]
    assert len({serial for _, serial in received}) == len(requests)


PROGRAM = """
    import os, sys
    from datetime import timedelta
    from tests.helpers import keys, responders
    from pyscep.certificates import Identity
    from pyscep.crypto.key_files import KeyEncoding
    from pyscep.crypto.oscrypto_provider import OscryptoProvider
    from pyscep.crypto.pyca_provider import PycaProvider
    from pyscep.transaction import require_success

    provider = {"oscrypto": OscryptoProvider, "cryptography": PycaProvider}[sys.argv[1]]()
    plain = OscryptoProvider().dump_private_key(keys.rsa(1), encoding=KeyEncoding.DER)
    key = provider.load_private_key(plain)
    responder = responders.new_responder(provider=provider)
    client = responders.client_of(responder)
    ca = responders.trust(responder)
    csr = responders.csr(1)
    identity = Identity(certificate=responders.self_signed(csr).certificate, key=key)

    def enrol():
        issued = require_success(client.enrol(csr, identity=identity, ca=ca))
        drawn = provider.random_bytes(16).hex()
        return f"{issued.certificate.serial_number:x} {issued.transaction.transaction_id} {drawn}"

    enrol()  # everything is loaded and has been used before
    for _ in range(4):
        if os.fork() == 0:
            os.write(1, f"{enrol()}\\n".encode())
            os._exit(0)
    for _ in range(4):
        _, status = os.wait()
        assert status == 0, status
    os.write(1, f"{enrol()}\\n".encode())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="has no fork")
@pytest.mark.parametrize("provider", ["oscrypto", "cryptography"])
@pytest.mark.conforms("S-25")
def test_use_after_fork(provider: str) -> None:
    """The children have the parent's keys and libraries, and draw other numbers."""
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(PROGRAM), provider],
        check=True,
        capture_output=True,
        text=True,
        timeout=110,
    )
    lines = run.stdout.splitlines()
    assert len(lines) == 5
    columns = list(zip(*(line.split() for line in lines), strict=True))
    assert [len(set(column)) for column in columns] == [5, 5, 5]
