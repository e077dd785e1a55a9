#!lua flags=allow-oom
-- Replace an entry that cannot travel as it is (too large for a batch, or with invalid events in it) by entries of
-- its good events, each small enough for a batch, and bury the invalid ones.
--
-- KEYS[1] events stream   KEYS[2] ledger hash   KEYS[3] dead stream
-- ARGV[1] group           ARGV[2] the entry's id
-- ARGV[3] events counted at the append   ARGV[4] events there really are
-- ARGV[5] at (ms)   ARGV[6] source ('' for none)   ARGV[7] replays
-- ARGV[8] number of pieces   ARGV[9] number of dead letters
-- then per piece: events, body; and per letter the values of the fields named in LETTER below.
--
-- Returns 1, or 0 when somebody else settled the entry meanwhile.
local LETTER = {'body', 'reason', 'status', 'error', 'attempts', 'at', 'source', 'batch', 'entry', 'replays'}

redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
if redis.call('XDEL', KEYS[1], ARGV[2]) == 0 then
  return 0
end
local claimed, actual = tonumber(ARGV[3]), tonumber(ARGV[4])
local pieces, letters = tonumber(ARGV[8]), tonumber(ARGV[9])
local at, good = 9, 0
for _ = 1, pieces do
  local fields = {'body', ARGV[at + 2], 'events', ARGV[at + 1], 'at', ARGV[5]}
  if ARGV[6] ~= '' then fields[#fields + 1] = 'source'; fields[#fields + 1] = ARGV[6] end
  if ARGV[7] ~= '0' then fields[#fields + 1] = 'replays'; fields[#fields + 1] = ARGV[7] end
  redis.call('XADD', KEYS[1], '*', unpack(fields))
  good = good + tonumber(ARGV[at + 1])
  at = at + 2
end
for _ = 1, letters do
  local fields = {}
  for f, name in ipairs(LETTER) do
    local value = ARGV[at + f]
    if value ~= '' then fields[#fields + 1] = name; fields[#fields + 1] = value end
  end
  redis.call('XADD', KEYS[3], '*', unpack(fields))
  redis.call('HINCRBY', KEYS[2], 'dead_lettered:' .. ARGV[at + 2], 1)
  at = at + #LETTER
end
redis.call('HINCRBY', KEYS[2], 'accepted', actual - claimed)
redis.call('HINCRBY', KEYS[2], 'pending', good - claimed)
redis.call('HINCRBY', KEYS[2], 'dead_lettered', letters)
redis.call('HINCRBY', KEYS[2], 'entries_settled', 1)
return 1
