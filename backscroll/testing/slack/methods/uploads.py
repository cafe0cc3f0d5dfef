"""The file methods: a URL to upload to, the message that shows the files, and what is known of a file.

Source: docs.slack.dev/messaging/working-with-files. Proved by `tests/unit/testing/test_files.py`.
"""

import asyncio
import mimetypes

from backscroll.testing.slack.methods.call import ApiError, Call, Method
from backscroll.testing.slack.models import Channel, File, Json, Message


async def get_upload_url(call: Call) -> Json:
    """Announce a file and return where its bytes go."""
    name, length = call.text("filename"), call.text("length")
    if not name or not length.isdigit() or int(length) == 0:
        raise ApiError("invalid_arguments")
    workspace = call.desk.workspace
    mimetype = mimetypes.guess_type(name)[0] or "application/octet-stream"
    file = workspace.add_file(name, b"", mimetype, int(length), call.bot, call.team)
    return {"upload_url": f"{workspace.base_url}/upload/v1/{file.id}", "file_id": file.id}


async def complete_upload(call: Call) -> Json:
    """Finish uploads and share them. The message that shows them appears a little later."""
    files = []
    for item in call.items("files") or []:
        file = call.desk.workspace.files.get(str(item.get("id")))
        if file is None or not file.content:
            raise ApiError("file_not_found")
        file.title = str(item.get("title") or file.name)
        files.append(file)
    if not files:
        raise ApiError("invalid_arguments")
    names = [call.text("channel_id"), *call.text("channels").split(",")]
    for name in filter(None, names):
        call.params["channel_id"] = name
        channel = call.own_channel("channel_id")
        call.desk.spawn(_share(call, channel, files, call.root(channel)))
    return {"files": [file.shown(whole=True) for file in files]}


async def _share(call: Call, channel: Channel, files: list[File], root: Message | None) -> None:
    await asyncio.sleep(call.desk.workspace.switches.share_delay_s)
    message = call.desk.talk.post(
        channel,
        call.bot,
        call.text("initial_comment"),
        root=root,
        subtype="file_share",
        blocks=call.items("blocks"),
        files=files,
    )
    call.desk.talk.echo(message)


async def info(call: Call) -> Json:
    """Return a file with where it is shared."""
    file = call.desk.workspace.files.get(call.text("file"))
    if file is None or file.team_id != call.team.id:
        raise ApiError("file_not_found")
    return {"file": file.shown(whole=True), "comments": []}


METHODS: dict[str, Method] = {
    "files.getUploadURLExternal": get_upload_url,
    "files.completeUploadExternal": complete_upload,
    "files.info": info,
}
