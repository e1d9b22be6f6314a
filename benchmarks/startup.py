"""Where the time of ``import pyscep`` goes: ``python -m benchmarks.startup``.

Each figure is the least CPU time of many fresh processes, as whatever disturbs one only adds to it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys

from benchmarks.counts import ROOT, environment

PROGRAM = """
import sys, time
clock = time.process_time

def taken(names):
    begin = clock()
    for name in names.split():
        __import__(name)
    return clock() - begin

if sys.argv[1] == "asn1crypto.x509":
    found = {"import asn1crypto.x509": taken("asn1crypto.x509")}
else:
    standard = taken(
        "__future__ base64 binascii collections.abc contextlib dataclasses datetime enum functools "
        "hashlib hmac inspect io ipaddress json re typing unicodedata urllib.parse"
    )
    import dataclasses, enum, importlib.machinery

    spent, number, running = {}, {}, []

    def watch(place, name, what):
        function = getattr(place, name)

        def watched(*arguments, **named):
            begin = clock()
            running.append(0.0)
            try:
                return function(*arguments, **named)
            finally:
                whole = clock() - begin
                spent[what] = spent.get(what, 0.0) + whole - running.pop()
                number[what] = number.get(what, 0) + 1
                if running:
                    running[-1] += whole

        setattr(place, name, watched)

    watch(importlib.machinery.SourceFileLoader, "get_code", "reading {} compiled modules")
    watch(dataclasses, "_process_class", "{} dataclasses")
    watch(enum.EnumMeta, "__new__", "{} enums")
    whole = taken("pyscep")
    found = {"modules of the standard library": standard}
    found |= {what.format(number[what]): seconds for what, seconds in spent.items()}
    found["everything else"] = whole - sum(spent.values())
    found["import pyscep"] = standard + whole
import json
print(json.dumps(found))
"""


def least(module: str, rounds: int) -> dict[str, float]:
    """Return the parts of an import, each in seconds, the least of all rounds."""
    found: dict[str, float] = {}
    for _ in range(rounds):
        command = [sys.executable, "-c", PROGRAM, module]
        told = subprocess.run(
            command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=True
        ).stdout
        for what, seconds in json.loads(told).items():
            found[what] = min(seconds, found.get(what, seconds))
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.startup", description=__doc__)
    parser.add_argument("--rounds", type=int, default=40, help="processes of each kind (40)")
    rounds = parser.parse_args().rounds
    for module in ("pyscep", "asn1crypto.x509"):
        for what, seconds in least(module, rounds).items():
            print(f"{what:35} {1000 * seconds:6.1f} ms")


if __name__ == "__main__":
    main()
