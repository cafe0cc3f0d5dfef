"""The console bot as a person has it, and as a pipe has it: the real program, typed at."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from backscroll.storage.store import ThreadStore
from tests.scenario.program import Home, Program

LISTED = r"[0-9a-f-]{36}  \d{4}-\d\d-\d\d \d\d:\d\d  %s\n"
TOLD = r" {3}%d  \d{4}-\d\d-\d\d \d\d:\d\d  %s\n"
SAYING = "async def answer(turn):\n    return f'+ {turn.message.text}'\n"


@pytest.fixture
def saying(home: Home) -> Home:
    """Let the bot answer `+ hello` to `hello`."""
    home.write("saying.py", SAYING)
    home.configure(handler="saying:answer")
    return home


async def texts_of(home: Home) -> list[str]:
    """Return the texts of the newest thread."""
    async with ThreadStore(home.sqlite_url) as store:
        (thread, *_) = await store.list_recent(1)
        return [message.text for message in thread.messages]


async def ids_of(home: Home) -> list[str]:
    async with ThreadStore(home.sqlite_url) as store:
        return [thread.id for thread in await store.list_recent()]


def answered(program: Program, *texts: str) -> None:
    """Say texts one by one, each after the answer to the one before."""
    for text in texts:
        program.say(text)
        program.wait_for(f"+ {text}\n")


# In a pipe


def test_pipe_carries_answers_alone(home: Home) -> None:
    done = home.run("hello", "/history", "you")
    assert done.process.returncode == 0
    assert "You said: hello\nI remember 0 earlier messages of this thread.\n" in done.out
    assert "You said: you\n" in done.out
    assert done.err == "A new thread begins. /help lists the commands.\n"
    assert "›" not in done.out


def test_pipe_without_a_last_newline_loses_no_line(saying: Home) -> None:
    with saying.start() as program:
        program.type(b"one\ntwo")
        program.end_input()
        assert program.ended() == 0
    assert program.out == "+ one\n+ two\n"


def test_pipe_takes_lines_that_end_with_crlf(saying: Home) -> None:
    with saying.start() as program:
        program.type(b"one\r\ntwo\r\n")
        program.end_input()
        assert program.ended() == 0
    assert program.out == "+ one\n+ two\n"


async def test_pipe_replaces_what_is_no_utf8(saying: Home) -> None:
    with saying.start() as program:
        program.type(b"a\xff\xc3(b\n\xed\xa0\x80\n" + "ü".encode()[:1])
        program.end_input()
        assert program.ended() == 0
    assert program.out == "+ a��(b\n+ ���\n+ �\n"
    assert (await texts_of(saying))[0] == "a��(b"


def test_pipe_joins_characters_that_come_in_pieces(saying: Home) -> None:
    with saying.start() as program:
        answered(program, "ready")
        for byte in "👍ü\n".encode():
            program.type(bytes([byte]))
        program.wait_for("+ 👍ü\n")


async def test_pipe_passes_over_blank_lines(saying: Home) -> None:
    done = saying.run("", "   ", "\t", "one", "")
    assert done.out == "+ one\n"
    assert await texts_of(saying) == ["one", "+ one"]


async def test_pipe_takes_a_line_of_a_megabyte(saying: Home) -> None:
    line = "ä" * 500_000
    done = saying.run(line)
    assert done.out == f"+ {line}\n"
    assert await texts_of(saying) == [line, f"+ {line}"]


async def test_pipe_keeps_the_order_of_many_lines(saying: Home) -> None:
    lines = [f"line {number}" for number in range(40)]
    done = saying.run(*lines)
    assert done.out == "".join(f"+ {line}\n" for line in lines)
    assert [text for text in await texts_of(saying) if not text.startswith("+")] == lines


def test_file_is_read_to_its_end(saying: Home) -> None:
    (saying.directory / "lines").write_text("one\ntwo\n")
    with (saying.directory / "lines").open() as lines, saying.start(stdin=lines) as program:
        assert program.ended() == 0
    assert program.out == "+ one\n+ two\n"


def test_null_device_ends_at_once(saying: Home) -> None:
    with saying.start(stdin=subprocess.DEVNULL) as program:
        assert program.ended() == 0
    assert program.out == ""


def test_closed_stdin_is_an_empty_one(saying: Home) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$@" <&-', "sh", *saying.command("run")],
        cwd=saying.directory,
        env=saying.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_stdin_that_does_not_block_is_waited_for(saying: Home) -> None:
    read, write = os.pipe()
    os.set_blocking(read, False)
    with saying.start(stdin=read) as program:
        os.close(read)
        program.wait_for("A new thread begins", stream="err")
        os.write(write, b"hello\n")
        program.wait_for("+ hello\n")
        os.close(write)
        assert program.ended() == 0


def test_output_that_knows_no_such_characters_gets_others(saying: Home) -> None:
    done = saying.run("grüße 👍", PYTHONIOENCODING="ascii")
    assert (done.process.returncode, done.out) == (0, "+ gr??e ?\n"), done.err


# After a restart


def test_thread_goes_on_after_a_restart(new_home: Home) -> None:
    new_home.run("hello")
    again = new_home.run("you")
    assert again.err == "The thread goes on: 2 messages. /history shows it, /new begins another.\n"
    assert again.out == "You said: you\nI remember 2 earlier messages of this thread.\n"


def test_thread_goes_on_wherever_the_program_is_started(home: Home, tmp_path_factory: pytest.TempPathFactory) -> None:
    home.configure("sqlite:///backscroll.db")
    home.run("hello")
    elsewhere = Home(tmp_path_factory.mktemp("elsewhere"), Path(home.environment["PYTHONPYCACHEPREFIX"]))
    with elsewhere.start("run", "--config", str(home.directory / "config.yaml")) as program:
        program.end_input()
        assert program.ended() == 0
    assert program.err.startswith("The thread goes on: 2 messages.")


# Commands


@pytest.fixture(scope="module")
def long_run(tmp_path_factory: pytest.TempPathFactory, bytecode: Path) -> Iterator[tuple[Home, Program]]:
    """Give one bot for all commands, because a start takes a second."""
    home = Home(tmp_path_factory.mktemp("commands"), bytecode)
    home.write("saying.py", SAYING)
    home.configure(handler="saying:answer")
    with home.start() as program:
        yield home, program


@pytest.fixture
def program(long_run: tuple[Home, Program]) -> Program:
    """Give the bot of all commands at the beginning of a new thread."""
    _, program = long_run
    program.forget()
    program.say("/new")
    program.wait_for("A new thread begins.\n", stream="err")
    program.forget()
    return program


@pytest.fixture
def there(long_run: tuple[Home, Program]) -> Home:
    return long_run[0]


def test_new_begins_another_thread(program: Program) -> None:
    answered(program, "one")
    program.say("/new", "/history")
    program.wait_for("Nothing was said yet.", stream="err")
    answered(program, "two")
    program.forget()
    program.say("/threads", "/help")
    program.wait_for("Ctrl-D ends.", stream="err")
    program.wait_for("one\n")
    assert re.match(LISTED % "two" + LISTED % "one", program.out)


async def test_open_goes_on_with_an_older_thread(program: Program, there: Home) -> None:
    answered(program, "one")
    program.say("/new")
    answered(program, "two")
    _, old, *_ = await ids_of(there)
    program.say(f"/open {old}")
    program.wait_for("The thread goes on: 2 messages.", stream="err")
    answered(program, "three")
    assert await texts_of(there) == ["one", "+ one", "three", "+ three"]


@pytest.mark.parametrize("wanted", ["", "nothing-of-this-id", "x" * 501, "'; DROP TABLE threads; --"])
async def test_open_of_an_unknown_thread_changes_nothing(program: Program, there: Home, wanted: str) -> None:
    program.say(f"/open {wanted}")
    program.wait_for("There is no such thread.", stream="err")
    answered(program, "hello")
    assert await texts_of(there) == ["hello", "+ hello"]


def test_history_shows_the_thread(program: Program) -> None:
    answered(program, "one")
    program.forget()
    program.say("/history")
    program.wait_for("bot: + one\n")
    assert re.fullmatch(TOLD % (1, "you: one") + TOLD % (2, r"bot: \+ one"), program.out)


def test_react_puts_an_emoji_on_the_last_answer_once(program: Program) -> None:
    answered(program, "one")
    program.say("/react 👍", "/react 👍", "/history")
    program.wait_for("bot: + one  👍 1\n")


def test_react_goes_to_the_thread_that_was_opened(program: Program) -> None:
    answered(program, "one")
    program.say("/new", "/react 👍")
    program.wait_for("There is no answer yet.", stream="err")


def test_edit_changes_the_last_message(program: Program) -> None:
    answered(program, "one")
    program.say("/edit another  one", "/history")
    program.wait_for("you: another  one (edited)\n")


def test_delete_leaves_a_tombstone(program: Program) -> None:
    answered(program, "one")
    program.say("/delete", "/history")
    program.wait_for("you: (deleted)\n")
    program.wait_until(lambda: program.err == "Your last message is deleted.\n")


def test_commands_on_nothing_say_so(saying: Home) -> None:
    done = saying.run("/react 👍", "/edit x", "/delete", "/threads", "/history")
    assert done.out == ""
    assert done.err.splitlines()[1:] == [
        "There is no answer yet.",
        "You said nothing yet.",
        "You said nothing yet.",
        "No thread is kept yet.",
        "Nothing was said yet.",
    ]


def test_commands_without_what_they_need_say_so(program: Program) -> None:
    answered(program, "one")
    program.say("/react", f"/react {'x' * 501}", "/edit", "/end")
    program.wait_for("That is no command.", stream="err")
    assert program.err.count("Say which: /react") == 2
    assert "Say what it should be: /edit TEXT" in program.err


def test_help_lists_each_command(program: Program) -> None:
    program.say("/help")
    program.wait_for("Ctrl-D ends.", stream="err")
    for command in ("/new", "/threads", "/open ID", "/history", "/react EMOJI", "/edit TEXT", "/delete", "//TEXT"):
        assert command in program.err


async def test_unknown_command_is_not_said(program: Program, there: Home) -> None:
    program.say("/exit now")
    program.wait_for("That is no command.", stream="err")
    answered(program, "hello")
    assert await texts_of(there) == ["hello", "+ hello"]


async def test_two_slashes_say_one(program: Program, there: Home) -> None:
    program.say("//etc/passwd")
    program.wait_for("+ /etc/passwd\n")
    assert (await texts_of(there))[0] == "/etc/passwd"


def test_history_shows_no_control_sequence(program: Program) -> None:
    program.say("evil \x1b]0;title\x07 line")
    program.wait_for("+ evil �]0;title� line\n")
    program.say("/history")
    program.wait_for("you: evil �]0;title� line\n")
    assert "\x1b" not in program.out


# When the input ends while the storage is away

LEAVING = """
import os
from backscroll.errors import StorageUnavailableError
from backscroll.storage import sql

class Provider(sql.Provider):
    async def record_message(self, *arguments, **options):
        leave("record_message")
        return await super().record_message(*arguments, **options)

    async def seconds_until_ready(self, *arguments):
        leave("seconds_until_ready")
        return await super().seconds_until_ready(*arguments)

def leave(call):
    if os.path.exists(call):
        raise StorageUnavailableError("The storage is away.")

async def answer(turn):
    return f"+ {turn.message.text}"
"""


@pytest.mark.parametrize(
    ("call", "told"),
    [("record_message", "The input has ended."), ("seconds_until_ready", "The end waits for the storage")],
)
async def test_end_of_the_input_waits_for_the_storage_and_says_so(home: Home, call: str, told: str) -> None:
    home.write("leaving.py", LEAVING)
    home.configure(storage={"type": "leaving", "url": home.sqlite_url}, handler="leaving:answer")
    with home.start() as program:
        answered(program, "one")
        home.write(call, "")
        if call == "record_message":
            program.say("two")
            program.wait_for("Your line waits.", stream="err")
        program.end_input()
        program.wait_for(told, stream="err")
        (home.directory / call).unlink()
        assert program.ended() == 0
    assert (await texts_of(home))[-1] == ("+ two" if call == "record_message" else "+ one")


# In a terminal


def test_terminal_prompts_and_answers(saying: Home) -> None:
    with saying.open_terminal() as terminal:
        terminal.wait_for("A new thread begins. /help lists the commands.\r\n› ")
        terminal.say("hello")
        terminal.wait_for("\r+ hello\r\n› ")
    assert "�" not in terminal.out


def test_terminal_greets_with_the_title_of_its_thread(saying: Home) -> None:
    saying.run("hello")
    with saying.open_terminal() as terminal:
        terminal.wait_for("“hello” goes on: 2 messages.")


def test_terminal_ends_on_ctrl_d(saying: Home) -> None:
    with saying.open_terminal() as terminal:
        terminal.say("hello")
        terminal.wait_for("+ hello")
        terminal.type(b"\x04")
        assert terminal.ended() == 0
    assert terminal.out.endswith("› \r\n")


def test_terminal_ends_on_ctrl_c(saying: Home) -> None:
    with saying.open_terminal() as terminal:
        terminal.wait_for("› ")
        terminal.type(b"\x03")
        assert terminal.ended() == 0
    assert "Traceback" not in terminal.out
    assert "Abort" not in terminal.out


async def test_terminal_ends_on_ctrl_c_while_an_answer_is_made(saying: Home) -> None:
    saying.write("saying.py", "import asyncio\nasync def answer(turn):\n    await asyncio.Event().wait()\n")
    saying.configure(handler="saying:answer", shutdown_grace_s=0)
    with saying.open_terminal() as terminal:
        terminal.say("hello")
        async with ThreadStore(saying.sqlite_url) as store:
            await until_running(store)
        terminal.type(b"\x03")
        assert terminal.ended() == 0
    assert "Traceback" not in terminal.out


async def until_running(store: ThreadStore) -> None:
    while not await store.provider.list_answers(state="running"):
        pass


def test_terminal_shows_no_control_sequence_of_an_answer(saying: Home) -> None:
    saying.write("saying.py", "def answer(turn):\n    return 'a\\x1b[2Jb\\x9b31mc\\rd\\x07e\\tf\\ng\\x7f'\n")
    with saying.open_terminal() as terminal:
        terminal.say("hello")
        terminal.wait_for("a�[2Jb�31mc�d�e\tf\r\ng�\r\n")
    assert "\x1b" not in terminal.out


# Two processes


async def test_two_consoles_on_one_database_answer_each_line_once(saying: Home) -> None:
    with saying.start() as one, saying.start() as two:
        one.wait_for("/help", stream="err")
        two.wait_for("/help", stream="err")
        for number in range(10):
            one.say(f"one {number}")
            two.say(f"two {number}")
        one.end_input()
        two.end_input()
        assert (one.ended(), two.ended()) == (0, 0)
    said = [f"{name} {number}" for name in ("one", "two") for number in range(10)]
    assert sorted((one.out + two.out).splitlines()) == sorted(f"+ {text}" for text in said)
    kept = await texts_of(saying)
    assert sorted(kept) == sorted([*said, *(f"+ {text}" for text in said)])
    for name in ("one", "two"):
        assert [text for text in kept if text.startswith(name)] == [f"{name} {number}" for number in range(10)]
