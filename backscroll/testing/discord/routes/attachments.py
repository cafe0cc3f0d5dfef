"""The route that signs addresses of files anew.

Source: docs.discord.com/developers/reference, Signed Attachment CDN URLs.
Proved by `tests/unit/testing/discord/test_files.py`.
"""

from urllib.parse import urlsplit

from backscroll.testing.discord.models import Json
from backscroll.testing.discord.routes.call import Call, Route, bad_form


async def refresh(call: Call) -> Json:
    """Return the given addresses of files, signed anew."""
    urls = call.form.get("attachment_urls")
    if not isinstance(urls, list) or not 1 <= len(urls) <= 50:
        raise bad_form("attachment_urls", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 50 in length.")
    signed = [{"original": url, "refreshed": call.desk.views.file_url(urlsplit(url).path)} for url in urls]
    return {"refreshed_urls": signed}


ROUTES: dict[tuple[str, str], Route] = {("POST", "/attachments/refresh-urls"): refresh}
