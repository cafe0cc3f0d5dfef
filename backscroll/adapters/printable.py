"""What a terminal may be shown of texts that other people wrote.

Proved by `tests/scenario/test_cli_find.py` and `test_console.py`.
"""

import re

# Control characters but tab and line feed could move the cursor, set the title, or hide text. Marks, embeddings,
# overrides and isolates of the bidirectional algorithm let a text read as another; two separators begin a line of their
# own.
_HIDING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    """Replace what would do something to a terminal, or hide what is written, by U+FFFD; tab and line feed stay."""
    return _HIDING.sub("\ufffd", text)
