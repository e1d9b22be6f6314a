"""Enrol without requests: HTTP by the standard library, as a device with little room does it.

python examples/firmware.py http://ca.example/scep FINGERPRINT CHALLENGE
"""

from __future__ import annotations

import sys
from datetime import datetime, timedelta, timezone
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

import pyscep
from pyscep.errors import TransportError
from pyscep.http import HttpRequest, HttpResponse

SECONDS = 30
MOST = 2 * 1024 * 1024
"""Bytes of a reply; whatever comes beyond is not read."""


def send(request: HttpRequest) -> HttpResponse:
    """Send one request over a connection of its own: the whole of a transport."""
    url = urlsplit(request.url)
    target = f"{url.path or '/'}?{url.query}" if url.query else url.path or "/"
    connection = HTTPConnection(url.hostname or "", url.port, timeout=SECONDS)
    try:
        connection.request(request.method, target, request.body or None, dict(request.headers))
        response = connection.getresponse()
        return HttpResponse(
            status=response.status,
            headers=tuple(response.getheaders()),
            body=response.read(MOST),
        )
    except (OSError, HTTPException) as error:
        raise TransportError(
            f"{request.address} cannot be reached ({type(error).__name__}); check the network.",
            url=request.address,
            timed_out=isinstance(error, TimeoutError),
        ) from error
    finally:
        connection.close()


def main(argv: list[str] | None = None) -> None:
    url, fingerprint, challenge = sys.argv[1:] if argv is None else argv
    now = datetime.now(timezone.utc)
    key = pyscep.default_provider().generate_rsa_key(2048)
    client = pyscep.Client(url, send=send)
    ca = client.get_ca_cert().authenticate(sha256=fingerprint, at=now)
    csr = pyscep.build_csr(subject="CN=sensor-17", key=key, challenge_password=challenge)
    identity = pyscep.self_signed_identity(csr, key=key, not_before=now, lifetime=timedelta(days=7))
    reply = client.enrol(csr, identity=identity, ca=ca)
    print(type(reply).__name__, "without requests" if "requests" not in sys.modules else "")


if __name__ == "__main__":
    main()
