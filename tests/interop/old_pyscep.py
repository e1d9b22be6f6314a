"""Drive PyScep 0.0.14, an older SCEP library, in the environment that ``peers/pyscep.sh`` makes.

It has the distribution name of the package in this repository, so this program imports nothing of
ours and has to be run by that environment's Python, isolated (``-I``).

``old_pyscep.py OPERATION URL KEY CERTIFICATE [ARGUMENT]``: *KEY* and *CERTIFICATE* are files of
PEM that sign; a certificate that is not there yet is made, self-signed. What came of it is
printed as JSON.
"""

from __future__ import annotations

import importlib.util
import json
import re
import sys
import warnings
from pathlib import Path
from typing import Any

BROKEN = r"\b(\d\.\d\.\d[a-z]*)\b"
CORRECTED = r"\b(\d+\.\d+\.\d+[a-z]*)\b"
USAGE = {"digital_signature", "key_encipherment"}


def import_client() -> Any:
    """Import it although oscrypto 1.3.0 does not know versions of OpenSSL such as 3.0.10."""
    if importlib.util.find_spec("pyscep") is not None:
        raise SystemExit("old_pyscep.py: this environment has another pyscep in it")
    search = re.search
    re.search = lambda pattern, *rest: search(  # type: ignore[assignment]
        CORRECTED if pattern == BROKEN else pattern, *rest
    )
    try:
        # It imports names that cryptography has deprecated.
        warnings.simplefilter("ignore")
        import scep.Client.client  # type: ignore[import-not-found]
    finally:
        re.search = search
    return scep.Client


def identity(old: Any, key_file: str, certificate_file: str) -> tuple[Any, Any]:
    """Return certificate and key."""
    key = old.PrivateKey.from_pem(Path(key_file).read_bytes())
    path = Path(certificate_file)
    if not path.exists():
        certificate, _ = old.SigningRequest.generate_self_signed("sensor-17", USAGE, key)
        path.write_bytes(certificate.to_pem())
    return old.Certificate.from_pem(path.read_bytes()), key


def run(
    old: Any, operation: str, url: str, key_file: str, certificate_file: str, *more: str
) -> Any:
    """Return what the library returns."""
    client = old.client.Client(url)
    certificate, key = identity(old, key_file, certificate_file)
    match operation:
        case "enrol":  # CHALLENGE
            csr, _ = old.SigningRequest.generate_csr("sensor-17", USAGE, more[0], key)
            return client.enrol(csr, certificate, key)
        case "renew":  # NEW_KEY
            new_key = old.PrivateKey.from_pem(Path(more[0]).read_bytes())
            csr, _ = old.SigningRequest.generate_csr("sensor-17", USAGE, None, new_key)
            return client.enrol(csr, certificate, key)
        case "poll":  # TRANSACTION_ID
            return client.poll(certificate, key, certificate.subject, more[0])
        case "get-cert":  # SERIAL_NUMBER
            return client.get_cert(certificate, key, int(more[0]))
        case "get-crl":  # SERIAL_NUMBER
            return client.get_crl(certificate, key, int(more[0]))
        case "get-next-ca-cert":
            return client.rollover_certificate()
        case _:
            raise SystemExit(f"old_pyscep.py: unknown operation {operation}")


def main() -> int:
    """Run one operation; what the library raises is a result too."""
    old = import_client()
    try:
        result = run(old, *sys.argv[1:])
    except Exception as error:  # noqa: BLE001  # it has no errors of its own
        print(json.dumps({"error": f"{type(error).__name__}: {error}"}))  # noqa: T201
        return 1
    crl = getattr(result, "crl", None)
    answer = {
        "status": result.status.name,
        "fail_info": getattr(result, "fail_info", None),
        "transaction_id": getattr(result, "transaction_id", None),
        "certificates": [
            certificate.to_pem().decode()
            for certificate in getattr(result, "certificates", None) or ()
        ],
        "crl": None if crl is None else crl.to_der().hex(),
    }
    print(json.dumps(answer))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
