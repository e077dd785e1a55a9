#!lua flags=allow-oom
-- Note that a batch is about to be sent, so that whoever takes it over sends the same batch and knows that it may have
-- arrived. Fence: a drain whose lease was lost may have lost its entries too, and must not send them.
--
-- KEYS[1] lease string   KEYS[2] batches hash
-- ARGV[1] my token       ARGV[2] id of the batch   ARGV[3] its record: attempts, ambiguous events, events, entry ids
--
-- Returns 1, or 0 when the lease is not ours any more.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
redis.call('HSET', KEYS[2], ARGV[1] .. '/' .. ARGV[2], ARGV[3])
return 1
