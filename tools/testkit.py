"""Pages of the reference about the test kit: every fault, every imitation of a server.

``docs/conf.py`` writes them before it builds, so they cannot go stale.
"""

from __future__ import annotations

from pyscep.testing import Fault
from pyscep.testing.effects import (
    OnCaCertificates,
    OnCapabilities,
    OnDraft,
    OnReply,
    OnResponse,
    OnWire,
)
from pyscep.testing.profiles import PROFILES, STANDARD, Profile
from tests.helpers.fault_outcomes import OUTCOMES
from tools.reference import table


def pages() -> dict[str, str]:
    """Return the files by their name, to be put beside the reference's index."""
    return {"faults.rst": faults_page(), "profiles.rst": profiles_page()}


# ---------------------------------------------------------------------------------------- faults


STAGES = {
    OnDraft: "the reply",
    OnReply: "the decision",
    OnResponse: "HTTP",
    OnCapabilities: "GetCACaps",
    OnCaCertificates: "GetCACert",
    OnWire: "the connection",
}

FAULTS = """\
Faults of the test server
=========================

``server.misbehave(Fault.…)`` switches any number of these {number} on, and all others off. What
the client of this library makes of each is in the last column: a result, or the error that it
raises; a test holds it to that. *Success* means that the fault is one that a client has to bear
with. :doc:`/how-to/test-your-client` shows how to use them, also with clients in other languages.

{table}
"""


def faults_page() -> str:
    """Return the page of all faults, with what the client does about each."""
    rows = [
        (
            f"``{fault.name}``",
            fault.explanation,
            STAGES[type(fault.effect)],
            _link_to(OUTCOMES[fault]),
        )
        for fault in Fault
    ]
    header = ("Name", "What the server does", "Stage", "What the client makes of it")
    return FAULTS.format(number=len(rows), table=table(header, rows, "30 36 14 20"))


def _link_to(outcome: type) -> str:
    role = "exc" if issubclass(outcome, Exception) else "class"
    return f":{role}:`~{outcome.__module__}.{outcome.__name__}`"


# -------------------------------------------------------------------------------------- profiles


IMITATIONS = """\
Imitations of real servers
==========================

A profile lets the test server behave like a known one, as far as its behaviour was observed or is
documented. **None of them is the server that it is named after.** Whatever no source tells is as
the standard has it; a client that works with a profile has met that server's known quirks, and
whether it works with the server, only the server can say.

Choose one with ``--scep-profile`` (:doc:`/how-to/test-your-client`), or start a
:class:`~pyscep.testing.profiles.ProfileServer`. Without any, the server is the standard.

{sections}
"""

SECTION = """\
{heading}
{line}

An imitation of {title}; the path of its URL is ``{path}``.

{quirks}

Where that is known from:

{sources}
"""


def profiles_page() -> str:
    """Return the page of all imitations, with what each does and where that is known from."""
    sections = [_section(profile) for profile in PROFILES if profile is not STANDARD]
    return IMITATIONS.format(sections="\n".join(sections))


def _section(profile: Profile) -> str:
    return SECTION.format(
        heading=profile.name,
        line="-" * len(profile.name),
        title=profile.title,
        path=profile.path,
        quirks="\n".join(f"* {quirk}" for quirk in profile.quirks),
        sources="\n".join(f"* {source}" for source in profile.sources),
    )
