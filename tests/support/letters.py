"""Dead letters by the thousand, for tests and benchmarks, with books that close."""

from typing import Any

from forwarder.queue.connection import Client
from forwarder.queue.keys import Keys

_BURY = """
local count, first, apart, replays = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3] == '1', ARGV[4]
for number = first, first + count - 1 do
  local at = ARGV[5] + (apart and number or math.floor(number / 500))
  local body = '{"trace_id":"t' .. number .. '","value":1,"text":"a comment as people write them","weight":0.5}'
  local error = 'HTTP 400: event ' .. number .. ' has the value 11; it must be from -10 to 10'
  redis.call('XADD', KEYS[1], '*', 'body', body, 'reason', 'rejected', 'status', 400 + number % 3, 'error', error,
    'attempts', 1, 'at', string.format('%d', at), 'source', 'web', 'batch', 'abcdef0123456789', 'entry', '1-0',
    'replays', replays)
end
redis.call('HINCRBY', KEYS[2], 'accepted', count)
redis.call('HINCRBY', KEYS[2], 'dead_lettered', count)
redis.call('HINCRBY', KEYS[2], 'dead_lettered:rejected', count)
"""
_PER_STEP = 5_000
FIRST_AT_MS = 1_700_000_000_000
"""When the first was accepted; `apart`, each of the others a millisecond later."""


def bury(
    client: Client, count: int, *, first: int = 0, apart: bool = False, replays: int = 0, partition: int = 0
) -> None:
    """Bury letters t0, t1, …, as drains would have.

    Args:
        client: of the queue.
        count: how many.
        first: number of the first.
        apart: each was accepted at another time; else 500 have one time.
        replays: how often each was replayed.
        partition: whose dead letters.
    """
    keys, step = Keys("default", partition), client.register_script(_BURY)
    for begin in range(first, first + count, _PER_STEP):
        several = min(_PER_STEP, first + count - begin)
        arguments: list[Any] = [several, begin, int(apart), replays, FIRST_AT_MS]
        step(keys=[keys.dead, keys.ledger], args=arguments)
