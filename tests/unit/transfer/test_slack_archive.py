"""An export is read as far as it can be, in bounded memory, and no name in it leads anywhere."""

import json
import os
import stat
import struct
import tracemalloc
import zipfile
from pathlib import Path
from random import Random

import pytest

from backscroll.errors import StorageRefusedError
from backscroll.transfer import slack_archive
from backscroll.transfer.slack_archive import SlackArchive, SlackBot, SlackChannel
from tests.unit.transfer.slack_exports import CHANNELS, USERS, said, write_export

GENERAL = SlackChannel("C1", "general", "channel")


def texts(archive: SlackArchive, channel: SlackChannel = GENERAL) -> list[str]:
    return [message["text"] for message in archive.messages(channel)]


def test_archive_gives_the_days_of_a_channel_in_order(tmp_path: Path) -> None:
    path = write_export(
        tmp_path / "e.zip", d2024_03_02=[said("3.0", "c")], d2024_03_01=[said("1.0", "a"), said("2.0", "b")]
    )
    with SlackArchive(path) as archive:
        assert archive.channels == [GENERAL]
        assert texts(archive) == ["a", "b", "c"]
        assert archive.left_out == {}


def test_archive_knows_people_bots_and_workspaces(tmp_path: Path) -> None:
    with SlackArchive(write_export(tmp_path / "e.zip")) as archive:
        assert archive.people == {"U1": "anna", "U2": "Ben B.", "UBOT": "helper"}
        assert archive.bots == {"UBOT": SlackBot("BBOT", "A1")}
        assert archive.teams == {"T1": 3}


def test_archive_finds_every_kind_of_channel_by_its_folder(tmp_path: Path) -> None:
    members = {
        "groups.json": [{"id": "G1", "name": "board"}],
        "dms.json": [{"id": "D1", "members": ["U1", "U2"]}],
        "mpims.json": [{"id": "G2", "name": "mpdm-anna--ben-1"}],
        "board/2024-03-01.json": [said("1.0", "secret")],
        "D1/2024-03-01.json": [said("1.0", "direct")],
        "mpdm-anna--ben-1/2024-03-01.json": [said("1.0", "three")],
    }
    with SlackArchive(write_export(tmp_path / "e.zip", members)) as archive:
        assert [(each.kind, texts(archive, each)) for each in archive.channels] == [
            ("channel", []),
            ("group", ["secret"]),
            ("im", ["direct"]),
            ("mpim", ["three"]),
        ]


def test_archive_that_was_packed_again_with_its_folder_is_read(tmp_path: Path) -> None:
    members = {"x/channels.json": CHANNELS, "x/general/2024-03-01.json": [said("1.0", "a")], "channels.json": None}
    with SlackArchive(write_export(tmp_path / "e.zip", members | {"__MACOSX/x/._channels.json": b"\0"})) as archive:
        assert texts(archive) == ["a"]


def test_archive_reads_a_channel_whose_name_is_utf8_without_the_mark(tmp_path: Path) -> None:
    path = tmp_path / "e.zip"
    write_export(path, {"channels.json": [{"id": "C2", "name": "café"}], "caf__/2024-03-01.json": [said("1.0", "a")]})
    path.write_bytes(path.read_bytes().replace(b"caf__/", "café/".encode()))
    with SlackArchive(path) as archive:
        assert texts(archive, SlackChannel("C2", "café", "channel")) == ["a"]


# Names


@pytest.mark.parametrize("name", ["/general/2024-03-01.json", "../general/2024-03-01.json", "general\\2024-03-01.json"])
def test_name_that_leads_elsewhere_is_passed_over(tmp_path: Path, name: str) -> None:
    with SlackArchive(write_export(tmp_path / "e.zip", {name: [said("1.0", "a")]})) as archive:
        assert texts(archive) == []
        assert archive.left_out == {"unsafe_names": 1}


def test_symbolic_link_is_passed_over(tmp_path: Path) -> None:
    path = write_export(tmp_path / "e.zip")
    with zipfile.ZipFile(path, "a") as made:
        link = zipfile.ZipInfo("general/2024-03-01.json")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        made.writestr(link, "/etc/passwd")
    with SlackArchive(path) as archive:
        assert texts(archive) == []
        assert archive.left_out == {"unsafe_names": 1}


def test_of_two_members_of_one_name_the_last_is_read(tmp_path: Path) -> None:
    path = write_export(tmp_path / "e.zip", d2024_03_01=[said("1.0", "first")])
    with zipfile.ZipFile(path, "a") as made, pytest.warns(UserWarning, match="Duplicate"):
        made.writestr("general/2024-03-01.json", json.dumps([said("2.0", "last")]))
    with SlackArchive(path) as archive:
        assert texts(archive) == ["last"]
        assert archive.left_out == {"other_files": 1}


def test_days_of_an_unknown_channel_and_other_files_are_counted(tmp_path: Path) -> None:
    members = {"gone/2024-03-01.json": [said("1.0", "a")], "general/plan.pdf": b"%PDF", "integration_logs.json": []}
    with SlackArchive(write_export(tmp_path / "e.zip", members)) as archive:
        assert archive.left_out == {"unknown_folders": 1, "other_files": 1}


# What is no JSON


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"\xff\xfe\xfa", b"no", b"[" * 100_000, b'[{"ts": ' + b"9" * 5_000 + b"}]"]
)
def test_day_that_is_no_list_is_counted_and_the_rest_goes_on(tmp_path: Path, content: bytes) -> None:
    members = {"general/2024-03-01.json": content}
    with SlackArchive(write_export(tmp_path / "e.zip", members, d2024_03_02=[said("1.0", "a")])) as archive:
        assert texts(archive) == ["a"]
        assert archive.left_out == {"unreadable_files": 1}


def test_day_that_is_cut_off_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    content = json.dumps([said("1.0", "a"), said("2.0", "b")]).encode()[:-10]
    with SlackArchive(write_export(tmp_path / "e.zip", {"general/2024-03-01.json": content})) as archive:
        assert texts(archive) == ["a"]
        assert archive.left_out == {"unreadable_files": 1}


def test_lists_of_a_wrong_shape_are_read_as_far_as_they_are_right(tmp_path: Path) -> None:
    members = {
        "users.json": [7, {}, {"id": 3}, {"id": "U9", "profile": 4, "name": "eve"}],
        "channels.json": [None, *CHANNELS],
    }
    with SlackArchive(write_export(tmp_path / "e.zip", members, d2024_03_01=[said("1.0", "a")])) as archive:
        assert archive.people == {"U9": "eve"}
        assert texts(archive) == ["a"]


# What is no ZIP, or a hostile one


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x05\x06", b"PK\x03\x04" * 100])
def test_file_that_is_no_zip_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "e.zip"
    path.write_bytes(content)
    with pytest.raises(StorageRefusedError, match="is no ZIP, or was cut off"), SlackArchive(path):
        pass


@pytest.mark.parametrize(("name", "fact"), [("pipe", "is no file"), ("nothing", "cannot be read: No such file")])
def test_what_is_no_file_is_refused_with_the_way_out(tmp_path: Path, name: str, fact: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(StorageRefusedError, match=fact) as told, SlackArchive(tmp_path / name):
        pass
    assert told.value.hint


def test_zip_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    path = write_export(tmp_path / "e.zip", d2024_03_01=[said("1.0", "a")])
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(StorageRefusedError, match="cut off"), SlackArchive(path):
        pass


def test_zip_of_something_else_is_refused(tmp_path: Path) -> None:
    path = write_export(tmp_path / "e.zip", {"channels.json": None})
    with pytest.raises(StorageRefusedError, match="no list of channels"), SlackArchive(path):
        pass


def test_zip_whose_table_of_contents_leads_before_its_beginning_is_refused(tmp_path: Path) -> None:
    path = write_export(tmp_path / "e.zip")
    content = bytearray(path.read_bytes())
    struct.pack_into("<L", content, len(content) - 6, 1_000_000)
    path.write_bytes(content)
    with pytest.raises(StorageRefusedError, match="no list of channels"), SlackArchive(path):
        pass


def test_encrypted_zip_is_refused(tmp_path: Path) -> None:
    path = write_export(tmp_path / "e.zip")
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(StorageRefusedError, match="encrypted"), SlackArchive(path):
        pass


def test_damaged_day_is_counted_and_the_rest_goes_on(tmp_path: Path) -> None:
    path = write_export(tmp_path / "e.zip", d2024_03_01=[said("1.0", "a" * 1_000)], d2024_03_02=[said("2.0", "b")])
    content = bytearray(path.read_bytes())
    at = content.index(b"general/2024-03-01.json") + len("general/2024-03-01.json")
    content[at : at + 20] = b"\0" * 20
    path.write_bytes(content)
    with SlackArchive(path) as archive:
        assert texts(archive) == ["b"]
        assert archive.left_out == {"unreadable_files": 1}


def test_member_that_unpacks_to_more_than_a_day_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slack_archive, "DAY_BYTES", 1_000)
    path = write_export(tmp_path / "e.zip", d2024_03_01=[said("1.0", "a" * 2_000)], d2024_03_02=[said("2.0", "b")])
    with SlackArchive(path) as archive:
        assert texts(archive) == ["b"]
        assert archive.left_out == {"unreadable_files": 1}


def test_member_that_packs_better_than_any_text_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slack_archive, "FREE_BYTES", 1_000_000)
    bomb = b"[" + b" " * 3_000_000 + b"]"
    path = write_export(
        tmp_path / "e.zip",
        {"general/2024-03-01.json": bomb, "pad": Random(1).randbytes(20_000)},
        d2024_03_02=[said("2.0", "b")],
    )
    with SlackArchive(path) as archive:
        assert texts(archive) == ["b"]
        assert archive.left_out["unreadable_files"] == 1


def test_zip_whose_members_unpack_to_more_than_any_export_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each member alone is within the bounds; together they are not.
    monkeypatch.setattr(slack_archive, "FREE_BYTES", 1_000_000)
    day = b"[" + b" " * 900_000 + b"]"
    path = write_export(tmp_path / "e.zip", {f"general/2024-03-{number:02}.json": day for number in range(1, 20)})
    with SlackArchive(path) as archive, pytest.raises(StorageRefusedError, match="times its size"):
        texts(archive)


def test_zip_with_a_huge_table_of_contents_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = write_export(tmp_path / "e.zip")
    content = bytearray(path.read_bytes())
    struct.pack_into("<L", content, len(content) - 10, 1_000_000_000)
    path.write_bytes(content)
    with pytest.raises(StorageRefusedError, match="table of contents"), SlackArchive(path):
        pass


def test_reading_holds_one_message_of_a_day_at_once(tmp_path: Path) -> None:
    # Random words, so that it packs no better than an export.
    words = [hex(number * 2_654_435_761 % 2**32) for number in range(5_000)]
    day = [said(f"{number}.0", " ".join(words[number : number + 20])) for number in range(4_000)]
    path = write_export(tmp_path / "e.zip", d2024_03_01=day)
    size = len(json.dumps(day))
    del day
    with SlackArchive(path) as archive:
        tracemalloc.start()
        count = sum(1 for _ in archive.messages(GENERAL))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert count == 4_000
    assert peak < 3.5 * size  # packed parts, the joined bytes, and the text


def test_archive_without_people_is_read(tmp_path: Path) -> None:
    members = {"users.json": None, "org_users.json": USERS}
    with SlackArchive(write_export(tmp_path / "e.zip", members)) as archive:
        assert archive.people["U1"] == "anna"
