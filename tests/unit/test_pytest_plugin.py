"""The fixtures as somebody else's test suite uses them, each time in a pytest of its own."""

from __future__ import annotations

import pytest

ENROL = """
from datetime import datetime, timedelta, timezone
import pytest
import pyscep
from pyscep.transport import RequestsTransport

def enrol(server, challenge_password, at=None):
    now = at or datetime.now(timezone.utc)
    with RequestsTransport(timeout=10) as send:
        client = pyscep.Client(server.url, send=send)
        root = server.responder.authority.root.sha256_fingerprint
        ca = client.get_ca_cert().authenticate(sha256=root, at=now)
        key = pyscep.default_provider().generate_rsa_key(2048)
        csr = pyscep.build_csr(
            subject="CN=device", key=key, challenge_password=challenge_password
        )
        identity = pyscep.self_signed_identity(
            csr, key=key, not_before=now, lifetime=timedelta(days=1)
        )
        algorithms = pyscep.Algorithms()
        return client.enrol(csr, identity=identity, ca=ca, algorithms=algorithms)
"""


def run(pytester: pytest.Pytester, *options: str, **files: str) -> pytest.RunResult:
    """Run the files in a fresh interpreter, where only the installed plugin is at work."""
    pytester.makepyfile(helper=ENROL, **files)
    # Found where the tests are; nothing of this project's configuration is.
    pytester.makeini("[pytest]\npythonpath = .\naddopts = -p no:cacheprovider\n")
    return pytester.runpytest_subprocess(*options)


def test_out_of_the_box(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        test_it="""
        import pyscep
        from helper import enrol

        def test_right(scep_server, scep_challenge_password):
            assert isinstance(enrol(scep_server, scep_challenge_password), pyscep.Success)
            operations = [entry.request.url.partition("=")[2] for entry in scep_server.log]
            assert operations == ["GetCACert", "PKIOperation"]
            scep_server.check()

        def test_wrong(scep_server, scep_ca, scep_responder):
            assert isinstance(enrol(scep_server, "wrong"), pyscep.Failure)
            assert scep_server.responder is scep_responder
            assert scep_responder.authority is scep_ca
        """,
    )
    result.assert_outcomes(passed=2)


def test_every_test_has_a_fresh_server(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        test_it="""
        import pytest, pyscep
        from pyscep.testing import Fault
        from helper import enrol

        seen = []

        @pytest.mark.parametrize("number", range(3))
        def test_it(scep_server, scep_ca, number):
            assert scep_server.log == []
            assert scep_server.responder.store.pending() == ()
            assert scep_ca.issuer not in seen
            # The keys are the same, as making them takes time.
            assert all(scep_ca.issuer.public_key == other.public_key for other in seen)
            seen.append(scep_ca.issuer)
            assert isinstance(enrol(scep_server, "challenge"), pyscep.Success)
            scep_server.misbehave(Fault.REFUSED)
            assert isinstance(enrol(scep_server, "challenge"), pyscep.Failure)
        """,
    )
    result.assert_outcomes(passed=3)


def test_every_fixture_can_be_overridden(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        conftest="""
        from datetime import datetime, timezone
        import pytest
        from pyscep.handlers import static_challenge
        from pyscep.testing import EphemeralCa, Fault
        from pyscep.testing.profiles import NDES

        @pytest.fixture
        def scep_now():
            return lambda: datetime(2031, 5, 1, tzinfo=timezone.utc)

        @pytest.fixture
        def scep_profile():
            return NDES

        @pytest.fixture
        def scep_faults():
            return (Fault.COPIED_SENDER_NONCE,)

        @pytest.fixture
        def scep_challenge_password():
            return "another"
        """,
        test_profile="""
        from datetime import datetime, timezone
        import pyscep
        from pyscep.testing import Fault
        from helper import enrol

        def test_it(scep_server, scep_now):
            assert scep_server.url.endswith("mscep.dll/pkiclient.exe")
            assert scep_server.misbehaviour.faults == (Fault.COPIED_SENDER_NONCE,)
            reply = enrol(scep_server, "another", at=scep_now())
            assert isinstance(reply, pyscep.Success)
            assert reply.certificate.not_before == datetime(2031, 5, 1, tzinfo=timezone.utc)
        """,
        test_handler="""
        import pytest, pyscep
        from pyscep.handlers import Defer
        from helper import enrol

        @pytest.fixture
        def scep_handler():
            class Waiting:
                def decide(self, request):
                    return Defer()
            return Waiting()

        def test_it(scep_server, scep_now):
            assert isinstance(enrol(scep_server, "x", at=scep_now()), pyscep.Pending)
            (waiting,) = scep_server.responder.store.pending()
            scep_server.responder.approve(waiting.transaction_id)
        """,
        test_ca="""
        import pytest, pyscep
        from datetime import timedelta
        from pyscep.testing import EphemeralCa
        from helper import enrol

        @pytest.fixture
        def scep_ca(scep_now, scep_keys):
            return EphemeralCa.create(
                now=scep_now(), subject="CN=mine", intermediates=2, single_ra=True,
                provider=scep_keys.provider(),
            )

        def test_it(scep_server, scep_now):
            reply = enrol(scep_server, "another", at=scep_now())
            assert str(reply.certificate.issuer) == "CN=mine"
            assert len(reply.chain.certificates) == 4
        """,
    )
    result.assert_outcomes(passed=3)


def test_the_factory_starts_as_many_servers_as_are_wanted(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        test_it="""
        import pytest, pyscep
        from dataclasses import replace
        from pyscep.memory_store import MemoryStore
        from helper import enrol

        servers = []

        def test_two(scep_server_factory, scep_responder):
            servers.append(scep_server_factory(scep_responder))
            servers.append(scep_server_factory(replace(scep_responder, store=MemoryStore())))
            assert servers[0].url != servers[1].url
            for server in servers:
                assert isinstance(enrol(server, "challenge"), pyscep.Success)

        def test_they_are_stopped_afterwards():
            for server in servers:
                with pytest.raises(pyscep.TransportError):
                    enrol(server, "challenge")
        """,
    )
    result.assert_outcomes(passed=2)


def test_check_raises_what_went_wrong_inside(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        test_it="""
        import pytest, pyscep
        from helper import enrol

        @pytest.fixture
        def scep_handler():
            class Broken:
                def decide(self, request):
                    return 1 / 0
            return Broken()

        def test_it(scep_server):
            with pytest.raises(pyscep.HttpError, match="500"):
                enrol(scep_server, "challenge")
            with pytest.raises(ZeroDivisionError):
                scep_server.check()
            scep_server.reset()
            scep_server.check()

        def test_fails_by_check(scep_server):
            with pytest.raises(pyscep.HttpError):
                enrol(scep_server, "challenge")
            scep_server.check()
        """,
    )
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*ZeroDivisionError: division by zero*"])


def test_options(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        "--scep-profile=dogtag",
        "--scep-fault=missing-sender-nonce",
        "--scep-fault=CHAIN_BEFORE_LEAF",
        "--scep-challenge=from the command line",
        "--scep-handler=approval",
        test_it="""
        import pyscep
        from pyscep.handlers import ApprovalHandler
        from pyscep.testing import Fault

        def test_it(scep_server, scep_handler):
            assert scep_server.profile.name == "dogtag"
            faults = (Fault.MISSING_SENDER_NONCE, Fault.CHAIN_BEFORE_LEAF)
            assert scep_server.misbehaviour.faults == faults
            assert isinstance(scep_handler, ApprovalHandler)
            assert scep_handler.handler.is_right("from the command line")
            assert not scep_handler.handler.is_right("challenge")
        """,
    )
    result.assert_outcomes(passed=1)


def test_a_handler_by_name(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        "--scep-handler=mine:handler",
        mine="""
        from pyscep.handlers import Refuse
        class Refusing:
            def decide(self, request):
                return Refuse(fail_info_text="never")
        handler = Refusing()
        """,
        test_it="""
        from helper import enrol
        def test_it(scep_server):
            assert enrol(scep_server, "challenge").fail_info_text == "never"
        """,
    )
    result.assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--scep-handler=nonsense", "*no handler; use challenge, approval*"),
        ("--scep-handler=no.such:thing", "*cannot be imported*"),
        ("--scep-handler=os:path", "*no handler*"),
        ("--scep-profile=nonsense", "*no profile 'nonsense'; use one of standard, ndes*"),
        ("--scep-fault=nonsense", "*no fault 'nonsense'; use one of MISSING_*"),
    ],
)
def test_what_there_is_not(pytester: pytest.Pytester, option: str, message: str) -> None:
    result = run(pytester, option, test_it="def test_it(scep_server): ...")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([message])


def test_it_is_described(pytester: pytest.Pytester) -> None:
    listed = pytester.runpytest_subprocess("--fixtures", "-q").stdout.str()
    for fixture in (
        "scep_ca",
        "scep_responder",
        "scep_server",
        "scep_server_factory",
        "scep_handler",
        "scep_profile",
        "scep_faults",
        "scep_now",
        "scep_challenge_password",
        "scep_keys",
    ):
        assert f"\n{fixture} " in listed
    assert (
        "no docstring available" not in listed.partition("fixtures defined from pytest_pyscep")[2]
    )
    options = pytester.runpytest_subprocess("--help").stdout.str()
    for option in ("--scep-profile", "--scep-fault", "--scep-handler", "--scep-challenge"):
        assert option in options


def test_nothing_heavy_is_loaded_before_a_fixture_is_used(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        test_it="""
        import sys

        def test_before():
            heavy = {"pyscep", "asn1crypto", "oscrypto", "requests", "http.server"}
            assert not heavy & set(sys.modules)

        def test_after(scep_server):
            assert "pyscep.testing" in sys.modules
        """,
    )
    result.assert_outcomes(passed=2)
