#!lua flags=allow-oom
-- Count one try to log in; the count begins anew a while after the first.
--
-- KEYS[1] counter   ARGV[1] that while (s)
--
-- Returns the tries so far, this one included.
local count = redis.call('INCR', KEYS[1])
if count == 1 then
  redis.call('EXPIRE', KEYS[1], ARGV[1])
end
return count
