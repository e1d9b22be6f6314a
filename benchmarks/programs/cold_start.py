"""From nothing to a finished PKCSReq, as a program on a device does it: ``cold_start.py FOLDER``.

Prints the peak of its memory, in KiB, and the size of the message.
"""

from __future__ import annotations

import json
import re
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pyscep

folder = Path(sys.argv[1])
now = datetime.now(timezone.utc)
provider = pyscep.default_provider()
key = provider.load_private_key((folder / "key.pem").read_bytes())
certificates = pyscep.parse_ca_certificates((folder / "ca.pem").read_bytes())
ca = certificates.authenticate(anchors=certificates.certificates, at=now, provider=provider)
csr = pyscep.build_csr(
    subject={"common_name": "sensor-17", "organization_name": "Example"},
    key=key,
    challenge_password="a challenge password",
)
identity = pyscep.self_signed_identity(
    csr, key=key, not_before=now, lifetime=timedelta(days=1), provider=provider
)
exchange = pyscep.pkcs_req(csr, identity=identity, ca=ca, provider=provider)

peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
print(json.dumps({"bytes": len(exchange.message), "peak_kib": int(peak[1]) if peak else None}))
