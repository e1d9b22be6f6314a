"""The openssl command: it checks what pyscep writes, and pyscep reads what it writes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone

import pytest

from pyscep import asn1
from pyscep.algorithms import (
    ContentEncryptionAlgorithm,
    DigestAlgorithm,
    KeyEncryptionAlgorithm,
    SignatureAlgorithm,
)
from pyscep.certificates import Identity, parse_certificate, parse_certificates
from pyscep.chains import build_chain
from pyscep.cms_enveloped import OtherRecipient, RecipientKind, envelop, parse_enveloped_data
from pyscep.cms_signed import (
    VerifiedSignedData,
    degenerate,
    parse_degenerate,
    parse_signed_data,
    sign_data,
)
from pyscep.crl import parse_crl
from pyscep.errors import (
    DecodeError,
    DecryptionFailed,
    MessageError,
    MissingAttribute,
    SignatureInvalid,
    UnsupportedError,
    WeakAlgorithm,
)
from pyscep.extensions import ExtendedKeyUsage, GeneralName, KeyUsage, microsoft_template_name
from pyscep.names import build_name
from pyscep.pkcs10 import build_csr, parse_csr, self_signed_identity
from tests.helpers import keys
from tests.interop.openssl import OpenSsl

UTC = timezone.utc
NOW = datetime.now(UTC)
YEAR = timedelta(days=365)
PROVIDER = keys.provider()
CONTENT = b"what is inside, \x00 and binary \xff" * 50
DIGESTS = ["sha1", "sha256", "sha512"]
AES128 = ContentEncryptionAlgorithm.AES128_CBC


@pytest.fixture(scope="module")
def openssl(tmp_path_factory: pytest.TempPathFactory, find_tool: Callable[[str], str]) -> OpenSsl:
    """Give the command, with self-signed certificates ``rsa``, ``other`` and ``ec`` made by it."""
    find_tool("openssl")
    command = OpenSsl(tmp_path_factory.mktemp("openssl"))
    kinds = {
        "rsa": ("RSA", "rsa_keygen_bits:2048"),
        "other": ("RSA", "rsa_keygen_bits:2048"),
        "ec": ("EC", "ec_paramgen_curve:P-256"),
    }
    for name, (algorithm, option) in kinds.items():
        key = f"{name}.key"
        command("genpkey", "-algorithm", algorithm, "-pkeyopt", option, "-out", key)
        subject = ("-subj", f"/O=Example/CN={name}")
        command("req", "-x509", "-new", "-key", key, *subject, "-days", 30, "-out", f"{name}.pem")
    return command


@pytest.fixture(params=["rsa", "ec"])
def name(request: pytest.FixtureRequest) -> str:
    """Give the name of a kind of key."""
    value: str = request.param
    return value


# ------------------------------------------------------------------- what pyscep writes: requests


@pytest.mark.conforms("R-01", "R-08", "R-19")
@pytest.mark.parametrize("digest", DIGESTS)
def test_requests_are_verified(openssl: OpenSsl, name: str, digest: str) -> None:
    csr = build_csr(
        subject="CN=sensor-17,O=Example",
        key=openssl.key(name),
        digest_algorithm=DigestAlgorithm[digest.upper()],
    )
    said = openssl.says("req", "-inform", "DER", "-verify", "-noout", "-text", stdin=csr.der)
    assert "erify OK" in said
    algorithms = (f"{digest}WithRSAEncryption", f"ecdsa-with-{digest.upper()}")
    assert any(algorithm in said for algorithm in algorithms)


@pytest.mark.conforms("R-01", "R-09", "H-06", "V-03")
def test_everything_in_a_request_is_understood(openssl: OpenSsl) -> None:
    csr = build_csr(
        subject={"C": "US", "O": "Ex, ample", "CN": "sensor-17"},
        key=openssl.key("rsa"),
        challenge_password="s3cret",
        subject_alt_names=[
            GeneralName.dns("sensor.example"),
            GeneralName.ip("2001:db8::1"),
            GeneralName.email("a@b"),
            GeneralName.uri("urn:x"),
            GeneralName.upn("host/sensor@EXAMPLE"),
            GeneralName.directory_name("CN=x"),
        ],
        key_usage=[KeyUsage.DIGITAL_SIGNATURE, KeyUsage.KEY_ENCIPHERMENT],
        extended_key_usage=[ExtendedKeyUsage.CLIENT_AUTH],
        extra_extensions=[microsoft_template_name("Machine")],
    )
    said = openssl.says("req", "-inform", "DER", "-verify", "-noout", "-text", stdin=csr.der)
    for part in (
        "erify OK",
        "s3cret",
        "DNS:sensor.example",
        "IP Address:2001:DB8:0:0:0:0:0:1",
        "email:a@b",
        "URI:urn:x",
        "host/sensor@EXAMPLE",
        "Digital Signature, Key Encipherment",
        "TLS Web Client Authentication",
    ):
        assert part in said, part


@pytest.mark.conforms("W-06")
def test_a_request_without_subject_or_attributes(openssl: OpenSsl, name: str) -> None:
    csr = build_csr(subject={}, key=openssl.key(name))
    said = openssl.says("req", "-inform", "DER", "-verify", "-noout", "-subject", stdin=csr.der)
    assert "erify OK" in said


@pytest.mark.parametrize(
    "text",
    [
        "sensor-17",
        "a,b+c",
        'quo"te<s>;',
        "#17",
        " leading",
        "trailing ",
        "back\\slash",
        "B\u00fccher",
    ],
)
def test_names_have_the_same_text_form(openssl: OpenSsl, text: str) -> None:
    name = build_name({"O": "Example", "CN": text})
    csr = build_csr(subject=name, key=openssl.key("ec"))
    options = ("-noout", "-subject", "-nameopt", "RFC2253,-esc_msb,utf8")
    said = openssl.says("req", "-inform", "DER", *options, stdin=csr.der)
    theirs = said.rstrip("\n").split("subject=", 1)[1]
    assert theirs == str(name)
    assert build_name(theirs).der == name.der


# --------------------------------------------------------- what pyscep writes: certificates, CRLs


@pytest.mark.conforms("W-01", "W-02", "W-03", "W-04")
@pytest.mark.parametrize("digest", DIGESTS)
def test_the_self_signed_certificate(openssl: OpenSsl, name: str, digest: str) -> None:
    key = openssl.key(name)
    csr = build_csr(subject="CN=sensor-17", key=key)
    identity = self_signed_identity(
        csr,
        key=key,
        not_before=NOW,
        lifetime=YEAR,
        digest_algorithm=DigestAlgorithm[digest.upper()],
    )
    said = openssl.says("x509", "-noout", "-text", stdin=identity.certificate.pem().encode())
    usage = "Digital Signature, Key Encipherment" if name == "rsa" else "Digital Signature\n"
    for part in ("Version: 3", "CN", "sensor-17", "X509v3 Key Usage: critical", usage):
        assert part in said, part
    public_key = openssl("pkey", "-in", f"{name}.key", "-pubout", "-outform", "DER")
    assert public_key == identity.certificate.public_key
    anchor = openssl.write("self.pem", identity.certificate.pem())
    weak = ("-auth_level", "0")  # SHA-1 is what the caller chose
    openssl("verify", *weak, "-CAfile", anchor, "-check_ss_sig", "-partial_chain", anchor)


@pytest.mark.conforms("Q-07")
def test_a_crl_that_is_written_for_tests(openssl: OpenSsl) -> None:
    from pyscep.testing.ephemeral_ca import EphemeralCa

    ca = EphemeralCa.create(now=NOW, key=openssl.key("rsa"))
    revoked = {parse_certificate(openssl.read("ec.pem")).serial_number: NOW}
    anchor = openssl.write("ca.pem", ca.issuer.pem())
    said = openssl.says(
        *("crl", "-inform", "DER", "-CAfile", anchor, "-noout", "-text"),
        stdin=ca.crl(at=NOW, revoked=revoked),
    )
    assert "verify OK" in said
    assert "Revoked Certificates:" in said


# ------------------------------------------------------------------------ what pyscep writes: CMS


def signed(identity: Identity, content: bytes | None, digest: str) -> bytes:
    return sign_data(
        content,
        identity=identity,
        digest_algorithm=DigestAlgorithm[digest.upper()],
        attributes=[(asn1.TRANSACTION_ID, b"\x13\x02id")],
        certificates=[identity.certificate.der],
        provider=PROVIDER,
    )


@pytest.mark.conforms("M-01", "M-09", "M-10", "M-35", "M-36")
@pytest.mark.parametrize("digest", DIGESTS)
def test_signatures_are_verified(openssl: OpenSsl, name: str, digest: str) -> None:
    octets = signed(openssl.identity(name), CONTENT, digest)
    verify = ("cms", "-verify", "-binary", "-inform", "DER", "-CAfile", f"{name}.pem")
    purpose = ("-purpose", "any", "-auth_level", "0")
    assert openssl(*verify, *purpose, stdin=octets) == CONTENT
    changed = octets.replace(b"what is inside", b"what was there", 1)
    with pytest.raises(AssertionError, match=r"(?i)verif|digest"):
        openssl(*verify, *purpose, stdin=changed)


@pytest.mark.conforms("M-03", "M-04")
def test_a_signature_over_no_content_is_verified(openssl: OpenSsl) -> None:
    octets = signed(openssl.identity("rsa"), None, "sha256")
    empty = openssl.write("empty", b"")
    verify = ("cms", "-verify", "-binary", "-inform", "DER", "-noverify", "-content", empty)
    assert openssl(*verify, stdin=octets) == b""


@pytest.mark.conforms("E-01", "E-08", "E-09", "E-10", "E-11", "E-13")
@pytest.mark.parametrize("padding", ["RSA_PKCS1_V15", "RSA_OAEP_SHA1"])
@pytest.mark.parametrize("cipher", ["AES128_CBC", "AES192_CBC", "AES256_CBC", "DES_EDE3_CBC"])
def test_envelopes_are_decrypted(openssl: OpenSsl, cipher: str, padding: str) -> None:
    octets = envelop(
        CONTENT,
        recipient=openssl.identity("rsa").certificate,
        content_encryption_algorithm=ContentEncryptionAlgorithm[cipher],
        key_encryption_algorithm=KeyEncryptionAlgorithm[padding],
        provider=PROVIDER,
    )
    decrypt = ("cms", "-decrypt", "-binary", "-inform", "DER", "-recip", "rsa.pem")
    assert openssl(*decrypt, "-inkey", "rsa.key", stdin=octets) == CONTENT


@pytest.mark.conforms("A-03", "D-01", "D-02", "D-03")
def test_a_degenerate_message_is_read_in_its_order(openssl: OpenSsl) -> None:
    certificates = [openssl.identity(name).certificate for name in ("rsa", "ec", "other")]
    octets = degenerate([certificate.der for certificate in certificates])
    printed = openssl("pkcs7", "-inform", "DER", "-print_certs", stdin=octets)
    assert list(parse_certificates(printed)) == certificates


@pytest.mark.conforms("M-14", "E-10")
def test_everything_is_asn1(openssl: OpenSsl) -> None:
    identity = openssl.identity("rsa")
    for octets in (
        build_csr(subject="CN=a", key=identity.key, challenge_password="s3cret").der,
        signed(identity, CONTENT, "sha256"),
        degenerate([identity.certificate.der]),
        envelop(
            CONTENT,
            recipient=identity.certificate,
            content_encryption_algorithm=AES128,
            provider=PROVIDER,
        ),
    ):
        said = openssl.says("asn1parse", "-inform", "DER", stdin=octets)
        assert "rror" not in said
        assert said.startswith("    0:d=0")
        assert "inf" not in said  # no indefinite length


# ------------------------------------------------------------------- what OpenSSL writes: requests

REQUEST = """
[req]
distinguished_name = dn
attributes = attributes
req_extensions = extensions
string_mask = {mask}
utf8 = yes
prompt = no
[dn]
O = Ex\\, ample
CN = sensor-17
[attributes]
challengePassword = {challenge}
unstructuredName = x
[extensions]
subjectAltName = DNS:host,IP:192.0.2.1,otherName:1.3.6.1.4.1.311.20.2.3;UTF8:u@x,dirName:dn
keyUsage = digitalSignature
"""


@pytest.mark.conforms("R-04", "R-09", "R-10", "H-07")
@pytest.mark.parametrize("mask", ["default", "pkix", "utf8only", "nombstr"])
@pytest.mark.parametrize("digest", DIGESTS)
def test_requests_are_read(openssl: OpenSsl, name: str, mask: str, digest: str) -> None:
    config = openssl.write("req.cnf", REQUEST.format(mask=mask, challenge="s3cret-1"))
    request = ("req", "-new", "-config", config, "-key", f"{name}.key", f"-{digest}")
    csr = parse_csr(openssl(*request))
    csr.verify()
    assert csr.challenge_password == "s3cret-1"
    assert csr.subject == build_name("CN=sensor-17,O=Ex\\, ample")
    assert (
        csr.signature_algorithm
        is SignatureAlgorithm[f"{'RSA' if name == 'rsa' else 'ECDSA'}_{digest.upper()}"]
    )
    assert csr.subject_alt_names == (
        GeneralName.dns("host"),
        GeneralName.ip("192.0.2.1"),
        GeneralName.upn("u@x"),
        GeneralName.directory_name("CN=sensor-17,O=Ex\\, ample"),
    )


@pytest.mark.conforms("H-07", "H-09")
@pytest.mark.parametrize("challenge", ["under_score", "p\u00e4ss", "A" * 255])
def test_challenges_are_read(openssl: OpenSsl, challenge: str) -> None:
    config = openssl.write("req.cnf", REQUEST.format(mask="default", challenge=challenge))
    csr = parse_csr(openssl("req", "-new", "-config", config, "-key", "ec.key"))
    assert csr.challenge_password == challenge


# --------------------------------------------------------- what OpenSSL writes: certificates, CRLs


@pytest.mark.conforms("G-14", "Q-07")
def test_a_ca_with_its_crl(openssl: OpenSsl) -> None:
    """A root, an intermediate, a leaf, and the leaf revoked."""
    ca = openssl.write(
        "ca.cnf",
        "[ca]\ndefault_ca = x\n[x]\ndatabase = index.txt\nserial = serial\nnew_certs_dir = .\n"
        "default_md = sha256\npolicy = any\ndefault_days = 30\ndefault_crl_days = 30\n"
        "[any]\ncommonName = supplied\n"
        "[ca_extensions]\nbasicConstraints = critical,CA:TRUE\nkeyUsage = keyCertSign,cRLSign\n"
        "[leaf_extensions]\nbasicConstraints = CA:FALSE\n",
    )
    openssl.write("index.txt", "")
    openssl.write("serial", "0123456789ABCDEF00\n")

    def issue(subject: str, key: str, signer: str, extensions: str, *more: object) -> None:
        csr = openssl("req", "-new", "-key", key, "-subj", f"/CN={subject}")
        openssl.write("csr.pem", csr)
        openssl(
            *(
                "ca",
                "-batch",
                "-notext",
                "-config",
                ca,
                "-in",
                "csr.pem",
                "-extensions",
                extensions,
            ),
            *("-keyfile", signer, "-out", f"{subject}.pem", *more),
        )

    issue("root", "rsa.key", "rsa.key", "ca_extensions", "-selfsign")
    issue("sub", "ec.key", "rsa.key", "ca_extensions", "-cert", "root.pem")
    issue("leaf", "other.key", "ec.key", "leaf_extensions", "-cert", "sub.pem")
    root, sub, leaf = (
        parse_certificate(openssl.read(f"{which}.pem")) for which in ("root", "sub", "leaf")
    )
    chain = build_chain(leaf, [leaf, root, sub], at=datetime.now(UTC), provider=PROVIDER)
    assert chain.certificates == (leaf, sub, root)
    assert chain.is_complete
    signer = ("-config", ca, "-keyfile", "ec.key", "-cert", "sub.pem")
    openssl("ca", *signer, "-revoke", "leaf.pem", "-crl_reason", "superseded")
    openssl("ca", *signer, "-gencrl", "-out", "crl.pem")
    crl = parse_crl(openssl("crl", "-in", "crl.pem", "-outform", "DER"))
    crl.verify(sub, provider=PROVIDER)
    with pytest.raises(SignatureInvalid):
        # The name is the same, the key is another one.
        crl.signed.verify(root.public_key, provider=PROVIDER)
    assert crl.revocation_date(leaf.serial_number) is not None
    assert crl.revocation_date(sub.serial_number) is None


@pytest.mark.conforms("G-06", "D-04")
def test_a_pkcs7_file(openssl: OpenSsl) -> None:
    names = ("rsa", "ec")
    files = [part for name in names for part in ("-certfile", f"{name}.pem")]
    octets = openssl("crl2pkcs7", "-nocrl", *files, "-outform", "DER")
    expected = tuple(openssl.identity(name).certificate.der for name in names)
    assert parse_degenerate(octets).certificates == expected


# ------------------------------------------------------------------------ what OpenSSL writes: CMS


def verified(openssl: OpenSsl, octets: bytes, name: str) -> VerifiedSignedData:
    signer = openssl.identity(name).certificate
    return parse_signed_data(octets).verify(signer, provider=PROVIDER)


def cms_sign(openssl: OpenSsl, name: str, *options: str) -> bytes:
    signing = ("-binary", "-nodetach", "-outform", "DER", "-signer", f"{name}.pem")
    return openssl("cms", "-sign", *signing, "-inkey", f"{name}.key", *options, stdin=CONTENT)


@pytest.mark.conforms("M-05", "M-06", "M-10", "M-32", "M-35", "M-36")
@pytest.mark.parametrize("digest", [*DIGESTS, "sha224", "sha384"])
@pytest.mark.parametrize("options", [(), ("-stream",), ("-keyid",), ("-nocerts",)])
def test_signed_messages_are_read(
    openssl: OpenSsl, name: str, digest: str, options: tuple[str, ...]
) -> None:
    octets = cms_sign(openssl, name, "-md", digest, *options)
    result = verified(openssl, octets, name)
    assert result.content == CONTENT
    assert result.digest_algorithm is DigestAlgorithm[digest.upper()]
    own = (openssl.identity(name).certificate.der,)
    assert result.certificates == (() if "-nocerts" in options else own)


@pytest.mark.conforms("M-43")
@pytest.mark.parametrize("digest", ["sha256", "sha384", "sha512"])
def test_pss_with_a_salt_as_long_as_the_digest(openssl: OpenSsl, digest: str) -> None:
    pss = ("-keyopt", "rsa_padding_mode:pss", "-keyopt", "rsa_pss_saltlen:-1")
    result = verified(openssl, cms_sign(openssl, "rsa", "-md", digest, *pss), "rsa")
    assert result.signature_algorithm is SignatureAlgorithm[f"RSA_PSS_{digest.upper()}"]


@pytest.mark.conforms("M-43")
def test_pss_with_another_salt(openssl: OpenSsl) -> None:
    pss = ("-keyopt", "rsa_padding_mode:pss", "-keyopt", "rsa_pss_saltlen:20")
    with pytest.raises(UnsupportedError, match="with these parameters"):
        verified(openssl, cms_sign(openssl, "rsa", "-md", "sha256", *pss), "rsa")


@pytest.mark.conforms("M-07", "M-08", "M-36", "S-04")
@pytest.mark.parametrize(
    ("options", "error"),
    [
        (("-noattr",), MissingAttribute),
        (("-signer", "other.pem", "-inkey", "other.key"), MessageError),
        (("-econtent_type", "1.2.840.113549.1.7.3"), MessageError),
        (("-md", "md5"), WeakAlgorithm),
    ],
)
def test_signed_messages_that_scep_does_not_have(
    openssl: OpenSsl, options: tuple[str, ...], error: type[Exception]
) -> None:
    with pytest.raises(error):
        verified(openssl, cms_sign(openssl, "rsa", *options), "rsa")


def cms_encrypt(openssl: OpenSsl, *options: str) -> bytes:
    return openssl("cms", "-encrypt", "-binary", "-outform", "DER", *options, stdin=CONTENT)


@pytest.mark.conforms("E-10", "E-11", "E-13", "E-17", "E-22", "M-05")
@pytest.mark.parametrize("cipher", ["aes128", "aes192", "aes256", "des3"])
@pytest.mark.parametrize("stream", [(), ("-stream",)])
def test_envelopes_are_read(openssl: OpenSsl, cipher: str, stream: tuple[str, ...]) -> None:
    octets = cms_encrypt(openssl, f"-{cipher}", *stream, "-recip", "rsa.pem")
    ciphers = frozenset(ContentEncryptionAlgorithm)
    identity = openssl.identity("rsa")
    parsed = parse_enveloped_data(octets)
    assert parsed.decrypt((identity,), provider=PROVIDER, ciphers=ciphers) == CONTENT
    if cipher == "des3":
        with pytest.raises(WeakAlgorithm):
            parsed.decrypt((identity,), provider=PROVIDER)


@pytest.mark.conforms("E-07", "E-09", "E-18")
@pytest.mark.parametrize(
    "options",
    [
        ("-recip", "other.pem", "-recip", "rsa.pem"),
        ("-keyid", "-recip", "other.pem", "-recip", "rsa.pem"),
        ("-recip", "ec.pem", "-recip", "rsa.pem"),
        ("-recip", "rsa.pem", "-keyopt", "rsa_padding_mode:oaep"),
        (
            *("-recip", "other.pem", "-keyopt", "rsa_padding_mode:oaep"),
            *("-recip", "rsa.pem", "-keyopt", "rsa_padding_mode:oaep"),
        ),
        ("-pwri_password", "s3cret", "-recip", "rsa.pem"),
    ],
)
def test_recipients(openssl: OpenSsl, options: tuple[str, ...]) -> None:
    parsed = parse_enveloped_data(cms_encrypt(openssl, "-aes128", *options))
    assert parsed.decrypt((openssl.identity("rsa"),), provider=PROVIDER) == CONTENT


@pytest.mark.conforms("E-09")
def test_oaep_with_sha256_is_named(openssl: OpenSsl) -> None:
    oaep = ("-keyopt", "rsa_padding_mode:oaep", "-keyopt", "rsa_oaep_md:sha256")
    octets = cms_encrypt(openssl, "-aes128", "-recip", "rsa.pem", *oaep)
    with pytest.raises(UnsupportedError) as caught:
        parse_enveloped_data(octets).decrypt((openssl.identity("rsa"),), provider=PROVIDER)
    assert caught.value.algorithm == "RSA_OAEP_SHA256"


CHALLENGE = "ein geheimes Wört, das keiner errät"


@pytest.mark.conforms("E-04", "E-17", "E-23", "E-24", "E-25")
@pytest.mark.parametrize("cipher", ["aes128", "aes192", "aes256", "des3"])
@pytest.mark.parametrize("stream", [(), ("-stream",)])
@pytest.mark.parametrize("more", [(), ("-recip", "other.pem"), ("-recip", "ec.pem")])
def test_envelopes_under_passwords_are_read(
    openssl: OpenSsl, cipher: str, stream: tuple[str, ...], more: tuple[str, ...]
) -> None:
    octets = cms_encrypt(openssl, f"-{cipher}", *stream, "-pwri_password", CHALLENGE, *more)
    ciphers = frozenset(ContentEncryptionAlgorithm)
    parsed = parse_enveloped_data(octets)
    assert (
        parsed.decrypt(
            (openssl.identity("rsa"),),
            ("another challenge", CHALLENGE),
            provider=PROVIDER,
            ciphers=ciphers,
        )
        == CONTENT
    )
    with pytest.raises(DecryptionFailed):
        parsed.decrypt((), ("another challenge",), provider=PROVIDER, ciphers=ciphers)


@pytest.mark.conforms("E-04", "E-17", "E-23", "E-24", "E-25")
@pytest.mark.parametrize(
    "cipher", [each for each in ContentEncryptionAlgorithm if each.name != "DES_CBC"]
)
def test_envelopes_under_passwords_are_opened(
    openssl: OpenSsl, cipher: ContentEncryptionAlgorithm
) -> None:
    octets = envelop(
        CONTENT,
        recipient=openssl.identity("ec").certificate,
        password=CHALLENGE,
        content_encryption_algorithm=cipher,
        provider=PROVIDER,
    )
    opening = ("cms", "-decrypt", "-binary", "-inform", "DER")
    assert openssl(*opening, "-pwri_password", CHALLENGE, stdin=octets) == CONTENT
    printed = openssl("cms", "-cmsout", "-print", "-inform", "DER", stdin=octets).decode()
    assert "d.pwri:" in printed
    assert "hmacWithSHA256" in printed
    assert "version: 3" in printed


@pytest.mark.conforms("E-28")
@pytest.mark.parametrize(
    ("options", "kind"),
    [
        (("-recip", "ec.pem"), RecipientKind.KEY_AGREEMENT),
        (
            ("-secretkey", "00112233445566778899aabbccddeeff", "-secretkeyid", "01"),
            RecipientKind.KEY_ENCRYPTION_KEY,
        ),
    ],
)
def test_other_kinds_of_recipients(
    openssl: OpenSsl, options: tuple[str, ...], kind: RecipientKind
) -> None:
    parsed = parse_enveloped_data(cms_encrypt(openssl, "-aes128", *options))
    assert parsed.recipients == (OtherRecipient(kind=kind),)
    with pytest.raises(UnsupportedError) as caught:
        parsed.decrypt((openssl.identity("rsa"),), provider=PROVIDER)
    assert caught.value.algorithm == kind.name


@pytest.mark.conforms("E-14")
def test_authenticated_envelopes_are_something_else(openssl: OpenSsl) -> None:
    octets = cms_encrypt(openssl, "-aes-128-gcm", "-recip", "rsa.pem")
    with pytest.raises(DecodeError, match=r"1\.2\.840\.113549\.1\.9\.16\.1\.23 stands where"):
        parse_enveloped_data(octets)


@pytest.mark.conforms("M-05", "M-10", "E-22")
@pytest.mark.parametrize("parse", [parse_signed_data, parse_enveloped_data])
def test_a_whole_message_through_streaming_encoders(
    openssl: OpenSsl, parse: Callable[[bytes], object]
) -> None:
    """An envelope inside a signed message, each in BER."""
    envelope = cms_encrypt(openssl, "-aes128", "-stream", "-recip", "rsa.pem")
    assert envelope[1] == 0x80
    signing = ("-binary", "-nodetach", "-outform", "DER", "-signer", "rsa.pem", "-inkey", "rsa.key")
    message = openssl("cms", "-sign", "-stream", *signing, stdin=envelope)
    assert message[1] == 0x80
    content = verified(openssl, message, "rsa").content
    assert content == envelope
    opened = parse_enveloped_data(content).decrypt((openssl.identity("rsa"),), provider=PROVIDER)
    assert opened == CONTENT
