#!lua
-- Append one entry, unless this append was stored before, the backlog is at its cap, or the server's memory nearly is.
--
-- KEYS[1] events stream   KEYS[2] ledger hash   KEYS[3] chunk string (the trace of this append)
-- KEYS[4] memory string with TTL: the percentage in use when it was looked at last
-- ARGV[1] body (one that begins with NUL gets the field `v`: version 1 of the wire format knows no forms)
-- ARGV[2] events in it    ARGV[3] at (ms)       ARGV[4] source ('' for none)
-- ARGV[5] backlog cap (events)                  ARGV[6] life of the trace (seconds)
-- ARGV[7] percentage of maxmemory at which appends are refused, so that who empties the queue has room to work
-- ARGV[8] 1: it may have been stored so long ago that its trace is gone; then its events may be delivered twice
-- ARGV[9] traceparents of who handed the events over, with spaces between; '' for none
--
-- Returns {'added', id} | {'seen', id} | {'full', pending} | {'memory', percentage}.
local LOOK_MS = 250 -- INFO costs more than the rest of an append

local function memory_in_use()
  local known = redis.call('GET', KEYS[4])
  if known then return tonumber(known) end
  local info = redis.pcall('INFO', 'memory')
  if type(info) == 'table' and info.err then return 0 end -- a user without the right to ask is told by the server itself
  local used, most = string.match(info, 'used_memory:(%d+)'), string.match(info, '\nmaxmemory:(%d+)')
  local percentage = 0
  if used and most and tonumber(most) > 0 then percentage = math.floor(100 * tonumber(used) / tonumber(most)) end
  redis.call('SET', KEYS[4], percentage, 'PX', LOOK_MS)
  return percentage
end

local stored = redis.call('GET', KEYS[3])
if stored then
  redis.call('SET', KEYS[3], stored, 'EX', ARGV[6]) -- a write, so that a WAIT behind it waits for the entry too
  return {'seen', stored}
end
local events = tonumber(ARGV[2])
local pending = tonumber(redis.call('HGET', KEYS[2], 'pending') or '0')
if pending + events > tonumber(ARGV[5]) then
  redis.call('HINCRBY', KEYS[2], 'refused:backlog', events)
  return {'full', pending}
end
local in_use = memory_in_use()
if in_use >= tonumber(ARGV[7]) then
  redis.call('HINCRBY', KEYS[2], 'refused:memory', events)
  return {'memory', in_use}
end
local fields = {'body', ARGV[1], 'events', ARGV[2], 'at', ARGV[3]}
if ARGV[4] ~= '' then fields[#fields + 1] = 'source'; fields[#fields + 1] = ARGV[4] end
if ARGV[9] ~= '' then fields[#fields + 1] = 'traceparent'; fields[#fields + 1] = ARGV[9] end
if string.byte(ARGV[1]) == 0 then fields[#fields + 1] = 'v'; fields[#fields + 1] = 2 end
local id = redis.call('XADD', KEYS[1], '*', unpack(fields))
redis.call('HINCRBY', KEYS[2], 'accepted', events)
redis.call('HINCRBY', KEYS[2], 'pending', events)
if ARGV[8] == '1' then redis.call('HINCRBY', KEYS[2], 'ambiguous', events) end
redis.call('SET', KEYS[3], id, 'EX', ARGV[6])
return {'added', id}
