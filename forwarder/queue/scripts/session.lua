#!lua flags=allow-oom
-- Keep a login for a while, also on a full server, which somebody has to log in to mend.
--
-- KEYS[1] session hash   ARGV[1] its life (s)   ARGV[2..] fields and values
--
-- Returns 1.
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
return redis.call('EXPIRE', KEYS[1], ARGV[1])
