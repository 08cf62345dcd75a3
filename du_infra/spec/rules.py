"""What a piece of text in fleet.yaml must look like: one rule a kind, with the words that say so."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

RULE_ERROR = "du_rule"


def broken_rule(words: str, meant: str = "") -> PydanticCustomError:
    """The error for a value that breaks a rule of ours: ``words`` completes "the value", ``meant`` is our guess."""
    return PydanticCustomError(RULE_ERROR, "{words}", {"words": words, "meant": meant})


@dataclass(frozen=True)
class Rule:
    """Text that matches ``pattern`` as a whole and is at most ``longest`` characters.

    ``words`` completes "the value must …". ``refine`` looks at text that breaks the rule, or keeps it, and
    returns better words ("" keeps the usual ones, or accepts). ``mend`` guesses what was meant.
    """

    pattern: str
    words: str
    longest: int = 255
    refine: Callable[[str], str] | None = None
    mend: Callable[[str], str] | None = None
    examples: tuple[str, ...] = ()

    def broken(self, text: str) -> str:
        """Why ``text`` is wrong, or "" when it is right."""
        fits = len(text) <= self.longest and re.fullmatch(self.pattern, text) is not None
        refined = self.refine(text) if self.refine else ""
        return refined or ("" if fits else self.words)

    def meant(self, text: str) -> str:
        """What the user probably meant, "" when there is no telling."""
        guess = self.mend(text) if self.mend else ""
        return guess if guess and guess != text and not self.broken(guess) else ""

    def check(self, text: str) -> str:
        """``text`` itself. Raises pydantic's custom error with our words."""
        words = self.broken(text)
        if words:
            raise broken_rule(words, self.meant(text))
        return text

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        schema = dict(handler(core))
        schema |= {"pattern": f"^(?:{self.pattern})$", "maxLength": self.longest}
        return schema | ({"examples": list(self.examples)} if self.examples else {})


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _image_words(text: str) -> str:
    repository, _, digest = text.partition("@")
    if digest:
        return "must not hold a digest (@…): a release finds the digest of the tag by itself"
    _, colon, tag = repository.rpartition(":")
    if colon and "/" not in tag:
        return "must not hold a tag: write it as the key tag"
    return "must not start with https:// or the like" if "://" in text else ""


def _image_without_tag(text: str) -> str:
    repository = text.partition("://")[2] or text
    repository = repository.partition("@")[0]
    head, colon, tag = repository.rpartition(":")
    return (head if colon and "/" not in tag else repository).lower()


def _path_words(text: str) -> str:
    if text.rstrip("/") == "/readyz":
        return "must not be /readyz: there the region answers whether it is ready itself"
    return "must not hold // or a part that is . or .." if re.search(r"//|/\.{1,2}(/|$)", text) else ""


def _network_words(text: str) -> str:
    import ipaddress

    try:
        ipaddress.ip_network(text)
    except ValueError as error:
        return "must be a network: bits behind the prefix are set" if "host bits" in str(error) else _NETWORK
    return ""


def _network_of(text: str) -> str:
    import ipaddress

    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        return ""


def _password_words(text: str) -> str:
    """fleet.yaml is in Git, so no password may stand in it: before the @, or among the options."""
    found = re.match(r"postgresql[^:]*://[^@?]*:[^?]*@|postgresql[^?]*\?(?:.*&)?(?:ssl)?password=", text, re.IGNORECASE)
    return "must hold no password: see the key state_password" if found else ""


_NETWORK = "must be an IPv4 or IPv6 network such as 203.0.113.0/24"
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_IMAGE_PART = r"[a-z0-9]+(?:(?:\.|__|_|-+)[a-z0-9]+)*"

Name: TypeAlias = Annotated[
    str,
    Rule(
        r"[a-z](?:[a-z0-9-]{0,18}[a-z0-9])?",
        "must be 1 to 20 small letters, digits and hyphens, a letter first and no hyphen last",
        longest=20,
        mend=_slug,
    ),
]
Image: TypeAlias = Annotated[
    str,
    Rule(
        rf"(?:[a-z0-9][a-z0-9.-]*(?::[0-9]{{1,5}})?/)?{_IMAGE_PART}(?:/{_IMAGE_PART})*",
        "must be a repository such as registry.local:5000/hello, in small letters",
        refine=_image_words,
        mend=_image_without_tag,
        examples=("registry.local:5000/hello",),
    ),
]
Tag: TypeAlias = Annotated[
    str,
    Rule(
        r"[A-Za-z0-9_][A-Za-z0-9_.-]*",
        "must be a tag: letters, digits, _ . and -, at most 128",
        longest=128,
        examples=("v1",),
    ),
]
ReadyPath: TypeAlias = Annotated[
    str,
    Rule(
        r"/[A-Za-z0-9._~!&+,=:@%/?-]*",
        'must be a path that starts with "/", without spaces or quotes',
        mend=lambda text: "/" + text.strip().lstrip("/"),
    ),
]
RoutePath: TypeAlias = Annotated[
    str,
    Rule(
        r"/[A-Za-z0-9._~!&+,=:@/-]*",
        'must be a path that starts with "/", of letters, digits and ._~!&+,=:@-',
        refine=_path_words,
        mend=lambda text: "/" + text.strip().lstrip("/"),
    ),
]
Host: TypeAlias = Annotated[
    str,
    Rule(
        rf"(?:{_LABEL}\.)*(?![0-9]+$){_LABEL}",
        "must be a DNS name such as www.example.com, in small letters",
        longest=253,
        mend=lambda text: re.sub(r"^\w+://", "", text.lower()).strip("/."),
        examples=("www.example.com",),
    ),
]
EnvName: TypeAlias = Annotated[
    str,
    Rule(
        r"[A-Za-z_][A-Za-z0-9_]*",
        "must be a variable's name: letters, digits and _, no digit first",
        mend=lambda text: re.sub(r"[^A-Za-z0-9_]+", "_", text.strip()),
    ),
]
Plain: TypeAlias = Annotated[str, Rule("[^\x00]*", "must be at most 32768 characters, none of them NUL", longest=32768)]
Cidr: TypeAlias = Annotated[
    str,
    Rule(
        r"[0-9A-Fa-f:.]+(?:/[0-9]{1,3})?",
        _NETWORK,
        refine=_network_words,
        mend=_network_of,
        examples=("203.0.113.0/24",),
    ),
]
StateUrl: TypeAlias = Annotated[
    str,
    Rule(
        r"(?:sqlite:///|postgresql(?:\+psycopg)?://)[^\s\x00]+",
        "must be sqlite:///FILE or postgresql://USER@HOST/DATABASE",
        longest=2000,
        refine=_password_words,
        examples=("sqlite:///.du/state.db",),
    ),
]
