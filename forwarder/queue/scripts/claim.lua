#!lua flags=allow-oom
-- Take over what dead drains left pending. A consumer is named by its lease's token, so it is dead when no lease holds
-- that token: no idle time has to pass, and an entry in a long backoff is never taken from a living drain.
-- Dead consumers with nothing pending are removed.
--
-- KEYS[1] events stream   KEYS[2..] the lease of every drain slot
-- ARGV[1] group   ARGV[2] my token   ARGV[3] most entries to take
--
-- Returns a list of {id, fields, times handed out}.
local alive = {[ARGV[2]] = true}
for i = 2, #KEYS do
  local token = redis.call('GET', KEYS[i])
  if token then alive[token] = true end
end
local function record(flat)
  local map = {}
  for i = 1, #flat, 2 do map[flat[i]] = flat[i + 1] end
  return map
end

local consumers = redis.pcall('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])
if consumers.err then return {} end -- no stream or no group yet: nothing is pending
local room, claimed = tonumber(ARGV[3]), {}
for _, flat in ipairs(consumers) do
  local consumer = record(flat)
  if not alive[consumer.name] and room > 0 then
    local pending = redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', room, consumer.name)
    if #pending == 0 then
      redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], consumer.name)
    else
      local ids, times = {}, {}
      for i, one in ipairs(pending) do
        ids[i] = one[1]
        times[one[1]] = one[4] + 1
      end
      for _, entry in ipairs(redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, unpack(ids))) do
        if entry then claimed[#claimed + 1] = {entry[1], entry[2], times[entry[1]]} end
      end
      room = room - #ids
    end
  end
end
return claimed
