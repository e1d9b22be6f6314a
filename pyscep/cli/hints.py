"""Which option stands for which argument of the library, for errors that name an argument."""

from __future__ import annotations

_OPTIONS = {
    "allow_legacy": "--allow-legacy, or better --cipher and --digest",
    "anchor_may_be_intermediate": "--fingerprint-of-intermediate",
    "anchors": "--ca FILE",
    "challenge_password": "--challenge-file, --challenge-env or --challenge-prompt",
    "content_encryption_algorithm": "--cipher",
    "digest_algorithm": "--digest",
    "http_method": "--method",
    "ignore_key_usage": "--ignore-ca-key-usage, or --ignore-own-key-usage for the own certificate",
    "key_encryption_algorithm": "--key-encryption",
    "minimum_digest": "--minimum-digest",
    "read_legacy_ciphers": "--read-legacy",
    "request": "--request",
    "scep_standard": "--scep-standard",
    "sha1": "--fingerprint",
    "sha256": "--fingerprint",
    "subject": "--subject",
    "subject_alt_names": "--san",
    "tls_ca": "--tls-ca",
}
"""Arguments that an error may name, also in its text, and what they are here."""


def hint_for(error: BaseException) -> str | None:
    """Return which option an error is about, if it is about one."""
    argument = getattr(error, "argument", None)
    named = [argument] if argument in _OPTIONS else []
    # Some texts name a remedy in the library's words, such as ``anchors=``.
    named += [name for name in _OPTIONS if f"{name}=" in str(error) and name not in named]
    if not named:
        return None
    return f"On the command line: {'; '.join(_OPTIONS[name] for name in named)}."
