#!lua flags=allow-oom
-- Note that batches are about to be sent, so that whoever takes one over sends the same batch and knows that it may have
-- arrived. Fence: a drain whose lease was lost may have lost its entries too, and must not send them; nor when it has
-- the lease again. Whoever takes over takes the oldest first, so the oldest entry tells for all of a batch.
--
-- KEYS[1] lease string   KEYS[2] batches hash   KEYS[3] events stream
-- ARGV[1] my token       ARGV[2] group
-- then per batch: its id; its record (attempts, ambiguous events, events, entry ids); the id of its oldest entry
--
-- Returns for each batch 1, or 0 when the lease or the batch is not ours any more.
local holds = redis.call('GET', KEYS[1]) == ARGV[1]
local begun = {}
for i = 3, #ARGV, 3 do
  local pending = holds and redis.pcall('XPENDING', KEYS[3], ARGV[2], ARGV[i + 2], ARGV[i + 2], 1, ARGV[1])
  if not pending or pending.err or #pending == 0 then -- taken over, or the stream is gone
    begun[#begun + 1] = 0
  else
    redis.call('HSET', KEYS[2], ARGV[1] .. '/' .. ARGV[i], ARGV[i + 1])
    begun[#begun + 1] = 1
  end
end
return begun
