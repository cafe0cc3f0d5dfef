"""The order in which events of one thread are kept."""

import asyncio

from backscroll.adapters.lanes import Lane, Lanes


async def run(lanes: Lanes, *entering: tuple[str, Lane | None, float]) -> list[str]:
    """Enter lanes at once, stay there for so long, and return the names in the order in which they left."""
    left: list[str] = []

    async def enter(name: str, lane: Lane | None, seconds: float) -> None:
        async with lanes.lane(lane):
            await asyncio.sleep(seconds)
            left.append(name)

    await asyncio.gather(*(enter(*each) for each in entering))
    return left


async def test_lane_is_left_in_the_order_of_entering() -> None:
    lane = ("C1", "1.0")
    assert await run(Lanes(), ("a", lane, 0.02), ("b", lane, 0.01), ("c", lane, 0)) == ["a", "b", "c"]


async def test_lane_waits_for_no_other() -> None:
    assert await run(Lanes(), ("a", ("C1", "1.0"), 0.02), ("b", ("C1", "2.0"), 0), ("c", None, 0)) == ["b", "c", "a"]


async def test_lane_that_is_empty_takes_no_room() -> None:
    lanes = Lanes()
    await run(lanes, ("a", ("C1", "1.0"), 0), ("b", ("C1", "1.0"), 0))
    assert len(lanes) == 0


async def test_lane_is_free_after_who_waited_for_it_was_cancelled() -> None:
    lanes, lane = Lanes(), ("C1", "1.0")
    async with lanes.lane(lane):
        waiting = asyncio.create_task(run(lanes, ("a", lane, 0)))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
    assert await run(lanes, ("b", lane, 0)) == ["b"]
    assert len(lanes) == 0
