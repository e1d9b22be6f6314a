"""pyscep.limits: every field is a bound that names itself."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from pyscep.errors import DecodeError, LimitExceeded
from pyscep.limits import DEFAULT_LIMITS, Limits

FIELDS = [each.name for each in fields(Limits)]


@pytest.mark.conforms("S-19", "T-29")
@pytest.mark.parametrize("field", FIELDS)
def test_every_field_is_a_bound(field: str) -> None:
    limits = replace(Limits(), **{field: 7})
    limits.check(field, 7, what="There are {}")
    with pytest.raises(
        LimitExceeded, match=rf"There are 8, but Limits\.{field} allows 7;"
    ) as caught:
        limits.check(field, 8, what="There are {}")
    assert (caught.value.limit, caught.value.value) == (field, 8)
    assert isinstance(caught.value, DecodeError)
    assert caught.value.http_status_hint == 413


@pytest.mark.conforms("T-29")
def test_size_of_a_message() -> None:
    limits = Limits(message_size=3)
    limits.check_size(3, what="The CRL")
    with pytest.raises(LimitExceeded, match="The CRL has 4 bytes") as caught:
        limits.check_size(4, what="The CRL")
    assert (caught.value.limit, caught.value.value) == ("message_size", 4)


@pytest.mark.conforms("T-29", "M-20", "S-20")
def test_defaults() -> None:
    assert Limits() == DEFAULT_LIMITS
    assert all(getattr(DEFAULT_LIMITS, field) > 0 for field in FIELDS)
    assert DEFAULT_LIMITS.message_size == 2 * 1024 * 1024
    assert DEFAULT_LIMITS.transaction_id_size == 1024
    assert DEFAULT_LIMITS.rsa_bits_min == 1024
    assert DEFAULT_LIMITS.rsa_bits_max >= 4096
