#!lua flags=allow-oom
-- Pause a destination, by the server's clock: those of workers may differ.
--
-- KEYS[1] pause hash   ARGV[1] reason   ARGV[2] length (ms; '' for a pause without end)
-- ARGV[3] '1' to replace a pause that is in force, '0' to leave it
--
-- Returns 1 when it was set, 0 when another was left in force.
if ARGV[3] == '0' and redis.call('EXISTS', KEYS[1]) == 1 then
  return 0
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'reason', ARGV[1], 'since', string.format('%d', now))
if ARGV[2] ~= '' then
  redis.call('HSET', KEYS[1], 'until', string.format('%d', now + tonumber(ARGV[2])))
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 1
