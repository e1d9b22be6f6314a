"""pyscep.testing.vectors: written, read back from the files alone, and all that is said is so."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("cryptography", reason="the extra [cryptography] is not installed")

from pyscep import http, http_server
from pyscep.algorithms import ContentEncryptionAlgorithm, DigestAlgorithm, KeyEncryptionAlgorithm
from pyscep.certificates import parse_certificate
from pyscep.cms_enveloped import RecipientKind, parse_enveloped_data
from pyscep.crypto.pyca_provider import PycaProvider
from pyscep.errors import ScepError, UsageError
from pyscep.messages import (
    FailInfo,
    GetCert,
    GetCRL,
    MessageType,
    PkiStatus,
    parse_cert_rep_content,
)
from pyscep.pki_message import parse_pki_message
from pyscep.responder import Responder
from pyscep.testing.effects import OnCaCertificates, OnCapabilities
from pyscep.testing.faults import Fault
from pyscep.testing.vectors import ber, build_vectors, write_vectors
from pyscep.testing.vectors.__main__ import main
from pyscep.testing.vectors.model import Content, Reader, Rejection, VectorSet
from pyscep.testing.vectors.parties import KEY_NAMES, public_test_key
from pyscep.testing.vectors.replies import USUAL
from pyscep.testing.vectors.requests import message_of
from pyscep.testing.vectors.seeded import SeededProvider
from pyscep.testing.vectors.wrong_replies import FAULTS, OF_SEVERAL_MESSAGES
from pyscep.transaction import CrlSuccess, Failure, Pending, Success
from tests.helpers.keys import provider
from tests.helpers.vector_reader import REJECTIONS, VectorDirectory, rejection_of
from tools import conformance

# Of all files with the seed 0: the same on every machine, Python and provider. It changes when the
# vectors do; print digest(build_vectors()) then.
PINNED = "0cda62bb06321ff76e0a464207fa39c4582a0b9f6e54e45f68a200f6781e584b"

VECTORS = build_vectors(provider=provider())
Entry = dict[str, Any]


def names(
    reader: Reader, content: Content, wanted: Callable[[Any], bool] = lambda _vector: True
) -> list[str]:
    return [
        vector.name
        for vector in VECTORS.vectors
        if vector.reader is reader and vector.content is content and wanted(vector)
    ]


def digest(vectors: VectorSet) -> str:
    total = hashlib.sha256()
    for path, octets in sorted(vectors.files().items()):
        total.update(f"{path}\0{len(octets)}\0".encode() + octets)
    return total.hexdigest()


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> VectorDirectory:
    root = tmp_path_factory.mktemp("vectors") / "new"
    write_vectors(root, provider=provider())
    return VectorDirectory.open(root)


# ------------------------------------------------------------------------------------ reproducible


def test_the_same_everywhere() -> None:
    assert digest(VECTORS) == PINNED


def test_the_same_in_every_process(tmp_path: Path, directory: VectorDirectory) -> None:
    command = [sys.executable, "-m", "pyscep.testing.vectors", "--seed", "0", str(tmp_path / "b")]
    environment = {**os.environ, "PYTHONHASHSEED": "1"}
    subprocess.run(command, check=True, env=environment, capture_output=True)
    assert contents(tmp_path / "b") == contents(directory.root)


def contents(root: Path) -> dict[str, bytes]:
    return {
        file.relative_to(root).as_posix(): file.read_bytes()
        for file in root.rglob("*")
        if file.is_file()
    }


def test_the_same_with_every_provider() -> None:
    assert digest(build_vectors(provider=PycaProvider())) == digest(VECTORS)


def test_another_seed_and_another_moment_give_others() -> None:
    other = build_vectors(seed=1, provider=provider())
    later = build_vectors(at=VECTORS.at + timedelta(days=1), provider=provider())
    assert [v.name for v in other.vectors] == [v.name for v in VECTORS.vectors]
    assert len({digest(VECTORS), digest(other), digest(later)}) == 3
    first, second = (
        {v.octets for v in each.vectors if v.name.startswith("requests/pkcs-req")}
        for each in (VECTORS, other)
    )
    assert not first & second


def test_labels_are_streams_of_their_own() -> None:
    def stream(label: str, seed: int = 0) -> SeededProvider:
        return SeededProvider(base=provider(), seed=seed, label=label)

    pieces = stream("a")
    assert pieces.random_bytes(5) + pieces.random_bytes(60) == stream("a").random_bytes(65)
    assert len({stream("a").random_bytes(16), stream("b").random_bytes(16)}) == 2
    assert stream("a").random_bytes(16) != stream("a", seed=1).random_bytes(16)
    assert stream("a", seed=3).name.endswith("seed 3")


@pytest.mark.parametrize("algorithm", KeyEncryptionAlgorithm, ids=lambda a: a.name)
def test_seeded_encryption_decrypts(algorithm: KeyEncryptionAlgorithm) -> None:
    # pyca/cryptography knows every OAEP.
    key = PycaProvider().load_private_key(public_test_key("ca"))
    seeded = SeededProvider(base=provider(), seed=0, label="x")
    for size in (1, 16, 32):
        content_key = bytes(range(size))
        encrypted = seeded.encrypt_key(key.public_key, content_key, algorithm)
        assert key.decrypt(encrypted, algorithm) == content_key


def test_what_a_seeded_provider_passes_on() -> None:
    seeded = SeededProvider(base=provider(), seed=0, label="x")
    sha256 = DigestAlgorithm.SHA256
    derived = [
        each.pbkdf2(b"p", b"s", iterations=2, key_length=16, digest=sha256)
        for each in (seeded, provider())
    ]
    assert derived[0] == derived[1]
    aes = ContentEncryptionAlgorithm.AES128_CBC
    key, iv = bytes(16), bytes(16)
    assert seeded.decrypt_content(key, iv, seeded.encrypt_content(key, iv, b"x", aes), aes) == b"x"
    pem = public_test_key("ca")
    assert seeded.load_private_key(pem).public_key == provider().load_private_key(pem).public_key


def test_keys_are_not_generated_from_a_seed() -> None:
    seeded = SeededProvider(base=provider(), seed=0, label="x")
    with pytest.raises(UsageError, match="public test keys"):
        seeded.generate_rsa_key(2048)
    with pytest.raises(UsageError, match="public test keys"):
        seeded.generate_ec_key("secp256r1")


# --------------------------------------------------------------------------------------- the index


def test_the_index_names_every_file(directory: VectorDirectory) -> None:
    index = directory.index
    assert (index["format"], index["version"], index["seed"]) == ("pyscep-test-vectors", 1, 0)
    named = [entry["file"] for entry in index["vectors"]]
    named += [entry["file"] for entry in (*index["keys"].values(), *index["certificates"].values())]
    assert sorted([*named, "README.txt", "index.json"]) == sorted(contents(directory.root))
    assert len({vector["name"] for vector in directory}) == len(VECTORS.vectors)
    assert set(index["keys"]) == set(KEY_NAMES)


def test_the_index_describes_every_certificate(directory: VectorDirectory) -> None:
    for name, entry in directory.index["certificates"].items():
        certificate = directory.certificate(name)
        assert entry["sha256"] == certificate.sha256_fingerprint
        assert int(entry["serial_number"], 16) == certificate.serial_number
        assert entry["subject"] == str(certificate.subject)
        assert entry["issuer"] == str(certificate.issuer)
        assert directory.key(entry["key"]).public_key == certificate.public_key


def test_every_entry_is_explained(directory: VectorDirectory) -> None:
    known = conformance.identifiers()
    for vector in directory:
        expected = vector["expected"]
        assert expected["why"].endswith("."), vector["name"]
        assert expected["checklist"], vector["name"]
        assert set(expected["checklist"]) <= known, vector["name"]
        assert (expected["outcome"] == "reject") == (expected["rejection"] is not None)


def test_the_reference_describes_every_word(directory: VectorDirectory) -> None:
    text = (Path(__file__).parents[2] / "docs" / "reference" / "vectors.rst").read_text("utf-8")
    words = {member.value for kind in (Rejection, Content, Reader) for member in kind}
    for vector in directory:
        words |= set(vector)
        for part in ("given", "answers", "message", "expected", "http"):
            words |= set(vector[part] or ())
    for part in ("keys", "certificates", "authorities"):
        words |= {part, *(key for entry in directory.index[part].values() for key in entry)}
    words |= set(directory.index)
    assert {word for word in words if f"``{word}``" not in text} == set()


@pytest.mark.parametrize(
    ("change", "is_indefinite"),
    [(ber.segmented_enveloped_data, False), (ber.indefinite_enveloped_data, True)],
)
def test_envelopes_in_pieces(change: Callable[[bytes], bytes], is_indefinite: bool) -> None:
    usual = next(v for v in VECTORS.vectors if v.name == USUAL)
    envelope = parse_pki_message(usual.octets).verify_possession().content or b""
    changed = change(envelope)
    assert (changed[:2] == b"\x30\x80") is is_indefinite
    # The header of a piece of 200 bytes.
    assert changed.count(b"\x04\x81\xc8") > 2
    assert parse_enveloped_data(changed) == parse_enveloped_data(envelope)


def test_every_kind_of_rejection_occurs() -> None:
    assert {v.expected.rejection for v in VECTORS.vectors} == {*Rejection, None}
    assert {*REJECTIONS.values(), "refused"} == {kind.value for kind in Rejection}


def test_every_fault_of_one_reply_is_there() -> None:
    of_other_operations = {
        fault for fault in Fault if isinstance(fault.effect, OnCapabilities | OnCaCertificates)
    }
    assert set(FAULTS) | OF_SEVERAL_MESSAGES | of_other_operations == set(Fault)
    assert not set(FAULTS) & OF_SEVERAL_MESSAGES


def test_every_status_and_reason_is_there() -> None:
    expected = [v.expected for v in VECTORS.vectors if v.reader is Reader.CLIENT]
    assert {e.status for e in expected} >= set(PkiStatus)
    assert {e.fail_info for e in expected} >= {member.value for member in FailInfo}
    types = {v.message.message_type for v in VECTORS.vectors if v.message is not None}
    assert types == set(MessageType)


# -------------------------------------------------------------------------------------- the client


@pytest.mark.parametrize("name", names(Reader.CLIENT, Content.CA_CAPS))
def test_capabilities(directory: VectorDirectory, name: str) -> None:
    vector = directory.find(name)
    expected = vector["expected"]
    found = http.parse_get_ca_caps(directory.response(vector))
    assert sorted(keyword.value for keyword in found.keywords) == expected["capabilities"]
    check(expected, found.select)
    assert list(found.select(allow_legacy=True).downgrades) == expected["allow"]


@pytest.mark.parametrize("name", names(Reader.CLIENT, Content.CA_CERT))
def test_ca_certificates(directory: VectorDirectory, name: str) -> None:
    vector = directory.find(name)
    ca = check(vector["expected"], lambda: directory.authenticate(vector))
    if ca is not None:
        roles = directory.index["authorities"][vector["authority"]]
        assert directory.name_of(ca.issuer) == roles["issuer"]
        assert [directory.name_of(signer) for signer in ca.signers] == roles["signers"]
        assert directory.name_of(ca.recipient) == roles["recipient"]


@pytest.mark.parametrize("name", names(Reader.CLIENT, Content.NEXT_CA_CERT))
def test_next_ca_certificates(directory: VectorDirectory, name: str) -> None:
    vector = directory.find(name)
    ca = check(vector["expected"], lambda: directory.follow(vector))
    if ca is not None:
        assert directory.name_of(ca.issuer) == vector["expected"]["certificate"]


def check(expected: Entry, read: Callable[[], Any]) -> Any:
    """Read something; it has to be accepted, or rejected for the reason that is expected."""
    if expected["outcome"] == "accept":
        return read()
    with pytest.raises(ScepError) as caught:
        read()
    assert rejection_of(caught.value) == expected["rejection"]
    return None


@pytest.mark.parametrize("name", names(Reader.CLIENT, Content.PKI_MESSAGE))
def test_replies(directory: VectorDirectory, name: str) -> None:
    vector = directory.find(name)
    expected = vector["expected"]
    allow = expected["allow"]
    found = check(expected, lambda: directory.receive(vector, allow=allow or ["SHA1"]))
    match found:
        case None:
            return
        case Success():
            assert expected["status"] == "SUCCESS"
            # One that was made for this message only has no name.
            asked = directory.index["certificates"].get(expected["certificate"] or "client-old")
            assert directory.key(asked["key"]).public_key == found.certificate.public_key
            if expected["certificate"] is not None:
                assert directory.name_of(found.certificate) == expected["certificate"]
        case CrlSuccess():
            assert expected["status"] == "SUCCESS"
            revoked = directory.certificate("client-expired").serial_number
            assert found.crl.revocation_date(revoked) == directory.at - timedelta(days=30)
        case Pending():
            assert expected["status"] == "PENDING"
        case _:
            assert isinstance(found, Failure)
            assert expected["status"] == "FAILURE"
            assert found.fail_info_value == expected["fail_info"]


@pytest.mark.parametrize(
    "name", names(Reader.CLIENT, Content.PKI_MESSAGE, lambda v: v.expected.allow)
)
def test_replies_with_legacy_algorithms(directory: VectorDirectory, name: str) -> None:
    vector = directory.find(name)
    for missing in vector["expected"]["allow"]:
        others = [each for each in vector["expected"]["allow"] if each != missing]
        with pytest.raises(ScepError) as caught:
            directory.receive(vector, allow=others)
        assert rejection_of(caught.value) == "weak-algorithm"


# -------------------------------------------------------------------------------------- the server


@pytest.mark.parametrize("name", names(Reader.SERVER, Content.PKI_MESSAGE))
def test_requests(directory: VectorDirectory, name: str) -> None:
    vector = directory.find(name)
    expected = vector["expected"]
    responder = directory.responder(vector, allow=expected["allow"])
    response = directory.send(responder, vector)
    if expected["http_status"] is not None:
        assert response.status == expected["http_status"]
    else:
        check_answer(directory, responder, vector, response.body)
    if expected["outcome"] == "reject":
        again = directory.responder(vector, allow=expected["allow"])
        assert directory.reason(again, vector) == expected["rejection"]


def check_answer(
    directory: VectorDirectory, responder: Responder, vector: Entry, body: bytes
) -> None:
    expected = vector["expected"]
    reply = directory.read_reply(responder, body)
    if expected["outcome"] == "reject":
        assert reply.pki_status is PkiStatus.FAILURE
        assert reply.fail_info == expected["fail_info"]
        return
    message = vector["message"]
    assert reply.pki_status is PkiStatus[expected["status"]]
    assert reply.transaction_id == message["transaction_id"]
    assert reply.recipient_nonce == bytes.fromhex(message["sender_nonce"])
    if reply.pki_status is PkiStatus.SUCCESS:
        check_delivery(directory, responder, vector, body)


def check_delivery(
    directory: VectorDirectory, responder: Responder, vector: Entry, body: bytes
) -> None:
    """Let the client of the request read the answer, and look at what it gets."""
    octets = directory.octets(vector)
    if vector["content"] == "query":
        octets = http_server.decode_get_message(octets.decode().partition("message=")[2])
    request, _data = responder._open(parse_pki_message(octets).verify_possession())
    verified = directory.read_reply(responder, body)
    signer = directory.identity(vector["message"]["signer"])
    passwords = directory.passwords(signer.certificate)
    data = verified.decrypt((signer,), passwords, ciphers=frozenset(ContentEncryptionAlgorithm))
    bag = parse_cert_rep_content(data.octets)
    if isinstance(request, GetCRL):
        assert len(bag.crls) == 1
        return
    (certificate,) = map(parse_certificate, bag.certificates)
    assert not certificate.is_ca
    if isinstance(request, GetCert):
        assert certificate.serial_number == request.identifier.serial_number
    else:
        assert certificate.public_key == request.csr.public_key  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "name", names(Reader.SERVER, Content.PKI_MESSAGE, lambda v: v.expected.allow)
)
def test_requests_with_legacy_algorithms(directory: VectorDirectory, name: str) -> None:
    vector = directory.find(name)
    if (given := vector["given"]) is not None and given["pending"] is not None:
        # What came before is of the same algorithms and was refused then.
        vector = {**vector, "given": None}
    for missing in vector["expected"]["allow"]:
        others = [each for each in vector["expected"]["allow"] if each != missing]
        responder = directory.responder(vector, allow=others)
        reply = directory.read_reply(responder, directory.send(responder, vector).body)
        assert reply.fail_info == FailInfo.BAD_ALG.value
        assert directory.reason(responder, vector) == "weak-algorithm"


@pytest.mark.parametrize("name", names(Reader.SERVER, Content.QUERY))
def test_queries(directory: VectorDirectory, name: str) -> None:
    vector = directory.find(name)
    responder = directory.responder(vector, allow=[])
    response = directory.send(responder, vector)
    if vector["expected"]["outcome"] == "reject":
        assert response.status == vector["expected"]["http_status"]
    else:
        check_answer(directory, responder, vector, response.body)


# ------------------------------------------------------------------------------------ what is in it


@pytest.mark.parametrize(
    "name",
    [
        vector.name
        for vector in VECTORS.vectors
        if vector.message is not None and vector.content is Content.PKI_MESSAGE
    ],
)
def test_what_is_said_of_each_message(directory: VectorDirectory, name: str) -> None:
    vector = directory.find(name)
    said = vector["message"]
    found = parse_pki_message(directory.octets(vector)).verify(
        (directory.certificate(said["signer"]),)
    )
    status = found.pki_status
    assert said["message_type"] == found.message_type.value
    assert said["transaction_id"] == found.transaction_id
    assert said["sender_nonce"] == hexadecimal(found.sender_nonce)
    assert said["recipient_nonce"] == hexadecimal(found.recipient_nonce)
    assert said["pki_status"] == (None if status is None else status.value)
    assert said["fail_info"] == found.fail_info
    assert said["fail_info_text"] == found.fail_info_text
    assert said["digest"] == found.digest_algorithm.name
    assert (said["cipher"] is not None) == found.has_envelope
    if found.has_envelope:
        envelope = found.envelope()
        cipher = envelope.content_encryption_algorithm(frozenset(ContentEncryptionAlgorithm))
        assert said["cipher"] == cipher.name
        identity = directory.identity(said["recipient"])
        passwords = directory.passwords(identity.certificate)
        by_password = said["key_encryption"] == RecipientKind.PASSWORD.name
        assert by_password is bool(passwords)
        addressed = envelope.addressee((identity,), passwords)
        assert addressed is (None if by_password else identity)


def hexadecimal(octets: bytes | None) -> str | None:
    return None if octets is None else octets.hex()


def test_all_that_can_be_read_is_described_and_nothing_else() -> None:
    for vector in VECTORS.vectors:
        accepted = vector.expected.rejection is None
        if accepted and vector.content is Content.PKI_MESSAGE:
            assert vector.message is not None, vector.name
    wrong = next(v for v in VECTORS.vectors if v.name == "requests/wrong-trailing-bytes")
    with pytest.raises(UsageError, match="cannot be read"):
        message_of(wrong)


# ------------------------------------------------------------------------------------------ writing


def test_a_directory_in_use_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(UsageError) as caught:
        write_vectors(tmp_path)
    assert caught.value.argument == "directory"
    assert main([str(tmp_path)]) == 1
    assert "not an empty directory" in capsys.readouterr().err
    assert contents(tmp_path) == {"mine": b"mine"}
    with pytest.raises(UsageError):
        write_vectors(tmp_path / "mine")


def test_a_moment_needs_a_time_zone(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="time zone"):
        write_vectors(tmp_path / "new", at=datetime(2026, 1, 1))  # noqa: DTZ001  # refused
    assert not (tmp_path / "new").exists()


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [str(tmp_path / "v"), "--seed", "7", "--at", "2027-03-01T00:00:00+00:00"]
    assert main(arguments) == 0
    assert capsys.readouterr().out.startswith(f"{len(VECTORS.vectors)} messages")
    index = json.loads((tmp_path / "v" / "index.json").read_text())
    assert (index["seed"], index["at"]) == (7, "2027-03-01T00:00:00Z")
    other = build_vectors(seed=7, at=datetime(2027, 3, 1, tzinfo=timezone.utc), provider=provider())
    assert contents(tmp_path / "v") == other.files()
    assert replace(other, seed=0).files() != other.files()
