#!lua flags=allow-oom
-- Add an entry to the trail, also on a full server: purging is what mends it.
--
-- KEYS[1] trail stream   ARGV[1] entries that are kept, about   ARGV[2..] fields and values
--
-- Returns the entry's id.
return redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', unpack(ARGV, 2))
