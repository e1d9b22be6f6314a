"""Which option stands for which argument of the library, for errors that name an argument."""

from __future__ import annotations

import re

_OPTIONS = {
    "allow_legacy": "--allow-legacy",
    "anchor_may_be_intermediate": "--fingerprint-of-intermediate",
    "anchors": "--ca FILE",
    "challenge_password": "--challenge-file, --challenge-env or --challenge-prompt",
    "content_encryption_algorithm": "--cipher",
    "digest_algorithm": "--digest",
    "encrypt_with_challenge": "--encrypt-with-challenge",
    "http_method": "--method",
    "ignore_key_usage": "--ignore-ca-key-usage, or --ignore-own-key-usage for the own certificate",
    "key_encryption_algorithm": "--key-encryption",
    "minimum_digest": "--minimum-digest",
    "ra_may_be_any_end_entity": "--ra-may-be-any-end-entity",
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
_IN_TEXTS = [name for name in _OPTIONS if name not in ("request", "subject")]
"""Those that a text may name; a server's text may well have the others."""

_WITH_VALUE = {"--cipher", "--digest", "--method", "--scep-standard"}
"""Options whose values are called as those of the arguments."""

# ``anchors=``, ``ignore_key_usage=True``, ``ReplyRules(read_legacy_ciphers={…})``.
_ARGUMENT = re.compile(rf"(?:\b[A-Z]\w+\()?\b({'|'.join(_IN_TEXTS)})=(\{{[^}}]*\}}|[\w.]*\w)?\)?")


def in_options(text: str) -> str:
    """Return a text of the library with options in place of arguments."""
    return _ARGUMENT.sub(_option, text)


def _option(found: re.Match[str]) -> str:
    option, value = _OPTIONS[found[1]], found[2]
    if option not in _WITH_VALUE or not value:
        return option
    return f"{option} {value.rpartition('.')[2].lower().removesuffix('_cbc')}"


def hint_for(error: BaseException) -> str | None:
    """Return which option an error is about, if its text does not say so itself."""
    option = _OPTIONS.get(getattr(error, "argument", None) or "")
    if option is None or option in in_options(str(error)):
        return None
    return f"On the command line: {option}."
