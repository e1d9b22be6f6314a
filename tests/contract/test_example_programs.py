"""Every program in examples/ runs and says what it should."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest

import pyscep
from pyscep.errors import TransportError
from pyscep.handlers import (
    ApprovalHandler,
    EnrolmentRequest,
    RequestHandler,
    SignerTrust,
    static_challenge,
)
from pyscep.http import get_ca_cert
from pyscep.memory_store import MemoryStore
from pyscep.responder import Responder
from pyscep.testing import EphemeralCa, ScepServer
from tests.helpers import keys, sensors
from tests.helpers.keys import rsa

EXAMPLES = Path(__file__).parents[2] / "examples"
TESTED = {
    "approve_by_hand",
    "demo",
    "device_test",
    "ec_keys",
    "enrol",
    "faulty_server",
    "firmware",
    "hardware_key",
    "intune_gateway",
    "legacy_server",
    "one_time_challenges",
    "poll_and_resume",
    "sans_io",
    "sensor",
    "wsgi_responder",
}


README = EXAMPLES.parent / "README.md"


def program(name: str) -> dict[str, Any]:
    return runpy.run_path(str(EXAMPLES / f"{name}.py"))


@pytest.fixture(scope="module")
def authority() -> EphemeralCa:
    return EphemeralCa.create(key=rsa(0))


def serve(authority: EphemeralCa, handler: RequestHandler) -> ScepServer:
    responder = Responder(
        authority=authority,
        handler=handler,
        store=MemoryStore(),
        now=lambda: datetime.now(timezone.utc),
    )
    return ScepServer(responder.handle)


@pytest.fixture
def server(authority: EphemeralCa) -> Iterator[ScepServer]:
    with serve(authority, static_challenge("secret")) as running:
        yield running
        running.check()


def test_every_program_has_a_test() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == TESTED


def test_demo(capsys: pytest.CaptureFixture[str]) -> None:
    program("demo")["main"]()
    printed = capsys.readouterr().out
    for expected in ("1. ", "7. ", "CN=sensor-17", "badRequest", "POST PKIOperation", "Done."):
        assert expected in printed


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ec_keys", "3. Approved: CN=sensor-17."),
        ("poll_and_resume", "3. Approved: CN=sensor-17."),
        ("hardware_key", "CN=sensor-17: the token was used 4 times"),
        ("legacy_server", "read under: DES_CBC"),
        ("one_time_challenges", "3. sensor-18, with the same challenge: Failure"),
        ("one_time_challenges", "ALARM: the challenge of CN=sensor-18 was used before."),
        ("intune_gateway", "Success: delivered after Intune had agreed twice"),
    ],
)
def test_programs_without_arguments(
    name: str, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    program(name)["main"]()
    assert expected in capsys.readouterr().out


def test_sans_io(
    server: ScepServer, authority: EphemeralCa, capsys: pytest.CaptureFixture[str]
) -> None:
    main: Callable[[list[str]], None] = program("sans_io")["main"]
    main([server.url, authority.root.sha256_fingerprint, "secret"])
    assert capsys.readouterr().out == "Success\n"


def test_firmware(server: ScepServer, authority: EphemeralCa) -> None:
    command = [sys.executable, str(EXAMPLES / "firmware.py"), server.url]
    answer = subprocess.run(
        [*command, authority.root.sha256_fingerprint, "secret"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert answer.stdout == "Success without requests\n"


def test_firmware_without_a_server() -> None:
    send = program("firmware")["send"]
    with pytest.raises(TransportError, match="cannot be reached") as caught:
        send(get_ca_cert("http://127.0.0.1:1/scep"))
    assert (caught.value.url, caught.value.timed_out) == ("http://127.0.0.1:1/scep", False)


def test_enrol(
    server: ScepServer,
    authority: EphemeralCa,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    challenge, out = tmp_path / "challenge.txt", tmp_path / "identity.pem"
    challenge.write_text("secret\n")
    main: Callable[[list[str]], int] = program("enrol")["main"]
    options = ["--ca-sha256", authority.root.sha256_fingerprint, "--subject", "CN=a,O=Example"]
    options += ["--san", "dns:a.example", "--out", str(out), "--challenge-file", str(challenge)]
    assert main([server.url, *options]) == 0
    assert "CN=a,O=Example, valid to" in capsys.readouterr().out
    assert out.stat().st_mode & 0o777 == 0o600
    certificates = pyscep.parse_certificates(out.read_bytes())
    assert certificates[-1] == authority.root
    key = pyscep.default_provider().load_private_key(out.read_bytes())
    assert key.public_key == certificates[0].public_key

    challenge.write_text("wrong\n")
    assert main([server.url, *options]) == 3
    assert "challenge password" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("handler", "called", "shown"),
    [
        (static_challenge("secret"), "save", "CN=sensor-17"),
        (static_challenge("another"), "report", "challenge password"),
        (ApprovalHandler(), "save", "CERT-REQ-PENDING"),
    ],
    ids=["issued", "refused", "pending"],
)
def test_the_lines_of_the_readme(
    authority: EphemeralCa, handler: RequestHandler, called: str, shown: str
) -> None:
    calls: list[tuple[str, str]] = []

    def save(first: pyscep.Certificate | str, chain: pyscep.Chain | None = None) -> None:
        assert (chain is None) is isinstance(first, str)
        calls.append(("save", first if isinstance(first, str) else str(first.subject)))

    def report(text: str) -> None:
        calls.append(("report", text))

    (lines,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    with serve(authority, handler) as running:
        assert lines.count("http://ca.example/scep") == 1
        given = {
            "fingerprint": authority.root.sha256_fingerprint,
            "password": "secret",
            "save": save,
            "report": report,
        }
        # What a reader would type.
        exec(lines.replace("http://ca.example/scep", running.url), given)  # noqa: S102
        running.check()
    ((name, text),) = calls
    assert name == called
    assert shown in text


def test_approve_by_hand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main: Callable[[Path], None] = program("approve_by_hand")["main"]
    main(tmp_path / "scep.db")
    assert [line.strip() for line in capsys.readouterr().out.splitlines()] == [
        "the device waits",
        "approved: CN=sensor-17",
        "the device has CN=sensor-17, for 30 days",
    ]
    policy = program("approve_by_hand")["Policy"]()
    refused = policy.decide(somebody())
    assert refused.fail_info_text == "Only sensors enrol here."


def somebody() -> EnrolmentRequest:
    """Return what a handler is asked about who is no sensor."""
    csr = pyscep.build_csr(subject="CN=somebody", key=rsa(1))
    identity = pyscep.self_signed_identity(
        csr, key=rsa(1), not_before=keys.NOW, lifetime=timedelta(days=1)
    )
    return EnrolmentRequest(
        message_type=pyscep.MessageType.PKCS_REQ,
        transaction_id="T",
        csr=csr,
        signer=identity.certificate,
        trust=SignerTrust.SELF_SIGNED,
    )


def test_device_test(pytester: pytest.Pytester) -> None:
    """It is collected by nobody but this, in a pytest of its own."""
    result = pytester.runpytest_subprocess(EXAMPLES / "device_test.py", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=7)


@pytest.mark.parametrize(
    ("arguments", "outcome"),
    [
        ([], pyscep.Success),
        (["--profile", "step_ca", "trailing-bytes"], pyscep.DecodeError),
    ],
)
def test_faulty_server(arguments: list[str], outcome: type) -> None:
    with subprocess.Popen(
        [sys.executable, EXAMPLES / "faulty_server.py", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        known = dict(process.stdout.readline().strip().split(": ", 1) for _ in range(3))
        device = program("device_test")["enrol_device"]
        arguments_of_device = (known["url"], known["ca-sha256"], known["challenge"])
        if issubclass(outcome, Exception):
            with pytest.raises(outcome):
                device(*arguments_of_device)
        else:
            assert type(device(*arguments_of_device)) is outcome
        printed, _ = process.communicate()
    assert printed == "GET GetCACert: 200\nPOST PKIOperation: 200\n"
    assert process.returncode == 0


def test_faulty_server_knows_no_other_faults() -> None:
    done = subprocess.run(
        [sys.executable, EXAMPLES / "faulty_server.py", "nonsense"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "nonsense" in done.stderr


def test_wsgi_responder(authority: EphemeralCa) -> None:
    application = program("wsgi_responder")["make_application"](authority, "secret")
    environment: dict[str, Any] = {"QUERY_STRING": "operation=GetCACert"}
    setup_testing_defaults(environment)
    started: list[str] = []
    body = application(environment, lambda status, _headers: started.append(status))
    assert (started, b"".join(body)) == (["200 OK"], authority.issuer.der)


def test_sensor(server: ScepServer, authority: EphemeralCa, tmp_path: Path) -> None:
    """As the firmware starts it; its whole life is in tests/sensor."""
    table = sensors.network_table(
        server.url,
        challenge_password="secret",
        root_ca_fingerprint=authority.root.sha256_fingerprint,
    )
    path = sensors.write_settings(tmp_path, table)

    def run(*options: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(EXAMPLES / "sensor.py"), str(path), *options]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    first = run("--once")
    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout.startswith("office: The certificate is good until ")
    folder = tmp_path / "state" / "office"
    assert len(list(folder.glob("generation-*"))) == 1
    assert run("--once").stdout == first.stdout
    assert len(list(folder.glob("generation-*"))) == 1
    assert run("--enrol-again", "office").stdout.startswith("office: The certificate")
    assert len(list(folder.glob("generation-*"))) == 2

    unknown = run("--enrol-again", "office-2")
    assert (unknown.returncode, unknown.stdout) == (2, f"{path}: there is no network office-2.\n")
    path.write_text(path.read_text() + "ssidd = 1\n")
    broken = run("--once")
    expected = f"{path}: networks: office: ssidd: no such setting.\n"
    assert (broken.returncode, broken.stdout, broken.stderr) == (2, expected, "")
