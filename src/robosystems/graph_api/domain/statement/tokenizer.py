"""Lexer for the engine's dialect of Cypher.

A policy that reads a text differently from the engine is no policy. So the rules here are the engine's own, and tests
hold them against the engine, the odd ones included:

* In a block comment a star takes the next character with it, unless that is the closing `/`: `/***/` closes nothing.
* A line comment ends in a line feed (or with the text); a lone carriage return makes it no comment at all.
* Keywords need no space around them: `n.x=1DELETE n` holds the clause `DELETE`.
* Only some backslash escapes exist, and a doubled quote is no escape.
* Names may hold `$` after their first character; inside backticks, two of them stand for one.

Where the engine's reading cannot be followed safely (an unterminated string, an unknown escape), the rest of the text
is one `ERROR` token: the engine refuses such a text, and so must its caller. Any other character outside ASCII counts
as part of a word: the engine either agrees or refuses the text as a whole.
"""

import re
from enum import IntEnum
from typing import Final, NamedTuple


class TokenKind(IntEnum):
    """What a token is."""

    SPACE = 1
    """White space and comments, as one token."""
    WORD = 2
    """A name or keyword without quotes."""
    SYMBOL = 3
    """An operator or other punctuation."""
    STRING = 4
    """A string literal with its quotes."""
    NUMBER = 5
    """A number without its sign."""
    PARAMETER = 6
    """`$` and the name of a parameter."""
    QUOTED = 7
    """A name in backticks."""
    ERROR = 8
    """What the engine would refuse: one unknown character, or all the rest of the text."""


class Token(NamedTuple):
    """A piece of a text."""

    kind: TokenKind
    text: str


_BLANK: Final = r"\t-\r\x1c-\x20\xa0\u1680\u180e\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_DASHES: Final = r"\xad\u2010-\u2015\u2212\ufe58\ufe63\uff0d"
_ARROWHEADS: Final = r"\u27e8\u27e9\u3008\u3009\ufe64\ufe65\uff1c\uff1e"
_FOREIGN: Final = rf"[^\x00-\x7f{_BLANK}{_DASHES}{_ARROWHEADS}]"

# Half of a surrogate pair, or a code point beyond Unicode, would make a string that nobody can read again.
_ESCAPE: Final = (
    r"\\(?:[\\'\"bBfFnNrRtT]|[xX][0-9A-Fa-f]{2}|u(?![dD][89A-Fa-f])[0-9A-Fa-f]{4}"
    r"|U(?!0000[dD][89A-Fa-f])(?:000[0-9A-Fa-f]|0010)[0-9A-Fa-f]{4})"
)

# Every repetition is possessive and no two alternatives of one begin alike, so that scanning is linear.
_COMMENT: Final = r"/\*(?:[^*]++|\*[^/])*+\*/|//[^\n\r]*+(?:\r?\n|\r?\Z)"
_SPACE: Final = rf"(?:[{_BLANK}]++|{_COMMENT})++"
_WORD: Final = rf"(?:[A-Za-z_]|{_FOREIGN})(?:[A-Za-z0-9_$]|{_FOREIGN})*+"
_SYMBOL: Final = rf"\.\.|\.(?![0-9])|<[>=<]?|>[=>]?|!=?|=~?|[(),:;\[\]{{}}|&+*%^-]|/(?![/*])|[{_DASHES}{_ARROWHEADS}]"
_STRING: Final = rf"'(?:[^'\\]++|{_ESCAPE})*+'|\"(?:[^\"\\]++|{_ESCAPE})*+\""
_NUMBER: Final = r"(?:[0-9]++(?:\.[0-9]++)?+|\.[0-9]++)(?:[eE]-?[0-9]++)?+"
_QUOTED: Final = r"(?:`[^`]*+`)++"
_PARAMETER: Final = rf"\$(?:{_WORD}|[0-9]++|{_QUOTED})"

_TOKEN: Final = re.compile(
    rf"({_SPACE})|({_WORD})|({_SYMBOL})|({_STRING})|({_NUMBER})|({_PARAMETER})|({_QUOTED})|((?:['\"`]|/[/*]).*+|.)",
    re.DOTALL,
)
_LEADING: Final = re.compile(rf"(?:{_SPACE})?+")
_SIGNIFICANT: Final = re.compile(
    rf"({_WORD}|{_SYMBOL}|{_STRING}|{_NUMBER}|{_PARAMETER}|{_QUOTED})(?:{_SPACE})?+|.++", re.DOTALL
)
_KINDS: Final = (TokenKind.ERROR, *TokenKind)


def tokenize(text: str) -> list[Token]:
    """Cut a text into tokens, in linear time.

    This never fails: what the engine would refuse becomes `ERROR` tokens. Joined, the tokens are the text.
    """
    return [Token(_KINDS[match.lastindex or 0], match.group()) for match in _TOKEN.finditer(text)]


def significant(text: str) -> list[str]:
    """Cut a text into the texts of its tokens without `SPACE`: the quick form, for classification.

    At the first error the list ends with an empty string.
    """
    leading = _LEADING.match(text)
    return _SIGNIFICANT.findall(text, leading.end() if leading else 0)
