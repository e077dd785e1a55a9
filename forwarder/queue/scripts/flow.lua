#!lua flags=allow-oom
-- Put a new state of the flow in the place of the one that was read, and set a pause with it. A pause by hand stays as
-- it is, and one that ends later is not shortened.
--
-- KEYS[1] flow string    KEYS[2] pause hash
-- ARGV[1] '0' to read only   ARGV[2] the state as it was read, '' for none   ARGV[3] the new state
-- ARGV[4] its life (ms)      ARGV[5] reason of a pause, '' for none   ARGV[6] its kind   ARGV[7] its length (ms)
--
-- Returns {1 when the new state is in place, the state in force, the server's time (ms), pause as field and value}.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local current = redis.call('GET', KEYS[1]) or ''
local swapped = 0
if ARGV[1] == '1' and current == ARGV[2] then
  redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
  current, swapped = ARGV[3], 1
  local ends = now + tonumber(ARGV[7])
  local present = redis.call('HMGET', KEYS[2], 'kind', 'until')
  local by_hand = present[1] == 'hand'
  if ARGV[5] ~= '' and not by_hand and ends > tonumber(present[2] or 0) then
    redis.call('HSET', KEYS[2], 'reason', ARGV[5], 'kind', ARGV[6], 'until', string.format('%d', ends))
    redis.call('HSETNX', KEYS[2], 'since', string.format('%d', now))
    redis.call('PEXPIRE', KEYS[2], ARGV[7])
  end
end
return {swapped, current, now, redis.call('HGETALL', KEYS[2])}
