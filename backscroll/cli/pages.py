"""`backscroll html`: threads as one page to read, to print and to hand on.

Proved by `tests/scenario/test_cli_pages.py`.
"""

from contextlib import ExitStack, aclosing
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from backscroll.cli.naming import find_thread
from backscroll.cli.options import (
    DEFAULT_CONFIG,
    MOST,
    STANDARD,
    ConfigFile,
    DatabaseUrl,
    Storage,
    Verbose,
    log_to_stderr,
    must_name_a_file,
    with_storage,
)
from backscroll.cli.printing import stdout
from backscroll.cli.snippets import Looking
from backscroll.errors import ThreadNotFoundError
from backscroll.storage.models import Thread
from backscroll.storage.provider import StorageProvider
from backscroll.storage.store import ThreadStore
from backscroll.transfer.exporting import whole_file
from backscroll.transfer.html import Page, render

Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="ID", help="Threads, by what `show` takes: id, alias, link or a platform's id."),
]
Words = Annotated[
    str | None, typer.Option("--search", help="The threads in which all these words stand, marked.", metavar="WORDS")
]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=MOST, help="How many threads of a search, at most.")]
Output = Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The page to write; - is stdout.")]
Images = Annotated[bool, typer.Option("--images", help="Put small images that are kept into the page.")]
Force = Annotated[bool, typer.Option("--force", help="Replace a file that is there already.")]


def html(
    name: Names = None,
    search: Words = None,
    limit: Limit = 20,
    output: Output = STANDARD,
    images: Images = False,
    force: Force = False,
    config: ConfigFile = DEFAULT_CONFIG,
    url: DatabaseUrl = None,
    verbose: Verbose = False,
) -> None:
    """Write threads, or what a search finds, as one HTML page that needs nothing else.

    Messages stand there with their times, edits, reactions, files and tool calls. The page has no script and loads
    nothing; other than small images with --images, files are named and not in it. Only its owner may read the file.
    """
    log_to_stderr(verbose)
    if bool(name) == (search is not None):
        raise typer.BadParameter("it names threads, or --search finds them; one of the two", param_hint="ID")
    must_name_a_file(output, "'--output' / '-o'")
    try:
        looking = None if search is None else Looking.of(search, regex=False, part=False)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--search") from None

    async def work(storage: Storage) -> int:
        page = await _page(storage.provider, name or [], looking, limit)
        if looking is not None and not page.threads:
            return 0
        with ExitStack() as stack:
            file: BinaryIO = (
                stdout().buffer if output == STANDARD else stack.enter_context(whole_file(output, force=force))
            )
            pieces = render(storage.provider, page, storage.attachments.read if images else None)
            async with aclosing(pieces):
                async for piece in pieces:
                    file.write(piece.encode("utf-8", "replace"))
            file.flush()
        return len(page.threads)

    if not with_storage(config, work, url=url):
        raise ThreadNotFoundError("Nothing that is kept fits; no page is written.", "`backscroll search` tries words.")


async def _page(provider: StorageProvider, names: list[str], looking: Looking | None, limit: int) -> Page:
    """Find what the page is of. Raises: ThreadNotFoundError, StorageRefusedError: a name means none, or several."""
    if looking is not None:
        async with ThreadStore(provider=provider, closes_provider=False) as store:
            found, _ = await store.search_threads(looking.query, limit, with_messages=False)
        return Page(f"Search: {looking.query}", found, looking.hits)
    threads: dict[str, Thread] = {}
    for name in names:
        thread = (await find_thread(provider, name)).thread
        threads[thread.id] = thread
    listed = list(threads.values())
    return Page(listed[0].title if len(listed) == 1 else f"{len(listed)} threads", listed)
