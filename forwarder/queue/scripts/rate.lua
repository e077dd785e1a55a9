#!lua flags=allow-oom
-- Book the next moment at which a request may be sent, for the whole fleet (GCRA without a burst: the cell that the
-- generic cell rate algorithm would let through next, ITU-T I.371). By the server's clock, so it is exact.
--
-- KEYS[1] rate hash
-- ARGV[1] µs from one request to the next, 0 for no such limit   ARGV[2] µs per event, likewise   ARGV[3] events
--
-- Returns the µs to wait before sending.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local next_ones = redis.call('HMGET', KEYS[1], 'request', 'event')
local at = math.max(now, tonumber(next_ones[1] or 0), tonumber(next_ones[2] or 0))
local request, event = at + tonumber(ARGV[1]), at + tonumber(ARGV[2]) * tonumber(ARGV[3])
redis.call('HSET', KEYS[1], 'request', string.format('%.0f', request), 'event', string.format('%.0f', event))
redis.call('PEXPIRE', KEYS[1], math.ceil((math.max(request, event) - now) / 1000) + 1000)
return math.ceil(at - now)
