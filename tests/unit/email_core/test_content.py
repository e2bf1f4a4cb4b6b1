from email_core.content import InlineContent, whole
from tests.support.memory import traced

CHUNK, CHUNKS = 100_000, 50


class Blob:
    """Content that comes in pieces."""

    size = CHUNK * CHUNKS

    async def chunks(self):
        for number in range(CHUNKS):
            yield bytes([number]) * CHUNK


async def test_content_in_pieces_is_joined_without_a_second_copy():
    with traced() as allocated:
        octets = await whole(Blob())
    assert octets == b"".join([bytes([number]) * CHUNK for number in range(CHUNKS)])
    assert allocated.peak < 1.3 * len(octets)


async def test_content_in_memory_is_not_copied():
    octets = bytes(1000)
    assert await whole(InlineContent(octets)) is octets
