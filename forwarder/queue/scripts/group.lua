#!lua flags=allow-oom
-- Create the stream and its group when they are missing, also on a full Redis, which must be emptied.
--
-- KEYS[1] events stream   ARGV[1] group
--
-- Returns 1 when it was created, 0 when it was there.
local created = redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0', 'MKSTREAM')
if created.err then
  if string.find(created.err, 'BUSYGROUP') then return 0 end
  return created
end
return 1
