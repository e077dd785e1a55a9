#!lua flags=allow-oom
-- Give a lease back, when it is still ours.
--
-- KEYS[1] lease string   ARGV[1] my token
--
-- Returns 1 when it was given back, 0 when it was not ours.
if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('DEL', KEYS[1])
end
return 0
