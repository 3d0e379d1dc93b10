import asyncio

import pytest


@pytest.fixture
async def server():
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()


async def echo(reader, writer):
    writer.write(await reader.readline())
    await writer.drain()
    writer.close()


async def test_echo(server):
    reader, writer = await asyncio.open_connection(*server)
    writer.write(b"hello\n")
    assert await reader.readline() == b"hello\n"
    writer.close()
    await writer.wait_closed()


async def test_fails():
    await asyncio.sleep(0)
    raise AssertionError


@pytest.mark.asyncio(loop_scope="module")
class TestOneLoop:
    loop = None

    async def test_first(self):
        TestOneLoop.loop = asyncio.get_running_loop()

    async def test_second(self):
        assert TestOneLoop.loop is asyncio.get_running_loop()


def test_is_not_async():
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()
