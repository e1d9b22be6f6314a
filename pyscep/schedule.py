"""When to renew and when to poll: arithmetic with dates, without a clock.

Whoever asks says what time it is, and does the waiting. Dates need a time zone; results are in UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from pyscep.errors import UsageError

_NOTHING = timedelta(0)
_DAY = timedelta(days=1)


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
    :raises UsageError: both are given, one is out of range, or the dates have no time zone or are
        in the wrong order.

    Source: RFC 8894 section 2.5; W-13.
    """
    begin, end = _utc(not_before, "not_before"), _utc(not_after, "not_after")
    if end < begin:
        raise UsageError(
            f"The end of the validity, {end}, is before its beginning, {begin}; exchange the two.",
            argument="not_after",
        )
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
        # Compared as numbers first: more days than the calendar has are no error either.
        if days_before_expiry >= (end - begin) / _DAY:
            return begin
        return max(begin, end - _DAY * days_before_expiry)
    share = 0.5 if fraction is None else fraction
    if not 0 <= share <= 1:
        raise UsageError(
            f"{share} is not a fraction of a life; give a number between 0 and 1.",
            argument="fraction",
        )
    return begin + (end - begin) * share


def renewal_is_due(
    not_before: datetime,
    not_after: datetime,
    *,
    at: datetime,
    fraction: float | None = None,
    days_before_expiry: float | None = None,
) -> bool:
    """Whether a certificate should be renewed now; see :func:`is_expired` for when it is too late.

    :param at: the present, with a time zone.
    :raises UsageError: see :func:`renew_at`.

    Source: RFC 8894 section 2.5; W-13, W-16.
    """
    due = renew_at(not_before, not_after, fraction=fraction, days_before_expiry=days_before_expiry)
    return due <= _utc(at, "at") and not is_expired(not_after, at=at)


def is_expired(not_after: datetime, *, at: datetime) -> bool:
    """Whether a certificate has ended, so that only a fresh enrolment helps.

    :param at: the present, with a time zone.
    :raises UsageError: a date has no time zone.

    Source: RFC 5280 section 4.1.2.5; W-16.
    """
    return _utc(at, "at") > _utc(not_after, "not_after")


@dataclass(frozen=True, slots=True, kw_only=True)
class PollSchedule:
    """When to ask again about a pending request, and when to give up.

    The defaults are Apple's: three polls, the first at once, then every ten seconds.

    :raises UsageError: a negative delay or count, or one that polls for ever without a pause.

    Source: RFC 8894 sections 2.5 and 4.4; P-09.
    """

    first_delay: timedelta = _NOTHING
    """Between the PENDING and the first poll."""
    interval: timedelta = timedelta(seconds=10)
    """Between two polls."""
    max_count: int | None = 3
    """How many polls; ``None`` for no limit."""
    max_time: timedelta | None = None
    """How long after the start the last poll may be; ``None`` for no limit."""

    def __post_init__(self) -> None:
        for name in ("first_delay", "interval", "max_time"):
            delay = getattr(self, name)
            if delay is not None and delay < _NOTHING:
                raise UsageError(
                    f"{name} cannot be negative, such as {delay}; use timedelta(0) or more.",
                    argument=name,
                )
        if self.max_count is None and not self.interval:
            raise UsageError(
                "This would poll for ever without a pause; give an interval or a max_count.",
                argument="interval",
            )
        if self.max_count is not None and self.max_count < 0:
            raise UsageError(
                f"max_count cannot be {self.max_count}; use 0 or more.", argument="max_count"
            )

    def next_poll(
        self,
        *,
        started: datetime,
        polls_done: int,
        last_poll: datetime | None = None,
        now: datetime | None = None,
    ) -> datetime | None:
        """Return when the next poll is due; ``None`` to give up.

        :param started: when the request became pending, with a time zone.
        :param polls_done: how many polls there have been.
        :param last_poll: when the last one ended; the interval is counted from there, so that no
            polls are made up for after a slow one or a break. Without it all are counted from
            *started*.
        :param now: the present: nothing is due earlier, and *max_time* may be over by now.
        :raises UsageError: no time zone, or a negative number.

        Source: P-09, X-02.
        """
        begin = _utc(started, "started")
        if polls_done < 0:
            raise UsageError(
                f"polls_done cannot be {polls_done}; count from 0.", argument="polls_done"
            )
        if self.max_count is not None and polls_done >= self.max_count:
            return None
        try:
            if last_poll is not None and polls_done:
                due = _utc(last_poll, "last_poll") + self.interval
            else:
                due = begin + self.first_delay + self.interval * polls_done
        except OverflowError:
            return None  # the calendar ends before
        if now is not None:
            due = max(due, _utc(now, "now"))
        if self.max_time is not None and due - begin > self.max_time:
            return None
        return due


APPLE_POLLS = PollSchedule()
"""What Apple's clients do: three polls, the first at once, then every ten seconds (P-09)."""


def _utc(moment: datetime, argument: str) -> datetime:
    # Python subtracts two dates of the same zone by the clock on the wall, summer time or not.
    if moment.utcoffset() is None:
        raise UsageError(
            f"{argument} has no time zone; use datetime(…, tzinfo=timezone.utc).",
            argument=argument,
        )
    try:
        return moment.astimezone(timezone.utc)
    except OverflowError:
        raise UsageError(
            f"{argument} is beyond the calendar in UTC; use a date a day further from its end.",
            argument=argument,
        ) from None
