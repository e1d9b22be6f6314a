"""Many threads at once, over HTTP: one certificate for each transaction."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from pyscep.capabilities import HttpMethod
from pyscep.certificates import Certificate
from pyscep.http import parse_pki_operation, pki_operation
from pyscep.memory_store import MemoryStore
from pyscep.responder import Responder
from pyscep.sqlite_store import SqliteStore
from pyscep.store import Store
from pyscep.testing import ScepServer
from pyscep.transaction import require_success
from pyscep.transport import RequestsTransport
from tests.helpers import responders

THREADS = 32


@pytest.mark.conforms("X-07", "X-14", "X-16")
@pytest.mark.parametrize("kind", ["memory", "sqlite"])
@pytest.mark.parametrize("transactions", [1, 4, THREADS])
def test_one_certificate_for_each_transaction(kind: str, transactions: int, tmp_path: Path) -> None:
    with store_of(kind, tmp_path) as store:
        check_one_certificate_each(responders.new_responder(store=store), transactions)


@contextmanager
def store_of(kind: str, directory: Path) -> Iterator[Store]:
    if kind == "memory":
        yield MemoryStore()
        return
    with SqliteStore(directory / "scep.db") as store:
        yield store


def check_one_certificate_each(responder: Responder, transactions: int) -> None:
    exchanges = [
        responders.begin(responder, number=number % 4 + 1) for number in range(transactions)
    ]
    with ScepServer(responder.handle) as server:

        def send(number: int) -> tuple[int, Certificate]:
            exchange = exchanges[number % transactions]
            request = pki_operation(server.url, exchange.message, method=HttpMethod.POST)
            with RequestsTransport(timeout=30) as transport:
                body = parse_pki_operation(transport(request))
            return number % transactions, require_success(exchange.receive(body)).certificate

        with ThreadPoolExecutor(THREADS) as pool:
            received = set(pool.map(send, range(THREADS)))
        server.check()
    assert len(received) == transactions
    assert len({certificate.serial_number for _, certificate in received}) == transactions
