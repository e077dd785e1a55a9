#!lua flags=allow-oom
-- Take over what ended drains left pending: one batch that its drain had begun to send, whole, so that it keeps its
-- members and its key; or a page of entries that had been read but not sent; or one suspect.
--
-- A consumer is named by its lease's token, so it has ended when no lease holds that token: no idle time has to pass,
-- and an entry in a long backoff is never taken from a living drain. A consumer marked by leave.lua ended in order.
-- Of any other, what was being sent may have arrived, which is counted as ambiguous, and its entries count as handed
-- out once more. An entry that was handed out too often is a suspect: it may be what kills drains. Suspects are set
-- aside under a consumer of their own and handed out one at a time. Consumers with nothing pending are removed.
--
-- KEYS[1] events stream   KEYS[2] batches hash   KEYS[3] ledger hash   KEYS[4..] the lease of every drain slot
-- ARGV[1] group           ARGV[2] my token       ARGV[3] most entries of a page
-- ARGV[4] times handed out beyond which an entry is a suspect   ARGV[5] '1' when a suspect may be taken
--
-- Returns {id of the batch or '', attempts to send it, list of {id, fields, times handed out}}.
local SUSPECTS = 'suspects'
local group, me, suspicious = ARGV[1], ARGV[2], tonumber(ARGV[4])

local function record(flat)
  local map = {}
  for i = 1, #flat, 2 do map[flat[i]] = flat[i + 1] end
  return map
end

local claimed = {}
local function take(id, times)
  local entry = redis.call('XCLAIM', KEYS[1], group, me, 0, id, 'RETRYCOUNT', times)[1]
  if entry then claimed[#claimed + 1] = {id, entry[2], times} end
end

local function take_over(id, times)
  if times > suspicious then
    redis.call('XCLAIM', KEYS[1], group, SUSPECTS, 0, id, 'RETRYCOUNT', times, 'JUSTID')
  else
    take(id, times)
  end
end

-- A batch of the consumer; `died` is 1 unless it ended in order.
local function take_batch(consumer, field, died)
  local value = redis.call('HGET', KEYS[2], field)
  redis.call('HDEL', KEYS[2], field)
  local attempts, ambiguous, events, ids = string.match(value, '^(%d+) (%d+) (%d+) (.+)$')
  if died == 1 then redis.call('HINCRBY', KEYS[3], 'ambiguous', ambiguous + events) end
  local members = 0
  for id in string.gmatch(ids, '[^,]+') do
    members = members + 1
    local pending = redis.call('XPENDING', KEYS[1], group, id, id, 1, consumer)[1]
    if pending then take_over(id, pending[4] + died) end
  end
  if #claimed < members then return {'', attempts, claimed} end -- suspects left it: what remains is another batch
  local batch = string.sub(field, #consumer + 2)
  redis.call('HSET', KEYS[2], me .. '/' .. batch, value)
  return {batch, attempts, claimed}
end

local function take_page(consumer, died)
  local page = redis.call('XPENDING', KEYS[1], group, '-', '+', ARGV[3], consumer)
  for _, pending in ipairs(page) do take_over(pending[1], pending[4] + died) end
  if #page == 0 then
    redis.call('HDEL', KEYS[2], consumer .. '/')
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], group, consumer)
  end
end

local consumers = redis.pcall('XINFO', 'CONSUMERS', KEYS[1], group)
if consumers.err then return {'', 0, {}} end -- no stream or no group yet: nothing is pending
local alive = {[me] = true, [SUSPECTS] = true}
for i = 4, #KEYS do
  local token = redis.call('GET', KEYS[i])
  if token then alive[token] = true end
end
local fields
for _, flat in ipairs(consumers) do
  local consumer = record(flat).name
  if not alive[consumer] then
    fields = fields or redis.call('HKEYS', KEYS[2])
    local died = 1 - redis.call('HEXISTS', KEYS[2], consumer .. '/')
    for _, field in ipairs(fields) do
      if #field > #consumer + 1 and string.sub(field, 1, #consumer + 1) == consumer .. '/' then
        local batch = take_batch(consumer, field, died)
        if #claimed > 0 then return batch end
      end
    end
    take_page(consumer, died)
    if #claimed > 0 then return {'', 0, claimed} end
  end
end
if ARGV[5] == '1' then
  local suspect = redis.call('XPENDING', KEYS[1], group, '-', '+', 1, SUSPECTS)[1]
  if suspect then take(suspect[1], suspect[4]) end
end
return {'', 0, claimed}
