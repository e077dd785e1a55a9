#!lua
-- Begin a replay, or go on with one that is over; no two at once with the same filters and overlapping times.
--
-- KEYS[1] dead stream    KEYS[2] replaying hash   KEYS[3] replays sorted set   KEYS[4] the replay's hash
-- ARGV[1] id             ARGV[2] token of the process that runs it; '' when a worker is to
-- ARGV[3] life of its lease (ms)                  ARGV[4] how long what is known of it is kept (ms)
-- ARGV[5] digest of its filters                   ARGV[6] since (ms)   ARGV[7] until (ms)
-- ARGV[8..] fields and values of a new replay; nothing to go on with one
--
-- Returns {'begun', id} | {'runs', id of the other} | {'unknown', id}.
local id = ARGV[1]
local since, till = tonumber(ARGV[6]), tonumber(ARGV[7])
local running = redis.call('HGETALL', KEYS[2])
for i = 1, #running, 2 do
  local digest, first, last = string.match(running[i + 1], '^(%S+) (%d+) (%d+)$')
  if digest == ARGV[5] and tonumber(first) <= till and since <= tonumber(last) then return {'runs', running[i]} end
end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function stamp(ms) return string.format('%d', ms) end

if #ARGV > 7 then
  local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
  redis.call('HSET', KEYS[4], unpack(ARGV, 8))
  redis.call('HSET', KEYS[4], 'began', stamp(now), 'bound', newest and newest[1] or '0-0', 'cursor', '0-0')
  redis.call('HSET', KEYS[4], 'dead', redis.call('XLEN', KEYS[1]))
  redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', stamp(now - ARGV[4]))
  redis.call('ZADD', KEYS[3], stamp(now), id)
elseif redis.call('EXISTS', KEYS[4]) == 0 then
  return {'unknown', id}
end
local background = ARGV[2] == ''
redis.call('HSET', KEYS[4], 'state', 'running', 'holder', ARGV[2], 'background', background and 1 or 0, 'due', 0)
redis.call('HSET', KEYS[4], 'lease', background and 0 or stamp(now + ARGV[3]), 'note', '', 'updated', stamp(now))
redis.call('HDEL', KEYS[4], 'ended')
redis.call('PEXPIRE', KEYS[4], ARGV[4])
redis.call('HSET', KEYS[2], id, ARGV[5] .. ' ' .. ARGV[6] .. ' ' .. ARGV[7])
return {'begun', id}
