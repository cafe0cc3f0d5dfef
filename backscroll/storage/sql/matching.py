"""Where a text fits: the conditions that the databases' indexes of words and trigrams answer.

What is indexed is said by the migrations. Proved by `tests/contract/test_search.py` and
`tests/unit/storage/sql/test_plans.py`.
"""

from collections.abc import Iterable

from sqlalchemy import ARRAY, ColumnElement, Table, Text, cast, func, literal, literal_column, select, table
from sqlalchemy import column as named

from backscroll.storage.search import Search
from backscroll.storage.sql.engine import Connection

TRIGRAM_LENGTH = 3
"""Characters from which on a part is looked up; a shorter one is looked for in every text."""

# So many name few enough rows; each of those is looked at.
_TRIGRAM_COUNT = 30


def fits(connection: Connection, of: Table, search: Search) -> ColumnElement[bool]:
    """Tell the rows that a search finds."""
    return has_part(connection, of, search.part) if search.part else has_words(connection, of, search.words)


def has_words(connection: Connection, of: Table, words: Iterable[str]) -> ColumnElement[bool]:
    """Tell the rows that have all of these words; there is one at least."""
    if connection.dialect.name == "postgresql":
        # Written as in the index.
        cut = func.string_to_array(of.c.search_words, literal_column("' '"))
        return cut.op("@>", is_comparison=True)(cast(sorted(words), ARRAY(Text)))
    return _matches(of, f"{of.name}_words", sorted(words))


def has_part(connection: Connection, of: Table, part: str) -> ColumnElement[bool]:
    """Tell the rows whose folded text has this part."""
    if connection.dialect.name == "postgresql":
        return of.c.search_text.contains(part, autoescape=True)
    found = func.instr(of.c.search_text, part) > 0
    trigrams = dict.fromkeys(part[start : start + TRIGRAM_LENGTH] for start in range(len(part) - TRIGRAM_LENGTH + 1))
    return _matches(of, f"{of.name}_trigrams", list(trigrams)[:_TRIGRAM_COUNT]) & found if trigrams else found


def _matches(of: Table, index: str, tokens: list[str]) -> ColumnElement[bool]:
    query = " ".join('"' + token.replace('"', '""') + '"' for token in tokens)
    matching = named(index).op("MATCH", is_comparison=True)(literal(query))
    return of.c.number.in_(select(named("rowid")).select_from(table(index)).where(matching))
