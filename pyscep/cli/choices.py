"""Which algorithms a request is sent with: chosen by options, or proposed by the server."""

from __future__ import annotations

import argparse

from pyscep.algorithms import ContentEncryptionAlgorithm, KeyEncryptionAlgorithm
from pyscep.capabilities import (
    Algorithms,
    Capabilities,
    HttpMethod,
    ScepStandardPolicy,
)
from pyscep.cli.connection import DIGESTS
from pyscep.cli.hints import in_options
from pyscep.cli.terminal import Shape, Terminal
from pyscep.errors import DowngradeRefused

# Single DES is not here, as it is never sent.
_CIPHERS = {
    "aes128": ContentEncryptionAlgorithm.AES128_CBC,
    "aes192": ContentEncryptionAlgorithm.AES192_CBC,
    "aes256": ContentEncryptionAlgorithm.AES256_CBC,
    "3des": ContentEncryptionAlgorithm.DES_EDE3_CBC,
}
_KEY_ENCRYPTION = {
    "pkcs1": KeyEncryptionAlgorithm.RSA_PKCS1_V15,
    "oaep-sha1": KeyEncryptionAlgorithm.RSA_OAEP_SHA1,
    "oaep-sha256": KeyEncryptionAlgorithm.RSA_OAEP_SHA256,
    "oaep-sha384": KeyEncryptionAlgorithm.RSA_OAEP_SHA384,
    "oaep-sha512": KeyEncryptionAlgorithm.RSA_OAEP_SHA512,
}
_METHODS = {"get": HttpMethod.GET, "post": HttpMethod.POST}
_POLICIES = {policy.value: policy for policy in ScepStandardPolicy}


def add_algorithm_options(parser: argparse.ArgumentParser) -> None:
    """Add the choice of algorithms."""
    group = parser.add_argument_group(
        "algorithms",
        "What is not chosen is proposed from GetCACaps, but never less than AES-128 and SHA-256.",
    )
    group.add_argument("--cipher", choices=_CIPHERS, help="content cipher of the request")
    group.add_argument(
        "--digest", choices=sorted(DIGESTS), help="hash that the request is signed with"
    )
    group.add_argument(
        "--key-encryption",
        choices=_KEY_ENCRYPTION,
        default="pkcs1",
        help="how the content key is encrypted (default: pkcs1)",
    )
    group.add_argument("--method", choices=_METHODS, help="HTTP method of the request")
    group.add_argument(
        "--allow-legacy",
        action="store_true",
        help="use 3DES and SHA-1 where the server announces nothing better",
    )
    group.add_argument(
        "--scep-standard",
        choices=_POLICIES,
        default="optional",
        help="a server that does not announce SCEPStandard is believed (optional), refused "
        "(require) or taken to have left it out (assume); default: optional",
    )


def is_everything_chosen(arguments: argparse.Namespace) -> bool:
    """Whether nothing is left to be proposed from what the server announces."""
    chosen = (arguments.cipher, arguments.digest, arguments.method)
    return None not in chosen and arguments.scep_standard != ScepStandardPolicy.REQUIRE.value


def select(
    arguments: argparse.Namespace, capabilities: Capabilities, terminal: Terminal
) -> Algorithms:
    """Return what to send with, and say it where that is weak.

    :raises DowngradeRefused: the server announces only less than the options allow.

    Source: RFC 8894 section 7.5; C-18 to C-23.
    """
    chosen = capabilities.select(
        content_encryption_algorithm=_CIPHERS.get(arguments.cipher),
        digest_algorithm=DIGESTS.get(arguments.digest),
        key_encryption_algorithm=_KEY_ENCRYPTION[arguments.key_encryption],
        http_method=_METHODS.get(arguments.method),
        allow_legacy=arguments.allow_legacy,
        scep_standard=_POLICIES[arguments.scep_standard],
    )
    if chosen.downgrades:
        terminal.warn(f"The request is sent with {' and '.join(chosen.downgrades)}, as you allow.")
    return chosen


def propose(capabilities: Capabilities) -> tuple[Algorithms | None, str | None]:
    """Return what a request would be sent with if nothing is chosen, or why none would be sent."""
    try:
        return capabilities.select(), None
    except DowngradeRefused as refused:
        return None, in_options(str(refused))


def algorithms_shape(algorithms: Algorithms) -> Shape:
    """Return the JSON form."""
    return {
        "content_encryption_algorithm": algorithms.content_encryption_algorithm.name,
        "digest_algorithm": algorithms.digest_algorithm.name,
        "key_encryption_algorithm": algorithms.key_encryption_algorithm.name,
        "http_method": algorithms.http_method.value,
    }


def spelled(algorithms: Algorithms) -> str:
    """Return the form for people."""
    return ", ".join(algorithms_shape(algorithms).values())
