"""Cutting a text of several statements at its semicolons."""

from robosystems.graph_api.domain.statement.tokenizer import TokenKind, tokenize


def split_statements(text: str) -> list[str]:
    """Return the statements of a text, in order, without their semicolons and surrounding white space.

    Semicolons in strings, comments and quoted names separate nothing. A piece of only white space and comments is left
    out. What the engine would refuse stays in its statement, for whoever classifies it.
    """
    statements: list[str] = []
    pieces: list[str] = []
    significant = False
    for token in tokenize(text):
        if token.kind is TokenKind.SYMBOL and token.text == ";":
            if significant:
                statements.append("".join(pieces).strip())
            pieces, significant = [], False
            continue
        pieces.append(token.text)
        significant = significant or token.kind is not TokenKind.SPACE
    if significant:
        statements.append("".join(pieces).strip())
    return statements
