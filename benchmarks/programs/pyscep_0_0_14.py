"""The same messages by PyScep 0.0.14, in the environment that ``build.sh`` has made for it.

It has the distribution name of the package in this repository, so this program imports nothing of
ours and has to be run by that environment's Python, isolated (``-I``).

``pyscep_0_0_14.py FOLDER`` reads lines ``TASK COUNT FILE``, does the task that many times, writes
what it made last into *FILE* and prints the seconds. Keys and certificates are loaded once.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[2] / "tests" / "interop"))

from old_pyscep import USAGE, import_client  # type: ignore[import-not-found]

CHALLENGE = "a challenge password"


class Messages:
    """What its ``Client`` does in one operation, without HTTP, GetCACaps and GetCACert."""

    def __init__(self, old: Any, folder: Path) -> None:
        """Load keys and certificates."""
        self.old = old
        self.key = old.PrivateKey.from_pem((folder / "key.pem").read_bytes())
        self.ca, self.self_signed = (
            old.Certificate.from_pem((folder / f"{name}.pem").read_bytes())
            for name in ("ca", "self_signed")
        )
        self.csr = old.SigningRequest.from_der((folder / "csr.der").read_bytes())
        self.reply = (folder / "reply.der").read_bytes()

    def pkcs_req(self) -> bytes:
        """Make CSR, self-signed certificate and message."""
        make = self.old.SigningRequest
        csr, _ = make.generate_csr("sensor-17", USAGE, CHALLENGE, self.key)
        certificate, _ = make.generate_self_signed("sensor-17", USAGE, self.key)
        return self._encode(csr, certificate)

    def message(self) -> bytes:
        """Make another message with the same CSR and certificate."""
        return self._encode(self.csr, self.self_signed)

    def _encode(self, csr: Any, certificate: Any) -> bytes:
        client = self.old.client
        envelope = client.PKCSPKIEnvelopeBuilder().encrypt(csr.to_der(), "aes128")
        transaction_id = client.hex_digest_for_data(data=csr.public_key.to_der(), algorithm="sha1")
        envelope, _, _ = envelope.add_recipient(self.ca).finalize()
        message = (
            client.PKIMessageBuilder()
            .message_type(client.MessageType.PKCSReq)
            .pki_envelope(envelope)
            .add_signer(client.Signer(certificate, self.key, "sha256"))
            .transaction_id(transaction_id)
            .sender_nonce()
            .finalize(digest_algorithm="sha256")
        )
        encoded: bytes = message.dump()
        return encoded

    def read_cert_rep(self) -> bytes:
        """Read a reply; it does not check who issued the certificate, or for which key."""
        client = self.old.client
        reply = client.SCEPMessage.parse(raw=self.reply, signer_cert=self.ca)
        content = reply.get_decrypted_envelope_data(self.self_signed, self.key)
        bag = client.ContentInfo.load(content)["content"]["certificates"]
        certificates = [self.old.Certificate(der_string=each.chosen.dump()) for each in bag]
        encoded: bytes = certificates[0].to_der()
        return encoded


def main() -> int:
    """Take turns until the input ends."""
    messages = Messages(import_client(), Path(sys.argv[1]))
    for line in sys.stdin:
        task, count, path = line.split()
        work = getattr(messages, task)
        made = b""
        begin = time.perf_counter()
        for _ in range(int(count)):
            made = work()
        seconds = time.perf_counter() - begin
        Path(path).write_bytes(made)
        print(f"{seconds:.9f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
