#!lua flags=allow-oom
-- Create the stream's group when it is missing; it begins with the first entry there is. allow-oom: XGROUP CREATE alone
-- is refused on a full Redis, also when the group exists, and then no drain could begin to empty it.
--
-- KEYS[1] events stream   ARGV[1] group
--
-- Returns 1 when it was created, 0 when it was there.
local created = redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0', 'MKSTREAM')
if not created.err then return 1 end
if string.find(created.err, 'BUSYGROUP', 1, true) then return 0 end
return created
