#!lua flags=allow-oom
-- A replay comes into another state, is given back, or ends. One that is over stays as it is.
--
-- KEYS[1] the replay's hash   KEYS[2] replaying hash
-- ARGV[1] id                  ARGV[2] my token; '' for whoever may cancel it
-- ARGV[3] state               ARGV[4] '1' when it is over then
-- ARGV[5] note                ARGV[6] '' to keep the lease; else it is given back, not to be taken for so long (ms)
-- ARGV[7..] further fields and values
--
-- Returns 1, or 0 when it was over, or is not ours.
local over = redis.call('HEXISTS', KEYS[2], ARGV[1]) == 0
if over or (ARGV[2] ~= '' and redis.call('HGET', KEYS[1], 'holder') ~= ARGV[2]) then return 0 end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local stamp = string.format('%d', now)
redis.call('HSET', KEYS[1], 'state', ARGV[3], 'note', ARGV[5], 'updated', stamp)
if #ARGV > 6 then redis.call('HSET', KEYS[1], unpack(ARGV, 7)) end
if ARGV[6] ~= '' then
  redis.call('HSET', KEYS[1], 'holder', '', 'lease', 0, 'due', string.format('%d', now + ARGV[6]))
end
if ARGV[4] == '1' then
  redis.call('HSET', KEYS[1], 'ended', stamp, 'holder', '', 'lease', 0)
  redis.call('HDEL', KEYS[2], ARGV[1])
end
return 1
