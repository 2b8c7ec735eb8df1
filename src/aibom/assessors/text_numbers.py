"""Read amounts out of prose: "15T tokens", "1,5 Billionen Token", "3.8 × 10^25 FLOPs", "1.3M GPU hours"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from functools import cache

from msgspec import Struct

MAX_TEXT = 4000  # characters of one sentence or row that are searched; a longer one is no sentence


class Unit(StrEnum):
    """What an amount counts."""

    TOKENS = "tokens"
    HOURS = "accelerator-hours"
    FLOP = "flop"
    PARAMETERS = "parameters"
    DEVICES = "devices"
    DURATION = "hours"


class Amount(Struct, frozen=True, kw_only=True):
    """An amount with its unit; `start` and `end` are its place in the text, `per` marks a rate or a cost a piece."""

    unit: Unit
    value: float
    start: int
    end: int
    text: str
    active: bool = False
    device: str | None = None


# Words for powers of ten. Short-scale English words and abbreviations, then words that are unambiguous in one other
# language: "Billion" in German, "billion" in French, "billón" in Spanish are 1e12: only their own spellings count.
_SCALES = {
    "k": 1e3, "thousand": 1e3, "m": 1e6, "mn": 1e6, "million": 1e6, "millions": 1e6, "b": 1e9, "bn": 1e9,
    "billion": 1e9, "billions": 1e9, "t": 1e12, "tn": 1e12, "trillion": 1e12, "trillions": 1e12,
    "quadrillion": 1e15, "millionen": 1e6, "mio": 1e6, "milliarde": 1e9, "milliarden": 1e9, "mrd": 1e9,
    "billionen": 1e12, "milliard": 1e9, "milliards": 1e9, "mille milliards": 1e12, "millones": 1e6,
    "mil millones": 1e9, "billones": 1e12, "billón": 1e12, "milhões": 1e6, "bilhão": 1e9, "bilhões": 1e9,
    "trilhão": 1e12, "trilhões": 1e12, "milioni": 1e6, "miliardi": 1e9, "mila miliardi": 1e12, "biliardi": 1e15,
    "万亿": 1e12, "萬億": 1e12, "千亿": 1e11, "百亿": 1e10, "十亿": 1e9, "亿": 1e8, "億": 1e8, "万": 1e4, "萬": 1e4,
    "兆": 1e12, "조": 1e12, "억": 1e8, "만": 1e4,
}  # fmt: skip
_LONG_SCALE_NEIGHBOURS = (
    "milliard",
    "millionen",
    "billionen",
    "billones",
    "millones",
    "bilhões",
    "trilhões",
    "miliardi",
)
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
_PREFIXES = {"tera": 1e12, "peta": 1e15, "exa": 1e18, "zetta": 1e21, "yotta": 1e24,
             "t": 1e12, "p": 1e15, "e": 1e18, "z": 1e21, "y": 1e24}  # fmt: skip
_SCALE = "|".join(sorted((re.escape(word).replace(r"\ ", r"\s") for word in _SCALES), key=len, reverse=True))
_NUMBER = r"""
    (?<![A-Za-z0-9_.,-])
    (?P<number>\d{1,3}(?:[,.'\u2019\u00a0\u202f\u2009 ]\d{3}){1,6}(?!\d)(?:[.,]\d{1,6})?|\d{1,15}(?:[.,]\d{1,9})?)
    (?:\s?(?:[×x*·]|\\times|\\cdot)\s?10\s?(?:\^|\*\*)?\s?\{?(?P<power>[+-]?\d{1,2}|[⁰¹²³⁴⁵⁶⁷⁸⁹]{1,3})\}?
      |[eE]\+?(?P<exponent>\d{1,2}))?
"""
_ACCELERATOR = (
    r"(?:GH200|B200|H200|H800|H100|H20|A800|A100|A40|A10G?|A6000|V100|P100|T4|L40S?|L4|RTX\s?\d{4}|MI\d{3}[AX]?|"
    r"TPU[\s-]?v\d[\w]{0,4}|TPU|Gaudi\s?\d?|Trainium\s?\d?|Ascend[\s-]?910\w?|910[ABC])"
)
_TOKEN_WORD = r"(?:tokens?|token|tokeny|tokenów|jetons|tokeni|トークン|토큰|词元|詞元|个\s?tokens?|個\s?tokens?)"  # noqa: S105 -- a unit, no secret
_SCALED = rf"{_NUMBER}(?:[\s-]?(?P<scale>{_SCALE})(?![A-Za-zÀ-ÿ]))?\s?\+?(?:\s?\((?:\d[\d.]*\s?[TB]|[tb]r?illion)\))?"
_FILLER = (
    r"(?:\s?(?:[-–]|of|de|di|von|multilingual|text|training|pre-?training|high[- ]quality|unique|filtered|total|"
    r"web|diverse|publicly\savailable|carefully|curated|English|code|and|的|个|個)){0,5}"
)
_TOKENS = rf"{_SCALED}{_FILLER}[\s-]?{_TOKEN_WORD}"
_KEYED_TOKENS = (
    r"(?:tokens?(?:\s(?:count|seen|number))?|training\stokens|トークン数|token\s?数|训练数据量)"
    rf"\s?[:|=\uff1a]\s?[~≈>]?\s?{_SCALED}"
)
_HOURS = (
    rf"{_SCALED}\s?(?:total\s|cumulative\s)?(?:(?:NVIDIA|AMD|Nvidia)\s)?(?P<device>{_ACCELERATOR})?[\w-]{{0,12}}\s?-?"
    r"(?:GPU|TPU|chip|accelerator|device)?s?[\s-]?(?:hours|hrs|hour|Stunden|heures|horas|ore|小时|時間|시간)(?![A-Za-zÀ-ÿ])"
)
_KEYED_HOURS = rf"(?:GPU[\s-]hours|hours\sused|training\stime\s\(GPU\shours\)|compute\shours)\W{{0,6}}{_SCALED}"
_FLOP = (
    rf"{_SCALED}\s?(?P<prefix>tera|peta|exa|zetta|yotta|[TPEZY](?=FLOP))?[\s-]?(?P<word>FLOPs?|FLOPS|"
    rf"floating[\s-]?point\soperations)"
    r"(?P<rate>(?:\s?/\s?s(?:ec(?:ond)?)?|\sper\ssecond)?[\s-]days?|\s?/\s?s(?:ec(?:ond)?)?|\sper\ssecond)?"
)
_PARAMETERS = (
    rf"{_SCALED}[\s-]?(?P<kind>total|active|activated|trainable|dense|non-embedding)?\s?"
    r"(?:model\s)?(?:param(?:eter)?s?|Parameter|paramètres|parámetros|parâmetros|parametri|参数|參數|パラメータ|파라미터)"
    r"(?:\s(?P<after>activated|active|in\stotal))?"
)
_KEYED_PARAMETERS = (
    rf"(?P<kind>active|activated|total)?\s?param(?:eter)?s?(?:\s(?:count|number))?(?P<after>\s\(activated\)|"
    rf"\s\(active\))?\s?[:|=\uff1a]\s?{_SCALED}"
)
_TOTAL = rf"{_SCALED}\s?\(?(?P<kind>total)\)?(?![A-Za-z])"
_ACTIVE = rf"{_SCALED}\s?\(?(?P<kind>active|activated)\)?(?![A-Za-z])(?!\susers)"
_DEVICES = (
    rf"(?<![A-Za-z0-9_.,-])(?P<number>\d{{1,3}}(?:,\d{{3}})+|\d{{1,6}})\s?(?:[x×]\s?)?(?:NVIDIA\s|AMD\s|Nvidia\s|Google\s)?"
    rf"(?P<device>{_ACCELERATOR})"
)
_DURATION = (
    r"(?<![A-Za-z0-9_.,-])(?P<number>\d{1,5}(?:\.\d{1,3})?|one|two|three|four|five|six|seven|eight|nine|ten)\s?"
    r"(?P<period>hours?|days?|weeks?|months?|Tagen?|Wochen|jours|semaines|días|semanas|giorni|天)(?![A-Za-zÀ-ÿ])"
)
_HOURS_OF = {"hour": 1, "day": 24, "week": 168, "month": 730, "tag": 24, "woch": 168, "jour": 24, "sema": 168,
             "día": 24, "gior": 24, "天": 24}  # fmt: skip
_UNITS = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_WORDS = {word: float(number) for number, word in enumerate([*_UNITS.split(), "eighteen", "nineteen"], 1)}
_WORDS |= {word: 10.0 * number for number, word in enumerate(_TENS.split(), 2)}
_WRITTEN = re.compile(
    rf"(?<![\w-])({'|'.join(_WORDS)})(?:[\s-]({'|'.join(_UNITS.split()[:9])}))?(?=[\s-](?:[tmb]r?illion)\b)",
    re.IGNORECASE,
)
ACCELERATOR = re.compile(_ACCELERATOR, re.IGNORECASE)
UTILIZATION = re.compile(
    r"(?<![\w.,])(\d{1,2}(?:\.\d{1,2})?)\s?%\s?(?:of\s\w{1,12}\s)?(?:MFU|model FLOPs? utili[sz]ation|utili[sz]ation)",
    re.IGNORECASE,
)


def amounts(text: str) -> Iterator[Amount]:
    """Yield the amounts in a sentence, in no promised order. Text beyond `MAX_TEXT` characters is not read."""
    text = plain(text)[:MAX_TEXT]
    for pattern in (_TOKENS, _KEYED_TOKENS):
        for match in _compiled(pattern).finditer(text):
            yield _amount(match, Unit.TOKENS)
    for match in _compiled(_HOURS).finditer(text):
        hardware = match["device"] or re.search(r"GPU|TPU|chip|accelerator|device", match[0], re.IGNORECASE)
        if hardware:
            yield _amount(match, Unit.HOURS, device=match["device"])
    for match in _compiled(_KEYED_HOURS).finditer(text):
        yield _amount(match, Unit.HOURS)
    for match in _compiled(_FLOP).finditer(text):
        yield from _flop(match)
    for pattern in (_PARAMETERS, _KEYED_PARAMETERS, _ACTIVE, _TOTAL):
        for match in _compiled(pattern).finditer(text):
            groups = match.groupdict()
            kind = f"{groups.get('kind') or ''} {groups.get('after') or ''}".lower()
            yield _amount(match, Unit.PARAMETERS, active="activ" in kind)
    for match in _compiled(_DEVICES).finditer(text):
        yield _amount(match, Unit.DEVICES, device=match["device"])
    for match in _compiled(_DURATION).finditer(text):
        hours = next(factor for stem, factor in _HOURS_OF.items() if match["period"].lower().startswith(stem))
        number = _WORDS.get(match["number"].lower()) or float(match["number"])
        yield Amount(unit=Unit.DURATION, value=number * hours, start=match.start(), end=match.end(), text=match[0])


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """Compile a pattern when a text first needs it: together they take 10 ms, and many targets have no card."""
    return re.compile(pattern, re.VERBOSE | re.IGNORECASE)


def plain(text: str) -> str:
    """Return text without the Markdown, HTML and TeX that stand between a number and its unit, at no other length."""
    text = re.sub(r"<sup>\s?([+-]?\d{1,2})\s?</sup>", r"^\1", text)
    text = re.sub(r"[*_`$]{1,3}(?=\S)|(?<=\S)(?:\*\*|__|`|\$)", "", text) if any(c in text for c in "*_`$") else text
    text = _WRITTEN.sub(lambda match: f"{_WORDS[match[1].lower()] + _WORDS.get((match[2] or '').lower(), 0):g}", text)
    return text.replace("\\(", "").replace("\\)", "").replace("~", "").replace("≈", "")


def number(text: str, scale: str = "") -> float:
    """Return the number that `text` writes, with a point or a comma for decimals and any usual grouping."""
    text = re.sub(r"[\s'\u2019\u00a0\u202f\u2009]", "", text)
    points, commas = text.count("."), text.count(",")
    if points and commas:
        decimal = "." if text.rfind(".") > text.rfind(",") else ","
        text = text.replace("," if decimal == "." else ".", "").replace(",", ".")
    elif commas > 1 or (commas == 1 and len(text) - text.find(",") == 4):
        text = text.replace(",", "")
    elif commas:
        text = text.replace(",", ".")
    elif points > 1 or (points == 1 and len(text) - text.find(".") == 4 and scale.startswith(_LONG_SCALE_NEIGHBOURS)):
        text = text.replace(".", "")
    return float(text)


def _amount(match: re.Match[str], unit: Unit, *, active: bool = False, device: str | None = None) -> Amount:
    groups = match.groupdict()
    scale = re.sub(r"\s", " ", groups.get("scale") or "").lower()
    value = number(match["number"], scale) * _SCALES.get(scale, 1.0)
    if power := groups.get("power") or groups.get("exponent"):
        value *= 10.0 ** int(power.translate(_SUPERSCRIPTS))
    return Amount(unit=unit, value=value, start=match.start(), end=match.end(), text=match[0].strip(), active=active,
                  device=device)  # fmt: skip


def _flop(match: re.Match[str]) -> Iterator[Amount]:
    """Yield an amount of computation; a rate (FLOP/s) is none, unless it is multiplied by days."""
    amount = _amount(match, Unit.FLOP)
    rate = (match["rate"] or "").lower()
    if rate and "day" not in rate:
        return
    factor = _PREFIXES.get((match["prefix"] or "").lower(), 1.0) * (86_400 if "day" in rate else 1)
    yield Amount(unit=Unit.FLOP, value=amount.value * factor, start=amount.start, end=amount.end, text=amount.text)
