"""The peer of `asking`: the official `openai` client, asking the same server for the same thing.

    openai_client.py URL sync|async IN_FLIGHT COUNT REQUEST     # prints one line a call: its time in microseconds
"""
import asyncio
import json
import sys
import threading
import time

import openai


def say(times):
    print("\n".join("%.1f" % (t * 1e6) for t in times))


def check(completion, times, start):
    times.append(time.perf_counter() - start)
    assert json.loads(completion.choices[0].message.content)["label"] == "bug"


def with_threads(url, in_flight, count, request):
    client, lock, left, times = openai.OpenAI(base_url=url, api_key="none", max_retries=0), threading.Lock(), [count], []

    def work():
        while True:
            with lock:
                if left[0] == 0:
                    return
                left[0] -= 1
            start = time.perf_counter()
            check(client.chat.completions.create(**request), times, start)

    workers = [threading.Thread(target=work) for _ in range(in_flight)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return times


async def with_tasks(url, in_flight, count, request):
    client, left, times = openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0), [count], []

    async def work():
        while left[0]:
            left[0] -= 1
            start = time.perf_counter()
            check(await client.chat.completions.create(**request), times, start)

    await asyncio.gather(*(work() for _ in range(in_flight)))
    return times


def main():
    url, kind, in_flight, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    with open(sys.argv[5]) as file:
        request = json.load(file)
    if kind == "sync":
        say(with_threads(url, in_flight, count, request))
    else:
        say(asyncio.run(with_tasks(url, in_flight, count, request)))


if __name__ == "__main__":
    main()
