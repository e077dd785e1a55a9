#!lua flags=allow-oom
-- Delete dead letters for good, and count them, also by cause.
--
-- KEYS[1] ledger hash   KEYS[2] dead stream   ARGV[1] cause   ARGV[2..] ids
--
-- Returns the number of letters deleted.
local purged = redis.call('XDEL', KEYS[2], unpack(ARGV, 2))
if purged > 0 then
  redis.call('HINCRBY', KEYS[1], 'purged', purged)
  redis.call('HINCRBY', KEYS[1], 'purged:' .. ARGV[1], purged)
end
return purged
