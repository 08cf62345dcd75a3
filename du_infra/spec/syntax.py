"""YAML's own complaints in plain words: the parser's are about tokens, ours about what to write."""

from __future__ import annotations

import re
from typing import Any

from du_infra.spec.complaints import Complaint

_TAB = "found character '\\t'"
# (part of the parser's message, our words, point at the place where the construct began)
_WORDS: tuple[tuple[str, str, bool], ...] = (
    (_TAB, "a tab: YAML is indented with spaces", False),
    (
        "cannot start any token",
        "a value cannot start with this character: put the value in quotes",
        False,
    ),
    (
        "mapping values are not allowed",
        "a colon is not expected here: check the indentation, the space after each colon, and quotes around values",
        False,
    ),
    ("sequence entries are not allowed", "a list item cannot start here: begin it on its own line", False),
    ("expected ',' or ']'", "this list is not closed: a comma or ] is missing after it", True),
    ("expected ',' or '}'", "this mapping is not closed: a comma or } is missing after it", True),
    ("found unexpected end of stream", "this quotation mark is never closed", True),
    ("found unexpected document separator", "this quotation mark is never closed", True),
    ("could not find expected ':'", "this line has no colon: write 'key: value'", True),
    ("but found '<scalar>'", "text is not expected here: put the whole value in one pair of quotes", False),
    ("expected <block end>", "this line does not fit the lines above: check its indentation", False),
    ("expected the node content", "a value is expected here", False),
    ("unknown escape character", "\\ has a meaning in double quotes: use single quotes, or write \\\\", False),
    ("undefined tag handle", "tags (words with !) are not used in a fleet file: remove it", False),
    ("ing a tag", "tags (words with !) are not used in a fleet file: remove it", False),
    ("ing an tag", "tags (words with !) are not used in a fleet file: remove it", False),
    ("scanning a block scalar", "after | or > stands nothing, - or +, and a digit from 1 to 9 at most", False),
    ("escape sequence of", "\\ and a letter need more digits here: use single quotes, or write \\\\", False),
    ("<document start>", "the file's mapping ended before this: check the indentation", False),
    ("mapping keys are not allowed", "a question mark is not expected here: put the value in quotes", False),
    ("scanning an anchor", "an anchor (&) needs a name of letters and digits", False),
    ("scanning an alias", "an alias (*) needs a name of letters and digits: put the value in quotes", False),
    ("incompatible YAML document", "this YAML version is not known: remove the %YAML line", False),
    ("directive", "lines that start with % have no place in a fleet file: remove it", False),
)


def syntax_complaint(error: Exception, at: int) -> Complaint:
    """Our words for a parser's exception; ``at`` is the last place the parser had reached."""
    said = " ".join(str(getattr(error, name, None) or "") for name in ("problem", "context")).strip()
    here = _index(getattr(error, "problem_mark", None), at)
    began = _index(getattr(error, "context_mark", None), here)
    for part, words, at_start in _WORDS:
        if part in said:
            return Complaint(f"not YAML: {words}", at=began if at_start else here)
    # A parser that fails in a way of its own (an escape beyond Unicode, say) still names no cause: we name the place.
    reason = re.sub(r"\s+", " ", said) or "it cannot be understood from here on"
    return Complaint(f"not YAML: {reason}", at=here)


def _index(mark: Any, otherwise: int) -> int:
    index = getattr(mark, "index", None)
    return index if isinstance(index, int) else otherwise
