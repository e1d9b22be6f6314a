"""SCEP without this library doing any I/O: make messages, send them by any means, judge replies.

Here the standard library's urllib does HTTP; an event loop, a proxy or a serial line would do.
"""

from __future__ import annotations

import sys
import urllib.request
from datetime import datetime, timedelta, timezone

import pyscep


def send(request: pyscep.HttpRequest) -> pyscep.HttpResponse:
    """Send one request: the only thing that the caller has to bring."""
    prepared = urllib.request.Request(  # noqa: S310  # the URL was checked when it was made
        request.url,
        data=request.body or None,
        headers=dict(request.headers),
        method=request.method,
    )
    with urllib.request.urlopen(prepared, timeout=30) as response:  # noqa: S310
        return pyscep.HttpResponse(
            status=response.status, headers=tuple(response.getheaders()), body=response.read()
        )


def enrol(url: str, fingerprint: str, challenge_password: str) -> pyscep.Reply:
    now = datetime.now(timezone.utc)
    capabilities = pyscep.parse_get_ca_caps(send(pyscep.get_ca_caps(url)))
    algorithms = capabilities.select()

    body = pyscep.parse_get_ca_cert(send(pyscep.get_ca_cert(url)))
    ca = pyscep.parse_ca_certificates(body).authenticate(sha256=fingerprint, at=now)

    key = pyscep.default_provider().generate_rsa_key(2048)
    csr = pyscep.build_csr(
        subject={"common_name": "sensor-17"}, key=key, challenge_password=challenge_password
    )
    identity = pyscep.self_signed_identity(csr, key=key, not_before=now, lifetime=timedelta(days=1))
    exchange = pyscep.pkcs_req(csr, identity=identity, ca=ca, algorithms=algorithms)
    request = pyscep.pki_operation(url, exchange.message, method=algorithms.http_method)
    return exchange.receive(pyscep.parse_pki_operation(send(request)))


def main(argv: list[str] | None = None) -> None:
    url, fingerprint, challenge_password = sys.argv[1:] if argv is None else argv
    print(type(enrol(url, fingerprint, challenge_password)).__name__)


if __name__ == "__main__":
    main()
