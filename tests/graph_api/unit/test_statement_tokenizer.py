"""The tokenizer reads texts as the engine does, loses nothing, and stays linear."""

import pytest

from robosystems.graph_api.domain.statement import Token, TokenKind, tokenize
from robosystems.graph_api.domain.statement.tokenizer import significant

SPACE, WORD, SYMBOL, STRING = TokenKind.SPACE, TokenKind.WORD, TokenKind.SYMBOL, TokenKind.STRING
NUMBER, PARAMETER, QUOTED, ERROR = TokenKind.NUMBER, TokenKind.PARAMETER, TokenKind.QUOTED, TokenKind.ERROR


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("", []),
        ("n", [WORD]),
        ("a$b_1", [WORD]),
        ("_x", [WORD]),
        ("Ünï", [WORD]),
        ("\u017fET", [WORD]),
        ("'a' \"b\"", [STRING, SPACE, STRING]),
        ("'\\''", [STRING]),
        ('"\\""', [STRING]),
        ("'\\\\'x", [STRING, WORD]),
        ("'a\nb'", [STRING]),
        ("'\\u00e9\\U0001F600\\x41\\N'", [STRING]),
        ("'a''b'", [STRING, STRING]),
        ("'//'", [STRING]),
        ("'/*'x", [STRING, WORD]),
        ("`a``b`", [QUOTED]),
        ("`'`", [QUOTED]),
        ("``", [QUOTED]),
        ("a`b`", [WORD, QUOTED]),
        ("$p", [PARAMETER]),
        ("$`p q`", [PARAMETER]),
        ("$1DELETE", [PARAMETER, WORD]),
        ("1DELETE", [NUMBER, WORD]),
        ("1.5e-3DELETE", [NUMBER, WORD]),
        (".5", [NUMBER]),
        ("1..3", [NUMBER, SYMBOL, NUMBER]),
        ("n.x", [WORD, SYMBOL, WORD]),
        ("<>", [SYMBOL]),
        ("->", [SYMBOL, SYMBOL]),
        ("=~", [SYMBOL]),
        ("\u2212\u27e9", [SYMBOL, SYMBOL]),
        ("/* a */", [SPACE]),
        ("/**/", [SPACE]),
        ("/****/", [SPACE]),
        ("/* a **/ b */", [SPACE]),
        ("/***/ DELETE n /* */", [SPACE]),
        ("/* a */ /* b */x", [SPACE, WORD]),
        ("// a\nb", [SPACE, WORD]),
        ("// a\r\nb", [SPACE, WORD]),
        ("// a\u2028b", [SPACE]),
        ("// a", [SPACE]),
        ("\t\x0b\x0c\x1c\u00a0\u1680\u180e\u2007\u2029\u3000", [SPACE]),
    ],
)
def test_text_is_cut_as_the_engine_cuts_it(text: str, kinds: list[TokenKind]) -> None:
    """The pieces are those of the engine's own lexer."""
    assert [token.kind for token in tokenize(text)] == kinds


@pytest.mark.parametrize(
    "text",
    [
        "'open",
        '"open',
        "`open",
        "/* open",
        "/***/",
        "// a\rb\n",
        "'\\d'",
        "'\\u12'",
        "'\\ud83d\\ude00'",
        "'\\U0000D800'",
        "'\\U00110000'",
        "$",
        "?",
        "#",
        "@",
        "\\",
        "~",
        "\0",
    ],
)
def test_what_the_engine_refuses_is_an_error(text: str) -> None:
    """Nothing is guessed where the engine would give up."""
    tokens = tokenize(text)
    assert tokens[0].kind is ERROR
    assert significant(text)[-1] == ""


def test_all_after_an_unterminated_string_belongs_to_the_error() -> None:
    """What stands behind cannot be read any more."""
    assert tokenize("RETURN 'a; DROP TABLE T") == [
        Token(WORD, "RETURN"),
        Token(SPACE, " "),
        Token(ERROR, "'a; DROP TABLE T"),
    ]


def test_comments_at_the_end_hold_no_tokens() -> None:
    """The quick form does not look into a comment, wherever it stands."""
    assert significant("// a\n/* b */ x // DELETE n") == ["x"]
    assert significant("/* DELETE n */") == []
    assert significant(" \n") == []


@pytest.mark.parametrize(
    "piece",
    [
        *(
            "/*",
            "'",
            "`",
            '"',
            "'\\q'",
            "0",
            "1.",
            "1e",
            ".5",
            "*",
            "//\r",
            "//",
            "x//",
            "$",
            "$`",
            "'\\u00e9",
            "a$",
            "é",
        ),
        *(
            "-",
            "'\"",
            "/**",
            "/***/",
            " /*x*/",
            "(",
            "\\",
            "\\\\",
            "\0",
            "\n",
            "''",
            "``",
            "/*/",
            "\r",
            "a ",
            "<",
            "\u00ad",
        ),
    ],
)
def test_hostile_text_takes_linear_time(piece: str) -> None:
    """A long text ends at once; anything quadratic would outlast the limit of a test."""
    text = piece * (200_000 // len(piece))
    assert "".join(token.text for token in tokenize(text)) == text
    significant(text)
