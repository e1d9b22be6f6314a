"""When to renew and when to poll: arithmetic with dates, without a clock.

Whoever asks says what time it is, and does the waiting.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from pyscep.errors import UsageError


def renew_at(
    not_before: datetime,
    not_after: datetime,
    *,
    fraction: float | None = None,
    days_before_expiry: float | None = None,
) -> datetime:
    """Return the moment from which a certificate should be renewed.

    :param fraction: of the period of validity, between 0 and 1; half of it if nothing is given.
    :param days_before_expiry: instead, that many days before *not_after*; with a certificate that
        lives shorter, at once.
    :raises UsageError: both are given, one is out of range, or a date has no time zone.

    Source: RFC 8894 section 2.5; W-13.
    """
    _require_zone(not_before, "not_before")
    _require_zone(not_after, "not_after")
    if fraction is not None and days_before_expiry is not None:
        raise UsageError(
            "Renewal is either at a fraction of the life or some days before its end; give one of "
            "fraction and days_before_expiry.",
            argument="fraction",
        )
    if days_before_expiry is not None:
        if not days_before_expiry >= 0:
            raise UsageError(
                f"{days_before_expiry} days before expiry is not possible; give 0 or more.",
                argument="days_before_expiry",
            )
        return max(not_before, not_after - timedelta(days=days_before_expiry))
    share = 0.5 if fraction is None else fraction
    if not 0 <= share <= 1:
        raise UsageError(
            f"{share} is not a fraction of a life; give a number between 0 and 1.",
            argument="fraction",
        )
    return not_before + (not_after - not_before) * share


def renewal_is_due(
    not_before: datetime,
    not_after: datetime,
    *,
    at: datetime,
    fraction: float | None = None,
    days_before_expiry: float | None = None,
) -> bool:
    """Whether a certificate should be renewed now; after its end a fresh enrolment is needed.

    :param at: the present, with a time zone.
    :raises UsageError: see :func:`renew_at`.

    Source: RFC 8894 section 2.5; W-13, W-16.
    """
    _require_zone(at, "at")
    due = renew_at(not_before, not_after, fraction=fraction, days_before_expiry=days_before_expiry)
    return due <= at <= not_after


@dataclass(frozen=True, slots=True, kw_only=True)
class PollSchedule:
    """When to ask again about a pending request, and when to give up.

    The defaults are Apple's: three polls, the first at once, then every ten seconds.

    :raises UsageError: a negative delay or count.

    Source: RFC 8894 sections 2.5 and 4.4; P-09.
    """

    first_delay: timedelta = timedelta(0)
    """Between the PENDING and the first poll."""
    interval: timedelta = timedelta(seconds=10)
    """Between two polls."""
    max_count: int | None = 3
    """How many polls; ``None`` for no limit."""
    max_time: timedelta | None = None
    """How long after the start the last poll may be; ``None`` for no limit."""

    def __post_init__(self) -> None:
        delays = (self.first_delay, self.interval, self.max_time or timedelta(0))
        if min(delays) < timedelta(0) or (self.max_count or 0) < 0:
            raise UsageError(
                "A schedule has no negative delays or counts.", argument="PollSchedule"
            )

    def next_poll(self, *, started: datetime, polls_done: int) -> datetime | None:
        """Return when the next poll is due; ``None`` to give up.

        :param started: when the request became pending, with a time zone.
        :param polls_done: how many polls there have been.
        :raises UsageError: no time zone, or a negative number.

        Source: P-09, X-02.
        """
        _require_zone(started, "started")
        if polls_done < 0:
            raise UsageError("The number of polls cannot be negative.", argument="polls_done")
        if self.max_count is not None and polls_done >= self.max_count:
            return None
        delay = self.first_delay + self.interval * polls_done
        if self.max_time is not None and delay > self.max_time:
            return None
        return started + delay


def _require_zone(moment: datetime, argument: str) -> None:
    if moment.tzinfo is None:
        raise UsageError(
            f"{argument} has no time zone; use datetime(…, tzinfo=timezone.utc).",
            argument=argument,
        )
