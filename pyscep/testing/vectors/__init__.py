"""Messages for other implementers: a directory of vectors with what has to come of each.

::

    python -m pyscep.testing.vectors DIRECTORY [--seed N]

The directory is the same, byte for byte, for the same seed and moment, whatever machine, Python and
provider it is made with. Its schema is described in the reference, under *Test vectors*.
"""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

from pyscep.crypto import CryptoProvider, default_provider
from pyscep.errors import UsageError
from pyscep.testing.vectors.ca_bodies import ca_vectors
from pyscep.testing.vectors.model import VectorSet
from pyscep.testing.vectors.parties import (
    AUTHORITIES,
    CHALLENGE_PASSWORD,
    KEY_NAMES,
    make_parties,
    public_test_key,
)
from pyscep.testing.vectors.passwords import replies_by_password, requests_by_password
from pyscep.testing.vectors.queries import query_vectors
from pyscep.testing.vectors.replies import USUAL, Server, right_replies
from pyscep.testing.vectors.requests import refused_requests, right_requests
from pyscep.testing.vectors.wrong_passwords import drafts_by_password
from pyscep.testing.vectors.wrong_replies import wrong_replies
from pyscep.testing.vectors.wrong_requests import drafted_requests

__all__ = ["DEFAULT_TIME", "VectorSet", "build_vectors", "write_vectors"]

DEFAULT_TIME = datetime(2026, 1, 1, tzinfo=timezone.utc)
"""The moment at which the messages are read, if no other is given."""


def build_vectors(
    *, seed: int = 0, at: datetime = DEFAULT_TIME, provider: CryptoProvider | None = None
) -> VectorSet:
    """Make all vectors in memory.

    :param seed: what all nonces, transactionIDs, serial numbers and content keys are drawn from.
    :param at: the moment at which they are read, with a time zone; certificates are dated by it.
    :raises UsageError: a moment without time zone.
    :raises ProviderUnavailable: the extra ``[cryptography]`` is not installed.
    """
    chosen = provider or default_provider()
    parties = make_parties(seed, at, chosen)
    requests = (*right_requests(parties), *requests_by_password(parties))
    server = Server(parties=parties, requests={request.name: request for request in requests})
    return VectorSet(
        seed=seed,
        at=at,
        challenge_password=CHALLENGE_PASSWORD,
        keys={name: public_test_key(name) for name in KEY_NAMES},
        certificates=parties.certificates,
        authorities=AUTHORITIES,
        vectors=(
            *ca_vectors(parties),
            *requests,
            *refused_requests(parties),
            *drafted_requests(parties),
            *query_vectors(server.requests[USUAL]),
            *right_replies(server),
            *wrong_replies(server),
            *replies_by_password(server),
            *drafts_by_password(server),
        ),
    )


def write_vectors(
    directory: str | Path,
    *,
    seed: int = 0,
    at: datetime = DEFAULT_TIME,
    provider: CryptoProvider | None = None,
) -> VectorSet:
    """Make all vectors and write them to a directory, which is made if need be.

    :param directory: has to be empty, so that no file of another set is left among these.
    :raises UsageError: it is not empty, or a moment without time zone.
    :raises ProviderUnavailable: the extra ``[cryptography]`` is not installed.
    """
    root = Path(directory)
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise UsageError(
            f"{root} exists and is not an empty directory; name another one.",
            argument="directory",
        )
    vectors = build_vectors(seed=seed, at=at, provider=provider)
    for path, octets in vectors.files().items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(octets)
    return vectors
