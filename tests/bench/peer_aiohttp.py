# SPDX-License-Identifier: ISC
"""The peer of P2: an aiohttp script that stores nothing.

    peer_aiohttp.py URL CONCURRENCY REQUESTS BODY
"""

import asyncio
import sys

import aiohttp


async def work(session, url, body, count):
    for _ in range(count):
        async with session.post(url, data=body, headers={
                "Content-Type": "application/json"}) as answer:
            await answer.json()


async def main(url, concurrency, requests, body):
    connector = aiohttp.TCPConnector(limit=concurrency)
    async with aiohttp.ClientSession(connector=connector) as session:
        await asyncio.gather(*(
            work(session, url, body, requests // concurrency)
            for _ in range(concurrency)))


asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]),
                 sys.argv[4]))
