"""Challenge passwords that can be used once, without a list of them.

:class:`OneTimeChallenges` makes passwords that prove by a MAC that it made them and until when they
are valid. Nothing secret has to be kept but one key; which have been used is remembered by the
responder's store, in one step with issuing.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pyscep.errors import UsageError
from pyscep.handlers import ChallengeHandler

_TIME_SIZE, _RANDOM_SIZE, _MAC_SIZE = 5, 16, 16
# Forty bits of seconds last until the year 36812.


@dataclass(frozen=True, slots=True, kw_only=True)
class OneTimeChallenges:
    """Makes and recognises challenge passwords of 60 letters and digits, each good for one use.

    They have 128 random bits, and characters that every client can send (H-08).

    :raises UsageError: a key of less than 16 bytes, or a lifetime that is not positive.

    Source: RFC 8894 sections 2.4 and 7.3; H-04, H-08, H-11 to H-13.
    """

    key: bytes = field(repr=False)
    """At least 16 random bytes; whoever has them can make challenge passwords. Processes that
    share a store share the key."""
    lifetime: timedelta
    """How long a password may be used; NDES has an hour."""
    now: Callable[[], datetime] = field(repr=False)
    """The clock, returning a datetime with time zone."""
    random_bytes: Callable[[int], bytes] = field(repr=False)
    """Where randomness is from, such as ``provider.random_bytes``."""

    def __post_init__(self) -> None:
        if len(self.key) < _RANDOM_SIZE:
            raise UsageError(
                f"The key has {len(self.key)} bytes; give at least {_RANDOM_SIZE} random ones.",
                argument="key",
            )
        if self.lifetime <= timedelta(0):
            raise UsageError(
                f"A lifetime of {self.lifetime} is over at once; use more than nothing.",
                argument="lifetime",
            )

    def new_challenge(self) -> str:
        """Return a new challenge password, valid from now on."""
        expiry = int((self.now() + self.lifetime).timestamp())
        content = expiry.to_bytes(_TIME_SIZE, "big") + self.random_bytes(_RANDOM_SIZE)
        return _encode(content + self._mac(content))

    def is_right(self, challenge_password: str) -> bool:
        """Whether the password was made with this key and has not expired (H-12)."""
        padding = "=" * (-len(challenge_password) % 8)
        try:
            octets = base64.b32decode(challenge_password + padding)
        except (binascii.Error, ValueError):
            return False
        content, mac = octets[:-_MAC_SIZE], octets[-_MAC_SIZE:]
        if len(content) != _TIME_SIZE + _RANDOM_SIZE:
            return False
        # The last letter has bits to spare, and there may be padding or none. Each password has one
        # spelling, as that is what is used up.
        if _encode(octets) != challenge_password:
            return False
        if not hmac.compare_digest(mac, self._mac(content)):
            return False
        return self.now().timestamp() <= int.from_bytes(content[:_TIME_SIZE], "big")

    def handler(self, *, renewal_needs_challenge: bool = False) -> ChallengeHandler:
        """Return the handler that issues to whoever has such a password, once.

        Source: H-04, H-11.
        """
        return ChallengeHandler(
            is_right=self.is_right,
            renewal_needs_challenge=renewal_needs_challenge,
            one_time=True,
        )

    def _mac(self, content: bytes) -> bytes:
        return hmac.digest(self.key, b"challenge" + content, hashlib.sha256)[:_MAC_SIZE]


def _encode(octets: bytes) -> str:
    return base64.b32encode(octets).decode("ascii").rstrip("=")
