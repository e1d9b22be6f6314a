"""Keys that are made once and used again: for a suite whose every test has a CA of its own."""

from __future__ import annotations

import threading
from typing import Any, cast

from pyscep.crypto import CryptoProvider, default_provider
from pyscep.keys import PrivateKey


class KeyPool:
    """Makes each RSA key once; safe to share between threads.

    ::

        pool = KeyPool()
        first = EphemeralCa.create(provider=pool.provider())
        second = EphemeralCa.create(provider=pool.provider())  # with the same keys, in no time
    """

    def __init__(self, provider: CryptoProvider | None = None) -> None:
        """Make keys with this provider; with the default one if it is left out."""
        self._provider = provider or default_provider()
        self._keys: dict[int, list[PrivateKey]] = {}
        self._lock = threading.Lock()

    def key(self, number: int, *, bits: int = 2048) -> PrivateKey:
        """Return the RSA key of this number and size, always the same."""
        with self._lock:
            made = self._keys.setdefault(bits, [])
            while len(made) <= number:
                made.append(self._provider.generate_rsa_key(bits))
            return made[number]

    def provider(self) -> CryptoProvider:
        """Return a provider whose new RSA keys are those of the pool, from the first one on."""
        return cast("CryptoProvider", _PooledProvider(self._provider, self))


class _PooledProvider:
    """Is another provider in everything but new RSA keys."""

    def __init__(self, provider: CryptoProvider, pool: KeyPool) -> None:
        self._provider = provider
        self._pool = pool
        self._made: dict[int, int] = {}

    def generate_rsa_key(self, bits: int) -> PrivateKey:
        number = self._made.get(bits, 0)
        self._made[bits] = number + 1
        return self._pool.key(number, bits=bits)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # whatever it has
        return getattr(self._provider, name)
