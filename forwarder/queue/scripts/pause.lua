#!lua flags=allow-oom
-- Pause a destination.
--
-- KEYS[1] pause hash   ARGV[1] reason   ARGV[2] since (ms)   ARGV[3] until (ms; '' for a pause without end)
-- ARGV[4] '1' to replace a pause that is in force, '0' to leave it
--
-- Returns 1 when it was set, 0 when another was left in force.
if ARGV[4] == '0' and redis.call('EXISTS', KEYS[1]) == 1 then
  return 0
end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'reason', ARGV[1], 'since', ARGV[2], 'until', ARGV[3])
if ARGV[3] ~= '' then redis.call('PEXPIREAT', KEYS[1], ARGV[3]) end
return 1
