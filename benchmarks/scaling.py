"""What grows: the cost of a chain with its length, that of a CRL with its entries."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone

from benchmarks.crl import FIRST_SERIAL, CrlReply
from benchmarks.material import Material
from benchmarks.measure import Samples, Turn, interleave, timed
from benchmarks.results import Row, Section
from pyscep.ca import CaCertificates
from pyscep.crypto import default_provider
from pyscep.testing import EphemeralCa

LENGTHS = range(1, 11)
ENTRIES = (0, 25_000, 50_000, 100_000, 150_000, 200_000)


def measure(*, rounds: int) -> Section:
    """Measure every length and every size in turns."""
    material = Material.create()
    chains = interleave({str(length): _authenticate(length) for length in LENGTHS}, rounds=rounds)
    replies = {entries: CrlReply.create(material, entries) for entries in ENTRIES}
    crls = interleave(
        {str(entries): timed(reply.read) for entries, reply in replies.items()}, rounds=rounds
    )
    lookups = interleave(
        {str(entries): _look_up(reply, entries) for entries, reply in replies.items()},
        rounds=rounds,
    )
    series = {
        "CA chain authenticated": _points(chains, LENGTHS),
        "GetCRL reply parsed and verified": _points(crls, ENTRIES),
        "serial number looked up in a CRL": _points(lookups, ENTRIES),
    }
    units = {
        "CA chain authenticated": "µs for each certificate",
        "GetCRL reply parsed and verified": "µs for each 1,000 entries",
        "serial number looked up in a CRL": "µs for each 1,000 entries",
    }
    rows = [
        Row(
            what=name,
            value=slope(points) * (1000 if "1,000" in units[name] else 1),
            unit="µs",
            note=f"{units[name].removeprefix('µs ')}; straightness (R²) {straightness(points):.3f}",
        )
        for name, points in series.items()
    ]
    return Section(rows=rows, series=series)


def _authenticate(length: int) -> Turn:
    now = datetime.now(timezone.utc)
    ca = EphemeralCa.create(now=now - timedelta(days=1), intermediates=length - 1)
    certificates = CaCertificates(certificates=ca.published)
    provider = default_provider()
    return timed(lambda: certificates.authenticate(at=now, anchors=[ca.root], provider=provider))


def _look_up(reply: CrlReply, entries: int) -> Turn:
    crl = reply.read().crl
    last = FIRST_SERIAL + max(0, entries - 1)
    return timed(lambda: crl.revocation_date(last))


def _points(samples: Samples, sizes: Sequence[int]) -> list[tuple[float, float]]:
    return [(size, round(1e6 * samples.median(str(size)), 1)) for size in sizes]


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Return the slope of the straight line that fits best."""
    return statistics.linear_regression(*zip(*points, strict=True)).slope


def straightness(points: Sequence[tuple[float, float]]) -> float:
    """Return the coefficient of determination of that line; 1 if all points lie on it."""
    return float(statistics.correlation(*zip(*points, strict=True)) ** 2)
