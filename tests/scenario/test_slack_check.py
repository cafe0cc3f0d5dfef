"""What `backscroll check` finds of Slack."""

from dataclasses import replace

import pytest

from backscroll.adapters.slack import SlackAdapter
from backscroll.bot.config import SlackConfig, SlackHttpConfig
from backscroll.errors import AdapterError, AdapterUnavailableError
from backscroll.storage import memory
from backscroll.testing import FakeSlack
from tests.scenario.slack import free_port

NOBODY = "http://127.0.0.1:9/api/"


async def check(config: SlackConfig) -> None:
    async with SlackAdapter(config, memory.Provider()) as adapter:
        await adapter.check()


async def test_check_passes_where_all_is_well() -> None:
    async with FakeSlack() as slack:
        await check(SlackConfig(slack.bot_token, slack.app_token, api_base_url=slack.api_url))


async def test_check_tells_of_a_slack_that_does_not_answer() -> None:
    with pytest.raises(AdapterUnavailableError) as caught:
        await check(SlackConfig(bot_token="xoxb-1", app_token="xapp-1", api_base_url=NOBODY))
    assert caught.value.message == "Slack cannot be reached for auth.test."


async def test_check_tells_of_a_port_in_use() -> None:
    port = free_port()
    async with FakeSlack(port=port) as slack:
        config = SlackConfig(
            bot_token=slack.bot_token, signing_secret="s", api_base_url=slack.api_url, http=SlackHttpConfig(port=port)
        )
        with pytest.raises(AdapterError) as caught:
            await check(config)
        await check(replace(config, http=SlackHttpConfig(port=free_port())))
    assert f"127.0.0.1:{port}" in caught.value.message
