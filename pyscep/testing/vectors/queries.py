"""Requests by GET: the same message in every spelling of base64 that clients have.

Source: RFC 8894 section 4.1; T-05, T-06, T-07.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import quote

from pyscep.testing.vectors.model import Content, Expected, Rejection, Vector, accepted, rejected


def query_vectors(request: Vector) -> Iterator[Vector]:
    """Return the query strings that carry *request*, and some that carry nothing."""
    standard = base64.b64encode(request.octets).decode()
    lines = base64.encodebytes(request.octets).decode()
    url_safe = base64.urlsafe_b64encode(request.octets).decode()
    status = request.expected.status
    right = (
        ("escaped", quote(standard, safe=""), "Base64, escaped as it should be.", "T-05"),
        ("slash", quote(standard, safe="/="), "Slash and equals sign unescaped.", "T-07"),
        ("plus", standard, "Nothing escaped, so that + may be read as a space.", "T-07"),
        ("space", quote(standard.replace("+", " "), safe="/"), "Spaces instead of +.", "T-07"),
        ("lines", quote(lines, safe=""), "Line breaks in it, escaped.", "T-07"),
        ("unpadded", quote(standard.rstrip("="), safe=""), "No padding.", "T-07"),
        ("url-safe", url_safe, "The alphabet for URLs.", "T-07"),
    )
    for name, message, why, rule in right:
        query = f"operation=PKIOperation&message={message}"
        yield _vector(request, name, query, accepted(why, rule, status=status))
    wrong = (
        ("no-message", "operation=PKIOperation", "There is no message.", "T-23"),
        ("no-operation", f"message={quote(standard, safe='')}", "There is no operation.", "T-12"),
        ("no-base64", "operation=PKIOperation&message=%3Chtml%3E", "It is not base64.", "T-07"),
        (
            "escaped-twice",
            f"operation=PKIOperation&message={quote(quote(standard, safe=''), safe='')}",
            "It is escaped twice.",
            "T-07",
        ),
    )
    for name, query, why, rule in wrong:
        expected = rejected(Rejection.HTTP, why, rule, http_status=400)
        yield _vector(request, f"wrong-{name}", query, expected)


def _vector(request: Vector, name: str, query: str, expected: Expected) -> Vector:
    return replace(
        request,
        name=f"queries/{name}",
        octets=query.encode(),
        content=Content.QUERY,
        expected=expected,
        message=request.message if expected.rejection is None else None,
    )
