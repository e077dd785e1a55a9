#!lua flags=allow-oom
-- Write down how a destination stands, when nobody has done so lately: the last hour, as charts show it.
--
-- KEYS[1] history stream   KEYS[2] ledger hash   KEYS[3] events stream   KEYS[4] dead stream
-- ARGV[1] time between two samples (ms)   ARGV[2] samples that are kept
--
-- Returns 1 when a sample was written, 0 when the last one is too young.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
if last and now - tonumber(string.match(last[1], '^%d+')) < tonumber(ARGV[1]) then return 0 end

local sums = redis.call('HMGET', KEYS[2], 'accepted', 'replayed', 'delivered', 'dead_lettered', 'pending')
local oldest = redis.call('XRANGE', KEYS[3], '-', '+', 'COUNT', 1)[1]
local age = oldest and math.max(0, now - tonumber(string.match(oldest[1], '^%d+'))) or 0
local numbers = {string.format('%d', now)}
for i = 1, 5 do numbers[#numbers + 1] = sums[i] or '0' end
numbers[#numbers + 1] = redis.call('XLEN', KEYS[3])
numbers[#numbers + 1] = redis.call('XLEN', KEYS[4])
numbers[#numbers + 1] = string.format('%d', age)
redis.call('XADD', KEYS[1], 'MAXLEN', '=', ARGV[2], numbers[1] .. '-0', 'sample', '[' .. table.concat(numbers, ',') .. ']')
return 1
