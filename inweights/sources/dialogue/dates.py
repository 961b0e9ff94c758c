"""The dates of dialogues in one format: `8 May 2023, 13:56`."""

import re
from datetime import UTC, datetime

MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_NAMES = "|".join(month[:3] for month in MONTHS)
_NAME = rf"(?P<name>{_NAMES})[a-z]*\.?"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_YEAR_FIRST = re.compile(r"\b(?P<year>\d{4})[-/.](?P<month>\d{1,2})[-/.](?P<day>\d{1,2})(?=\D|$)")
_DAY_FIRST = re.compile(rf"\b{_DAY} +(?:of +)?{_NAME},? +(?P<year>\d{{4}})", re.IGNORECASE)
_MONTH_FIRST = re.compile(rf"\b{_NAME} +{_DAY},? +(?P<year>\d{{4}})", re.IGNORECASE)
_TIME = re.compile(r"\b(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::\d{2}(?:\.\d+)?)?\s*(?P<half>[ap]\.?m\b)?", re.IGNORECASE)
_SECONDS, _MILLISECONDS = (10**8, 10**11), (10**11, 10**14)
"""Numbers that are taken as times since 1970: from 1973 to 5138."""


def absolute(given: object) -> str:
    """The date and, where it is given, the time; numbers are seconds since 1970, shown in UTC.

    A text that is not a date, or could be two dates (`03/04/2023`), is kept as it is.
    """
    text = " ".join(str(given if given is not None else "").split())
    return _since_1970(text) or _found(text) or text


def is_date(text: str) -> bool:
    return bool(_found(text))


def day(date: str) -> str:
    """The date without the time, from what `absolute` returned."""
    return date.split(",")[0]


def with_day(date: str, today: str) -> str:
    """A time without a date belongs to the last date before it."""
    return f"{day(today)}, {_clock(date)}" if today and not _found(date) and _TIME.fullmatch(date.strip()) else date


def _since_1970(text: str) -> str:
    if not re.fullmatch(r"\d{9,14}(\.\d+)?", text):
        return ""
    number = float(text)
    if _MILLISECONDS[0] <= number < _MILLISECONDS[1]:
        number /= 1000
    moment = datetime.fromtimestamp(number, UTC) if _SECONDS[0] <= number < _SECONDS[1] else None
    return f"{moment.day} {MONTHS[moment.month - 1]} {moment.year}, {moment:%H:%M}" if moment else ""


def _found(text: str) -> str:
    match = _YEAR_FIRST.search(text) or _DAY_FIRST.search(text) or _MONTH_FIRST.search(text)
    if match is None:
        return ""
    parts = match.groupdict()
    month = int(parts["month"]) if "month" in parts else 1 + _NAMES.lower().split("|").index(parts["name"].lower())
    try:
        datetime(int(parts["year"]), month, int(parts["day"]))
    except ValueError:
        return ""
    clock = _clock(text[: match.start()] + " " + text[match.end() :].removeprefix("T"))
    return f"{int(parts['day'])} {MONTHS[month - 1]} {parts['year']}" + (f", {clock}" if clock else "")


def _clock(text: str) -> str:
    match = _TIME.search(text)
    if match is None:
        return ""
    hour = int(match["hour"])
    if match["half"]:
        hour = hour % 12 + (12 if match["half"][0].lower() == "p" else 0)
    return f"{hour:02}:{match['minute']}"
