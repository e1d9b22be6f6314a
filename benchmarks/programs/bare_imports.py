"""Import asn1crypto and oscrypto alone, and nothing else."""

from __future__ import annotations

import json
import re
from typing import Any

BROKEN = r"\b(\d\.\d\.\d[a-z]*)\b"
CORRECTED = r"\b(\d+\.\d+\.\d+[a-z]*)\b"

# oscrypto 1.3.0 does not know versions of OpenSSL such as 3.0.10.
search: Any = re.search
re.search = lambda pattern, *rest: search(CORRECTED if pattern == BROKEN else pattern, *rest)

import oscrypto  # noqa: E402

oscrypto.use_ctypes()

from asn1crypto import cms, csr, x509  # noqa: E402, F401
from oscrypto import asymmetric, symmetric  # noqa: E402, F401

print(json.dumps({}))
