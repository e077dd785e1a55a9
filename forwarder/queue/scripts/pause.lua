#!lua flags=allow-oom
-- Pause a destination by hand, by the server's clock: those of workers may differ. Replaces a pause that is in force.
--
-- KEYS[1] pause hash   ARGV[1] reason   ARGV[2] length (ms; '' for a pause without end)
--
-- Returns 1.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'reason', ARGV[1], 'kind', 'hand', 'since', string.format('%d', now))
if ARGV[2] ~= '' then
  redis.call('HSET', KEYS[1], 'until', string.format('%d', now + tonumber(ARGV[2])))
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 1
