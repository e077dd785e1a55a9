#!lua flags=no-writes
-- Everything that the books are made of, at one moment.
--
-- KEYS[1] events stream   KEYS[2] ledger hash   KEYS[3] dead stream   KEYS[4..] the lease of every drain slot
--
-- Returns {ledger as name and value in turn, events length, entries ever added, oldest entry's id or '', dead length,
-- leases taken}.
local added, oldest = 0, ''
local length = redis.call('XLEN', KEYS[1])
if redis.call('EXISTS', KEYS[1]) == 1 then
  local info = redis.call('XINFO', 'STREAM', KEYS[1])
  for i = 1, #info, 2 do
    if info[i] == 'entries-added' then added = info[i + 1] end
  end
  local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)
  if first[1] then oldest = first[1][1] end
end
local taken = 0
for i = 4, #KEYS do taken = taken + redis.call('EXISTS', KEYS[i]) end
return {redis.call('HGETALL', KEYS[2]), length, added, oldest, redis.call('XLEN', KEYS[3]), taken}
