#!lua
-- Append one entry, unless this append was stored before or the backlog is at its cap.
--
-- KEYS[1] events stream   KEYS[2] ledger hash   KEYS[3] chunk string (the trace of this append)
-- ARGV[1] body            ARGV[2] events in it  ARGV[3] at (ms)   ARGV[4] source ('' for none)
-- ARGV[5] backlog cap (events)                  ARGV[6] life of the trace (seconds)
--
-- Returns {'added', id} | {'seen', id} | {'full', pending}.
local stored = redis.call('GET', KEYS[3])
if stored then
  return {'seen', stored}
end
local events = tonumber(ARGV[2])
local pending = tonumber(redis.call('HGET', KEYS[2], 'pending') or '0')
if pending + events > tonumber(ARGV[5]) then
  redis.call('HINCRBY', KEYS[2], 'refused:backlog', events)
  return {'full', pending}
end
local id
if ARGV[4] == '' then
  id = redis.call('XADD', KEYS[1], '*', 'body', ARGV[1], 'events', ARGV[2], 'at', ARGV[3])
else
  id = redis.call('XADD', KEYS[1], '*', 'body', ARGV[1], 'events', ARGV[2], 'at', ARGV[3], 'source', ARGV[4])
end
redis.call('HINCRBY', KEYS[2], 'accepted', events)
redis.call('HINCRBY', KEYS[2], 'pending', events)
redis.call('SET', KEYS[3], id, 'EX', ARGV[6])
return {'added', id}
