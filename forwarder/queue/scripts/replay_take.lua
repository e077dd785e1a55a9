#!lua flags=allow-oom
-- Take a replay that nobody runs; or promise it to a job, which takes it then. A promise runs out when no job comes.
--
-- KEYS[1] the replay's hash   KEYS[2] replaying hash
-- ARGV[1] id   ARGV[2] my token, or 'promised'   ARGV[3] life of the lease (ms)
--
-- Returns 'taken' | 'held' when somebody runs it | 'early' when it is not due | 'over' | 'gone' when it is forgotten.
local state = redis.call('HMGET', KEYS[1], 'state', 'holder', 'lease', 'due', 'background')
if not state[1] then
  redis.call('HDEL', KEYS[2], ARGV[1])
  return 'gone'
end
if redis.call('HEXISTS', KEYS[2], ARGV[1]) == 0 then return 'over' end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local promising = ARGV[2] == 'promised'
if tonumber(state[3]) > now and (promising or state[2] ~= 'promised') then return 'held' end
if promising and (state[5] ~= '1' or tonumber(state[4]) > now) then return 'early' end
redis.call('HSET', KEYS[1], 'holder', ARGV[2], 'lease', string.format('%d', now + ARGV[3]))
return 'taken'
