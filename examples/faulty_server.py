"""A SCEP server for a client in any language: right, or wrong in the ways that are named.

``faulty_server.py --profile ndes WRONG_RECIPIENT_NONCE`` prints what a client has to know, answers
until its standard input ends, and then prints what it was asked.
"""

from __future__ import annotations

import argparse
import sys
from datetime import datetime, timedelta, timezone

from pyscep.handlers import static_challenge
from pyscep.http_server import operation_of
from pyscep.memory_store import MemoryStore
from pyscep.testing.faults import find_fault
from pyscep.testing.profiles import PROFILES, ProfileServer, find_profile


def now() -> datetime:
    return datetime.now(timezone.utc)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("faults", nargs="*", metavar="FAULT", type=find_fault)
    parser.add_argument("--profile", default="standard", choices=[p.name for p in PROFILES])
    options = parser.parse_args(arguments)

    profile = find_profile(options.profile)
    responder = profile.make_responder(
        authority=profile.make_authority(now=now() - timedelta(days=1)),
        handler=static_challenge("secret"),
        store=MemoryStore(),
        now=now,
    )
    with ProfileServer(responder, profile) as server:
        server.misbehave(*options.faults)
        print(f"url: {server.url}")
        print(f"ca-sha256: {responder.authority.published[-1].sha256_fingerprint}")
        print("challenge: secret", flush=True)
        sys.stdin.read()
        for entry in server.log:
            operation = operation_of(entry.request)
            asked = "?" if operation is None else operation.value
            print(f"{entry.request.method} {asked}: {entry.response.status}")
        server.check()


if __name__ == "__main__":
    main(sys.argv[1:])
