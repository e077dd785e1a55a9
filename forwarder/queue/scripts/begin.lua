#!lua flags=allow-oom
-- Note that a batch is about to be sent, so that whoever takes it over sends the same batch and knows that it may have
-- arrived. Fence: a drain whose lease was lost may have lost its entries too, and must not send them; nor when it has
-- the lease again. Whoever takes over takes the oldest first, so the first entry tells for all of a batch.
--
-- KEYS[1] lease string   KEYS[2] batches hash      KEYS[3] events stream
-- ARGV[1] my token       ARGV[2] id of the batch   ARGV[3] its record: attempts, ambiguous events, events, entry ids
-- ARGV[4] group          ARGV[5] id of its first entry
--
-- Returns 1, or 0 when the lease or the batch is not ours any more.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
local pending = redis.pcall('XPENDING', KEYS[3], ARGV[4], ARGV[5], ARGV[5], 1, ARGV[1])
if pending.err or #pending == 0 then
  return 0 -- taken over, or the stream is gone
end
redis.call('HSET', KEYS[2], ARGV[1] .. '/' .. ARGV[2], ARGV[3])
return 1
