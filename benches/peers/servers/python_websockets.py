"""Python websockets, with its `broadcast`. Compression and pings are off, as for the other servers."""

import asyncio
import sys

from websockets.asyncio.server import broadcast, serve

MEMBERS = set()


async def chat(connection):
    MEMBERS.add(connection)
    try:
        async for message in connection:
            broadcast(MEMBERS, message)
    finally:
        MEMBERS.remove(connection)


async def echo(connection):
    async for message in connection:
        await connection.send(message)


async def main(port, mode):
    handler = echo if mode == "echo" else chat
    async with serve(handler, "127.0.0.1", int(port), compression=None, ping_interval=None) as server:
        await server.serve_forever()


asyncio.run(main(*sys.argv[1:]))
