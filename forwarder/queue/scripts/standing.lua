#!lua flags=no-writes
-- What waits and what is under way, beyond what the books say.
--
-- KEYS[1] events stream   KEYS[2] batches hash
-- ARGV[1] group
--
-- Returns {bytes of Redis's memory that the stream takes (an estimate from five of its nodes), entries that a drain holds,
-- batches that are being sent}.
if redis.call('EXISTS', KEYS[1]) == 0 then return {0, 0, 0} end
local bytes = redis.call('MEMORY', 'USAGE', KEYS[1], 'SAMPLES', 5)
local held = redis.pcall('XPENDING', KEYS[1], ARGV[1]) -- an error while there is no group yet
local sent = 0
for _, name in ipairs(redis.call('HKEYS', KEYS[2])) do
  if string.sub(name, -1) ~= '/' then sent = sent + 1 end
end
return {bytes or 0, held.err and 0 or held[1], sent}
