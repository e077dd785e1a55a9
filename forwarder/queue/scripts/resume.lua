#!lua flags=allow-oom
-- End the pause of a destination.
--
-- KEYS[1] pause hash   ARGV[1] only one of this kind; '' for any
--
-- Returns 1 when there was one, 0 when not.
if ARGV[1] ~= '' and redis.call('HGET', KEYS[1], 'kind') ~= ARGV[1] then
  return 0
end
return redis.call('DEL', KEYS[1])
