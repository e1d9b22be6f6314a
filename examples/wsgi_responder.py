"""The responder as a WSGI application, for whatever server there is.

``wsgi_responder.py`` runs it under the standard library's own; another server is given
``make_application(...)``.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any
from wsgiref.simple_server import make_server

from pyscep.authority import Authority
from pyscep.handlers import static_challenge
from pyscep.memory_store import MemoryStore
from pyscep.responder import Responder
from pyscep.testing import EphemeralCa
from pyscep.testing.wsgi import wsgi_application


def now() -> datetime:
    return datetime.now(timezone.utc)


def make_application(authority: Authority, challenge_password: str) -> Callable[..., Any]:
    responder = Responder(
        authority=authority,
        handler=static_challenge(challenge_password),
        store=MemoryStore(),
        now=now,
    )
    return wsgi_application(responder.handle)


def main() -> None:
    authority = EphemeralCa.create(now=now() - timedelta(days=1))
    with make_server("127.0.0.1", 8080, make_application(authority, "secret")) as server:
        print(f"http://127.0.0.1:8080/scep, root {authority.root.sha256_fingerprint}")
        server.serve_forever()


if __name__ == "__main__":
    main()
