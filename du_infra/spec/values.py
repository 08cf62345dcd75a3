"""Values with a unit: text as the user wrote it, which also knows what it amounts to."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, ClassVar, Self

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from du_infra.spec.rules import Rule

_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}
_MB = {"m": 1, "g": 1024}


class Measure(str):
    """Text that keeps ``rule``; making one from other text raises ValueError."""

    __slots__ = ()
    rule: ClassVar[Rule]

    def __new__(cls, text: str) -> Self:
        words = cls.rule.broken(text)
        if words:
            raise ValueError(words)
        return super().__new__(cls, text)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(
            lambda text: cls(cls.rule.check(text)),
            core_schema.str_schema(strict=True),
            serialization=core_schema.plain_serializer_function_ser_schema(str),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return cls.rule.__get_pydantic_json_schema__(core, handler)


def _unit_mend(usual: str) -> Callable[[str], str]:
    """Reads "10 sec" as "10s", "1 GB" as "1g", and a bare number in the ``usual`` unit."""

    def mend(text: str) -> str:
        found = re.fullmatch(r"\s*([0-9]+)\s*(ms|[smhg]|)[a-z]*\s*", text.lower())
        return f"{found[1]}{found[2] or usual}" if found else ""

    return mend


def _duration_words(text: str) -> str:
    found = re.fullmatch(r"([0-9]{1,9})(ms|s|m|h)", text)
    return "must be at most 1h" if found and int(found[1]) * _MS[found[2]] > _MS["h"] else ""


class Duration(Measure):
    """A length of time such as "500ms", "60s", "2m" or "1h"."""

    __slots__ = ()
    rule = Rule(
        r"[0-9]{1,9}(?:ms|s|m|h)",
        "must be a duration with its unit, such as 500ms, 60s or 2m",
        refine=_duration_words,
        mend=_unit_mend("s"),
        examples=("60s", "2m", "500ms"),
    )

    @property
    def seconds(self) -> float:
        """The duration in seconds."""
        number = self.rstrip("msh")
        return int(number) * _MS[self[len(number) :]] / 1000


class CutAfter(Measure):
    """A length of time, or "never"."""

    __slots__ = ()
    rule = Rule(
        r"[0-9]{1,9}(?:ms|s|m|h)|never",
        "must be a duration with its unit, such as 30s or 2m, or never",
        refine=_duration_words,
        mend=lambda text: "never" if text.strip().lower() in ("never", "none", "off") else _unit_mend("s")(text),
        examples=("30s", "never"),
    )

    @property
    def seconds(self) -> float | None:
        """The duration in seconds; None for never."""
        return None if self == "never" else Duration(self).seconds


def _percent_words(text: str) -> str:
    found = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]{1,2})?)%", text)
    return "must be at most 100%" if found and float(found[1]) > 100 else ""


def _percent_mend(text: str) -> str:
    found = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*(?:%|percent)?\s*", text.lower())
    return f"{found[1]}%" if found else ""


class Percent(Measure):
    """A share: "1%" or "0.5%"."""

    __slots__ = ()
    rule = Rule(
        r"[0-9]{1,3}(?:\.[0-9]{1,2})?%",
        "must be a share with its sign, such as 1% or 0.5%",
        refine=_percent_words,
        mend=_percent_mend,
        examples=("1%", "0.5%"),
    )

    @property
    def points(self) -> float:
        """The share in percent: 1.0 for "1%"."""
        return float(self[:-1])


def _memory_words(text: str) -> str:
    found = re.fullmatch(r"([0-9]{1,9})([mg])", text)
    return "must be at least 8m" if found and int(found[1]) * _MB[found[2]] < 8 else ""


class Memory(Measure):
    """An amount of memory: "256m" (MiB) or "1g" (GiB)."""

    __slots__ = ()
    rule = Rule(
        r"[0-9]{1,9}[mg]",
        "must be an amount with its unit, such as 256m or 1g",
        refine=_memory_words,
        mend=_unit_mend("m"),
        examples=("256m", "1g"),
    )

    @property
    def mb(self) -> int:
        """The amount in MiB."""
        return int(self[:-1]) * _MB[self[-1]]


class Size(Measure):
    """A machine: "1c1g" is one CPU and one GiB of memory."""

    __slots__ = ()
    rule = Rule(
        r"[1-9][0-9]{0,2}c[1-9][0-9]{0,2}g",
        "must be CPUs and memory in GiB such as 1c1g or 2c4g, both from 1 to 999",
        mend=lambda text: re.sub(r"\s|b$", "", text.lower()),
        examples=("1c1g", "2c4g"),
    )

    @property
    def cpus(self) -> int:
        """How many CPUs."""
        return int(self.partition("c")[0])

    @property
    def memory_mb(self) -> int:
        """Memory in MiB."""
        return int(self.partition("c")[2][:-1]) * _MB["g"]
