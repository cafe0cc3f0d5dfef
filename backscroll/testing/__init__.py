"""Stand-ins for the platforms, to which the real libraries connect: for the tests of bots, yours and ours."""

from backscroll.testing.discord.fake import FakeDiscord
from backscroll.testing.faults import Fault
from backscroll.testing.slack.fake import FakeSlack

__all__ = ["FakeDiscord", "FakeSlack", "Fault"]
