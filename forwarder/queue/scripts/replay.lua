#!lua
-- Move dead letters back onto the queue; one that is gone (replayed or purged by somebody else) is passed over.
--
-- KEYS[1] events stream   KEYS[2] ledger hash   KEYS[3] dead stream
-- ARGV per letter: id, body, at (ms), source ('' for none), replays (this one included)
--
-- Returns the number of letters moved.
local moved = 0
for i = 1, #ARGV, 5 do
  if redis.call('XDEL', KEYS[3], ARGV[i]) == 1 then
    local fields = {'body', ARGV[i + 1], 'events', 1, 'at', ARGV[i + 2], 'replays', ARGV[i + 4]}
    if ARGV[i + 3] ~= '' then fields[#fields + 1] = 'source'; fields[#fields + 1] = ARGV[i + 3] end
    redis.call('XADD', KEYS[1], '*', unpack(fields))
    moved = moved + 1
  end
end
if moved > 0 then
  redis.call('HINCRBY', KEYS[2], 'replayed', moved)
  redis.call('HINCRBY', KEYS[2], 'pending', moved)
end
return moved
