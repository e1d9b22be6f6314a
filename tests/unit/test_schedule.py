"""pyscep.schedule: when to renew, when to poll, when to give up."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime, timedelta, timezone, tzinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyscep.errors import UsageError
from pyscep.schedule import APPLE_POLLS, PollSchedule, is_expired, renew_at, renewal_is_due

UTC = timezone.utc
SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
BEGIN = datetime(2025, 1, 1, tzinfo=UTC)
END = datetime(2025, 12, 31, tzinfo=UTC)
FIRST = datetime.min.replace(tzinfo=UTC)
LAST = datetime.max.replace(tzinfo=UTC)


class SummerTime(tzinfo):
    """A zone whose summer lasts from April to September."""

    def utcoffset(self, moment: datetime | None) -> timedelta:
        assert moment is not None
        return timedelta(hours=2 if 4 <= moment.month <= 9 else 1)

    def dst(self, moment: datetime | None) -> timedelta:
        return self.utcoffset(moment) - timedelta(hours=1)

    def tzname(self, moment: datetime | None) -> str:
        return "summer time"


class NoZone(tzinfo):
    """Says that it does not know, which makes a datetime naive."""

    def utcoffset(self, moment: datetime | None) -> None:
        return None

    dst = utcoffset

    def tzname(self, moment: datetime | None) -> str:
        return "nowhere"


# ---------------------------------------------------------------------------------------- renewal


@pytest.mark.conforms("W-13")
def test_half_of_a_year_is_the_end_of_june() -> None:
    due = renew_at(BEGIN, END)
    assert due == datetime(2025, 7, 2, tzinfo=UTC)
    assert due == renew_at(BEGIN, END, fraction=0.5)
    # Both days counted in full, as the form shows them.
    assert renew_at(BEGIN, END + DAY - SECOND).date().isoformat() == "2025-07-02"


@pytest.mark.parametrize(
    ("begin", "end", "fraction", "due"),
    [
        (BEGIN, END, 0, BEGIN),
        (BEGIN, END, 1, END),
        (BEGIN, END, 0.75, datetime(2025, 10, 1, tzinfo=UTC)),
        # A leap year has its half twelve hours earlier in the calendar.
        (datetime(2024, 1, 1, tzinfo=UTC), BEGIN, 0.5, datetime(2024, 7, 2, tzinfo=UTC)),
        (BEGIN, datetime(2026, 1, 1, tzinfo=UTC), 0.5, datetime(2025, 7, 2, 12, tzinfo=UTC)),
        (BEGIN, BEGIN, 0.5, BEGIN),
        (FIRST, LAST, 0, FIRST),
        (FIRST, LAST, 1, LAST),
    ],
)
def test_fraction_of_the_life(
    begin: datetime, end: datetime, fraction: float, due: datetime
) -> None:
    assert renew_at(begin, end, fraction=fraction) == due


@pytest.mark.parametrize(
    ("days", "due"),
    [
        (30, datetime(2025, 12, 1, tzinfo=UTC)),
        (0, END),
        (0.5, END - DAY / 2),
        (364, BEGIN),
        (365, BEGIN),
        (10**30, BEGIN),
        (math.inf, BEGIN),
    ],
)
def test_days_before_expiry(days: float, due: datetime) -> None:
    assert renew_at(BEGIN, END, days_before_expiry=days) == due


def test_summer_time_does_not_matter() -> None:
    zone = SummerTime()
    begin, end = datetime(2025, 3, 31, tzinfo=zone), datetime(2025, 4, 2, tzinfo=zone)
    due = renew_at(begin, end)
    # 47 hours and not 48 lie between the two.
    assert due == datetime(2025, 3, 31, 22, 30, tzinfo=UTC)
    assert due.tzinfo is UTC
    assert due - begin.astimezone(UTC) == timedelta(hours=23, minutes=30)


@given(
    st.datetimes(timezones=st.just(UTC)),
    st.timedeltas(timedelta(0), 3650 * DAY),
    st.floats(0, 1),
    st.floats(0, allow_nan=False),
)
def test_within_the_life(begin: datetime, life: timedelta, share: float, days: float) -> None:
    end = min(begin, datetime(9000, 1, 1, tzinfo=UTC)) + life
    begin = end - life
    assert begin <= renew_at(begin, end, fraction=share) <= end
    assert begin <= renew_at(begin, end, days_before_expiry=days) <= end


@pytest.mark.conforms("W-13", "W-16")
def test_renewal_is_due_until_the_end() -> None:
    due = renew_at(BEGIN, END)
    for at, expected in ((BEGIN, False), (due - SECOND, False), (due, True), (END, True)):
        assert renewal_is_due(BEGIN, END, at=at) is expected
        assert not is_expired(END, at=at)
    assert is_expired(END, at=END + SECOND)
    assert not renewal_is_due(BEGIN, END, at=END + SECOND)
    assert not renewal_is_due(BEGIN, END, at=END - 31 * DAY, days_before_expiry=30)
    assert renewal_is_due(BEGIN, END, at=END - 30 * DAY, days_before_expiry=30)
    assert renewal_is_due(BEGIN, END, at=BEGIN, fraction=0)


@pytest.mark.parametrize("fraction", [-0.01, 1.01, math.nan, math.inf])
def test_impossible_fraction(fraction: float) -> None:
    with pytest.raises(UsageError, match="number between 0 and 1") as caught:
        renew_at(BEGIN, END, fraction=fraction)
    assert caught.value.argument == "fraction"


@pytest.mark.parametrize("days", [-1, -0.5, math.nan, -math.inf])
def test_impossible_days(days: float) -> None:
    with pytest.raises(UsageError, match="give 0 or more") as caught:
        renew_at(BEGIN, END, days_before_expiry=days)
    assert caught.value.argument == "days_before_expiry"


def test_both_ways_at_once() -> None:
    with pytest.raises(UsageError, match="give one of fraction and days_before_expiry"):
        renew_at(BEGIN, END, fraction=0.5, days_before_expiry=30)


def test_end_before_beginning() -> None:
    with pytest.raises(UsageError, match="exchange the two") as caught:
        renew_at(END, BEGIN)
    assert caught.value.argument == "not_after"


@pytest.mark.parametrize("zone", [None, NoZone()])
def test_dates_need_a_zone(zone: tzinfo | None) -> None:
    naive = BEGIN.replace(tzinfo=zone)
    calls: dict[str, Callable[[], object]] = {
        "not_before": lambda: renew_at(naive, END),
        "not_after": lambda: renew_at(BEGIN, naive),
        "at": lambda: renewal_is_due(BEGIN, END, at=naive),
        "started": lambda: PollSchedule().next_poll(started=naive, polls_done=0),
        "last_poll": lambda: PollSchedule().next_poll(started=BEGIN, polls_done=1, last_poll=naive),
        "now": lambda: PollSchedule().next_poll(started=BEGIN, polls_done=0, now=naive),
    }
    for argument, call in calls.items():
        with pytest.raises(UsageError, match=f"^{argument} has no time zone") as caught:
            call()
        assert caught.value.argument == argument


def test_end_of_the_calendar() -> None:
    last = datetime.max.replace(tzinfo=timezone(timedelta(hours=-1)))
    with pytest.raises(UsageError, match="beyond the calendar") as caught:
        is_expired(last, at=BEGIN)
    assert caught.value.argument == "not_after"


# ---------------------------------------------------------------------------------------- polling


def polls(schedule: PollSchedule, *, at_most: int = 10) -> list[float]:
    """Return after how many seconds the polls of *schedule* are."""
    found: list[float] = []
    for done in range(at_most):
        due = schedule.next_poll(started=BEGIN, polls_done=done)
        if due is None:
            break
        found.append((due - BEGIN).total_seconds())
    return found


@pytest.mark.conforms("P-09", "X-02")
def test_apple() -> None:
    assert PollSchedule() == APPLE_POLLS
    assert polls(APPLE_POLLS) == [0, 10, 20]
    assert APPLE_POLLS.next_poll(started=BEGIN, polls_done=3) is None


@pytest.mark.conforms("P-09", "X-02")
@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (PollSchedule(max_count=0), []),
        (PollSchedule(first_delay=5 * SECOND), [5, 15, 25]),
        (PollSchedule(interval=SECOND, max_count=None, max_time=3 * SECOND), [0, 1, 2, 3]),
        (PollSchedule(first_delay=5 * SECOND, max_time=4 * SECOND), []),
        (PollSchedule(interval=SECOND, max_count=2, max_time=9 * SECOND), [0, 1]),
        (PollSchedule(interval=timedelta(0)), [0, 0, 0]),
        (PollSchedule(interval=DAY, max_count=None), [86_400 * day for day in range(10)]),
        (PollSchedule(max_time=timedelta(0)), [0]),
    ],
)
def test_polls(schedule: PollSchedule, expected: list[float]) -> None:
    assert polls(schedule) == expected


@pytest.mark.conforms("P-09")
def test_interval_counts_from_the_last_poll() -> None:
    schedule = PollSchedule(max_count=9, max_time=DAY)
    late = BEGIN + timedelta(hours=1)
    due = schedule.next_poll(started=BEGIN, polls_done=2, last_poll=late)
    assert due == late + 10 * SECOND
    # Nothing has been polled yet, so there is nothing to count from.
    assert schedule.next_poll(started=BEGIN, polls_done=0, last_poll=late) == BEGIN
    assert schedule.next_poll(started=BEGIN, polls_done=2, last_poll=BEGIN + DAY) is None


@pytest.mark.conforms("P-09", "X-02")
def test_present() -> None:
    schedule = PollSchedule(max_count=9, max_time=DAY)
    late = BEGIN + timedelta(hours=1)
    assert schedule.next_poll(started=BEGIN, polls_done=2, now=late) == late
    assert schedule.next_poll(started=BEGIN, polls_done=2, now=BEGIN) == BEGIN + 20 * SECOND
    assert schedule.next_poll(started=BEGIN, polls_done=2, now=BEGIN + DAY) == BEGIN + DAY
    assert schedule.next_poll(started=BEGIN, polls_done=2, now=BEGIN + DAY + SECOND) is None


@pytest.mark.conforms("X-02")
def test_the_calendar_ends() -> None:
    endless = PollSchedule(interval=10**6 * DAY, max_count=None)
    assert polls(endless) == [0, 10**6 * 86_400, 2 * 10**6 * 86_400]
    assert endless.next_poll(started=BEGIN, polls_done=10**9) is None


@pytest.mark.parametrize(
    ("arguments", "argument", "text"),
    [
        ({"first_delay": -SECOND}, "first_delay", "first_delay cannot be negative"),
        ({"interval": -SECOND}, "interval", "interval cannot be negative"),
        ({"max_time": -SECOND}, "max_time", "max_time cannot be negative"),
        ({"max_count": -1}, "max_count", "max_count cannot be -1"),
        ({"max_count": None, "interval": timedelta(0)}, "interval", "for ever without a pause"),
    ],
)
def test_impossible_schedule(arguments: dict[str, object], argument: str, text: str) -> None:
    with pytest.raises(UsageError, match=text) as caught:
        PollSchedule(**arguments)  # type: ignore[arg-type]
    assert caught.value.argument == argument


def test_negative_number_of_polls() -> None:
    with pytest.raises(UsageError, match="count from 0") as caught:
        PollSchedule().next_poll(started=BEGIN, polls_done=-1)
    assert caught.value.argument == "polls_done"
