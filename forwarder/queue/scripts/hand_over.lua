#!lua
-- Take a page of another destination's dead letters onto this queue. It is another slot of a cluster, so this is not
-- one step with their leaving there: they leave after this was done, and a page that comes again is taken once.
--
-- KEYS[1] events stream   KEYS[2] ledger hash   KEYS[3] chunk string (the trace of this page)   KEYS[4] the replay's hash
-- ARGV[1] id of the replay                      ARGV[2] life of trace and hash (ms)   ARGV[3] backlog cap (events)
-- ARGV[4] events of them that may have been taken before   ARGV[5] events   ARGV[6] groups; then per group: events,
-- at (ms), ats ('' for none), source ('' for none), replays, body.
--
-- Returns 1 when they are on the queue, 0 when the backlog is at its cap.
if redis.call('SET', KEYS[3], 1, 'XX', 'PX', ARGV[2]) then return 1 end -- a write, for a WAIT behind it
local events, at = tonumber(ARGV[5]), 7
if tonumber(redis.call('HGET', KEYS[2], 'pending') or '0') + events > tonumber(ARGV[3]) then return 0 end
for _ = 1, ARGV[6] do
  local fields = {'body', ARGV[at + 5], 'events', ARGV[at], 'at', ARGV[at + 1], 'replays', ARGV[at + 4]}
  fields[#fields + 1] = 'replay'
  fields[#fields + 1] = ARGV[1]
  if ARGV[at + 2] ~= '' then fields[#fields + 1] = 'ats'; fields[#fields + 1] = ARGV[at + 2] end
  if ARGV[at + 3] ~= '' then fields[#fields + 1] = 'source'; fields[#fields + 1] = ARGV[at + 3] end
  if string.byte(ARGV[at + 5]) == 0 then fields[#fields + 1] = 'v'; fields[#fields + 1] = 2 end
  redis.call('XADD', KEYS[1], '*', unpack(fields))
  at = at + 6
end
redis.call('HINCRBY', KEYS[2], 'accepted', events)
redis.call('HINCRBY', KEYS[2], 'accepted:moved', events)
redis.call('HINCRBY', KEYS[2], 'pending', events)
if ARGV[4] ~= '0' then redis.call('HINCRBY', KEYS[2], 'ambiguous', ARGV[4]) end
redis.call('SET', KEYS[3], 1, 'PX', ARGV[2])
redis.call('HSETNX', KEYS[4], 'delivered', 0)
redis.call('PEXPIRE', KEYS[4], ARGV[2])
return 1
