#!lua flags=allow-oom
-- Delete dead letters for good, and count them.
--
-- KEYS[1] ledger hash   KEYS[2] dead stream   ARGV ids
--
-- Returns the number of letters deleted.
local purged = redis.call('XDEL', KEYS[2], unpack(ARGV))
if purged > 0 then redis.call('HINCRBY', KEYS[1], 'purged', purged) end
return purged
