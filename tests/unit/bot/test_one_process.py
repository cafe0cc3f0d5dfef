"""One bot at a time, where the storage takes one process and outlives it."""

from pathlib import Path

import pytest

from backscroll.bot.one_process import one_process
from backscroll.errors import StorageRefusedError
from backscroll.storage import memory, sql


class Kept(memory.Provider):
    """One that says of itself that it outlives the process."""

    supports_export = True


def test_lock_keeps_a_second_one_away_until_it_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        with one_process(Kept()):
            with pytest.raises(StorageRefusedError, match="takes one process at a time"), one_process(Kept()):
                pass
            with pytest.raises(StorageRefusedError, match="takes one process at a time"), one_process(Kept()):
                pass


def test_lock_lies_in_the_directory_that_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That of the configuration, wherever a command is run from."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bot").mkdir()
    with one_process(Kept(), tmp_path / "bot"):
        assert [path.name for path in tmp_path.rglob("*.lock")] == ["backscroll-files.lock"]
        assert (tmp_path / "bot" / "backscroll-files.lock").exists()


def test_lock_that_cannot_be_made_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("backscroll-files.lock").mkdir()
    with pytest.raises(StorageRefusedError, match=r"backscroll-files\.lock cannot be opened"), one_process(Kept()):
        pass


def test_lock_is_not_taken_where_several_may_write_or_nothing_outlives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    providers = [memory.Provider(), sql.Provider("kept.db")]
    for provider in providers:
        with one_process(provider), one_process(provider):
            pass
    assert list(tmp_path.glob("*.lock")) == []
