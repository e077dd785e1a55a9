#!lua flags=allow-oom
-- Promise the first free drain slot to a new drain, when there is work for it. The promise keeps others from waking
-- another one; it runs out when no drain comes, and the drain that comes first takes it.
--
-- KEYS[1] events stream   KEYS[2..] the lease of every drain slot that may be taken
-- ARGV[1] life of the promise (ms)   ARGV[2] group
-- ARGV[3] 0: any entry on the stream is work; else only an entry that nobody has read for so long (ms)
--
-- Returns {index of the slot among the given ones from 0, or -1; 1 when the first of them is taken; the newest id}.
if redis.call('EXISTS', KEYS[1]) == 0 then
  return {-1, redis.call('EXISTS', KEYS[2]), '0-0'}
end
local function record(flat)
  local map = {}
  for i = 1, #flat, 2 do map[flat[i]] = flat[i + 1] end
  return map
end

local function unread_for_ms()
  for _, flat in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
    local group = record(flat)
    if group.name == ARGV[2] then
      local next_one = redis.call('XRANGE', KEYS[1], '(' .. group['last-delivered-id'], '+', 'COUNT', 1)[1]
      if not next_one then return 0 end
      local now = redis.call('TIME')
      return now[1] * 1000 + math.floor(now[2] / 1000) - tonumber(string.match(next_one[1], '^%d+'))
    end
  end
  return 0
end

local newest = record(redis.call('XINFO', 'STREAM', KEYS[1]))['last-generated-id']
local work = redis.call('XLEN', KEYS[1]) > 0
if work and tonumber(ARGV[3]) > 0 then work = unread_for_ms() >= tonumber(ARGV[3]) end
local index = -1
if work then
  for i = 2, #KEYS do
    if redis.call('SET', KEYS[i], 'promised', 'NX', 'PX', ARGV[1]) then
      index = i - 2
      break
    end
  end
end
return {index, redis.call('EXISTS', KEYS[2]), newest}
