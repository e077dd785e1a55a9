#!lua flags=allow-oom
-- A drain ends: give its lease back when it is still its own, and mark what it leaves pending, so that the drain that
-- takes it over knows that nothing of it may have arrived uncounted. A consumer with nothing pending is removed, and
-- with it the records of batches that were settled in another shape.
--
-- KEYS[1] lease string   KEYS[2] events stream   KEYS[3] batches hash
-- ARGV[1] my token       ARGV[2] group           ARGV[3] '0' when something may have: then it is not marked
--
-- Returns 1 when the lease was given back, 0 when it was not ours any more.
local pending = redis.pcall('XPENDING', KEYS[2], ARGV[2], '-', '+', 1, ARGV[1])
if not pending.err then -- else there is no stream or no group: nothing is pending
  if #pending > 0 then
    if ARGV[3] == '1' then redis.call('HSET', KEYS[3], ARGV[1] .. '/', 'left') end
  else
    redis.call('XGROUP', 'DELCONSUMER', KEYS[2], ARGV[2], ARGV[1])
    for _, field in ipairs(redis.call('HKEYS', KEYS[3])) do
      if string.sub(field, 1, #ARGV[1] + 1) == ARGV[1] .. '/' then redis.call('HDEL', KEYS[3], field) end
    end
  end
end
if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('DEL', KEYS[1])
end
return 0
