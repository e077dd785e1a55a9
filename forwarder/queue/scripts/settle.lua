#!lua flags=allow-oom
-- Settle the entries of a batch: acknowledge, delete, bury what was refused, put back what has no outcome yet as new
-- entries, and count, all at once. allow-oom: a full Redis is emptied by settling, so settling must work on it.
--
-- Fence: an entry that somebody else settled meanwhile no longer exists; nothing of it is counted, buried or put back,
-- and its events are counted as ambiguous, because they were delivered twice. A settle that is repeated because its
-- reply was lost finds neither its records nor its entries, and counts nothing again. (A tally without entries is
-- counted by tally.lua.)
--
-- KEYS[1] events stream   KEYS[2] ledger hash   KEYS[3] dead stream   KEYS[4] batches hash
-- KEYS[5..] hashes of the replays that some of the entries are of
-- ARGV[1] group           ARGV[2] n, the number of entries
-- ARGV[3] events counted at the append, per entry, comma-separated, or one number for all; ARGV[4] events there really
-- are, likewise
-- ARGV[5] length of the tally   ARGV[6] number of dead letters   ARGV[7] number of pieces to put back
-- ARGV[8] fields of the batches' records, comma-separated              ARGV[9] '1' when a reply may have been lost
-- ARGV[10] per entry the place of its replay's hash in KEYS, 0 for none, comma-separated; '' when no entry is of a replay
-- ARGV[11] the n entry ids, comma-separated: one argument is less work for who sends it than thousands
-- then the tally as name and increment in turn; per letter the index of its entry (from 1) and the values of the fields
-- named in LETTER below; per piece the index of its entry, events, body, at (ms), ats ('' for none), source ('' for
-- none), replays, attempts, queued (ms), id of the replay ('' for none) and traceparents ('' for none).
--
-- Returns {entries settled, events lost to another settler}.
local LETTER = {'body', 'reason', 'status', 'error', 'attempts', 'at', 'source', 'batch', 'entry', 'replays'}
local SLICE = 1000 -- ids per call: Lua's unpack has room for some 8000

local function numbers(csv, length)
  local list = {}
  for number in string.gmatch(csv, '%d+') do list[#list + 1] = tonumber(number) end
  for i = #list + 1, length do list[i] = list[1] end
  return list
end

local function words(csv)
  local list = {}
  for word in string.gmatch(csv, '[^,]+') do list[#list + 1] = word end
  return list
end

local group, n = ARGV[1], tonumber(ARGV[2])
local counted, actual = numbers(ARGV[3], n), numbers(ARGV[4], n)
local tally_length, letters, pieces = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local at = 11
local ids, records = words(ARGV[11]), words(ARGV[8])

-- When every entry was still pending, all are ours and go in bulk; else each one's existence tells.
local acknowledged, settled, lost = 0, 0, 0
local foreign = {} -- by index: settled by somebody else
for first = 1, n, SLICE do
  acknowledged = acknowledged + redis.call('XACK', KEYS[1], group, unpack(ids, first, math.min(first + SLICE - 1, n)))
end
if acknowledged == n then
  for first = 1, n, SLICE do
    settled = settled + redis.call('XDEL', KEYS[1], unpack(ids, first, math.min(first + SLICE - 1, n)))
  end
else
  for i = 1, n do
    if redis.call('XDEL', KEYS[1], ids[i]) == 1 then
      settled = settled + 1
    else
      foreign[i], lost = true, lost + actual[i]
    end
  end
end

local recorded = #records > 0 and redis.call('HDEL', KEYS[4], unpack(records)) > 0
if ARGV[9] == '1' and settled == 0 and not recorded then
  return {0, 0} -- this very settle was done before
end

local accepted, pending, delivered = 0, 0, 0
for i = 1, n do
  if not foreign[i] then
    accepted = accepted + actual[i] - counted[i]
    pending = pending - counted[i]
    delivered = delivered + actual[i]
  end
end

for i = at + 1, at + tally_length, 2 do
  redis.call('HINCRBY', KEYS[2], ARGV[i], ARGV[i + 1])
end
at = at + tally_length

local place = ARGV[10] == '' and {} or numbers(ARGV[10], n)
local died, waits = {}, {} -- events of replays without the outcome `delivered`, by index of their entry

local buried = 0
for _ = 1, letters do
  if not foreign[tonumber(ARGV[at + 1])] then
    local fields = {}
    for f, name in ipairs(LETTER) do
      local value = ARGV[at + 1 + f]
      if value ~= '' then fields[#fields + 1] = name; fields[#fields + 1] = value end
    end
    redis.call('XADD', KEYS[3], '*', unpack(fields))
    redis.call('HINCRBY', KEYS[2], 'dead_lettered:' .. ARGV[at + 3], 1)
    buried = buried + 1
    local index = tonumber(ARGV[at + 1])
    if place[index] then died[index] = (died[index] or 0) + 1 end
  end
  at = at + 1 + #LETTER
end

local waiting = 0
for _ = 1, pieces do
  if not foreign[tonumber(ARGV[at + 1])] then
    local fields = {'body', ARGV[at + 3], 'events', ARGV[at + 2], 'at', ARGV[at + 4]}
    if ARGV[at + 5] ~= '' then fields[#fields + 1] = 'ats'; fields[#fields + 1] = ARGV[at + 5] end
    if ARGV[at + 6] ~= '' then fields[#fields + 1] = 'source'; fields[#fields + 1] = ARGV[at + 6] end
    if ARGV[at + 7] ~= '0' then fields[#fields + 1] = 'replays'; fields[#fields + 1] = ARGV[at + 7] end
    if ARGV[at + 8] ~= '0' then fields[#fields + 1] = 'attempts'; fields[#fields + 1] = ARGV[at + 8] end
    fields[#fields + 1] = 'queued'; fields[#fields + 1] = ARGV[at + 9]
    if string.byte(ARGV[at + 3]) == 0 then fields[#fields + 1] = 'v'; fields[#fields + 1] = 2 end
    if ARGV[at + 10] ~= '' then fields[#fields + 1] = 'replay'; fields[#fields + 1] = ARGV[at + 10] end
    if ARGV[at + 11] ~= '' then fields[#fields + 1] = 'traceparent'; fields[#fields + 1] = ARGV[at + 11] end
    redis.call('XADD', KEYS[1], '*', unpack(fields))
    waiting = waiting + tonumber(ARGV[at + 2])
    local index = tonumber(ARGV[at + 1])
    if place[index] then waits[index] = (waits[index] or 0) + tonumber(ARGV[at + 2]) end
  end
  at = at + 11
end

for i, key in ipairs(place) do
  if key > 0 and not foreign[i] and redis.call('EXISTS', KEYS[key]) == 1 then -- else it was long ago
    local dead = died[i] or 0
    redis.call('HINCRBY', KEYS[key], 'delivered', actual[i] - dead - (waits[i] or 0))
    redis.call('HINCRBY', KEYS[key], 'died', dead)
  end
end

local function count(name, increment)
  if increment ~= 0 then redis.call('HINCRBY', KEYS[2], name, increment) end
end
count('accepted', accepted)
count('pending', pending + waiting)
count('delivered', delivered - buried - waiting)
count('dead_lettered', buried)
count('entries_settled', settled)
count('ambiguous', lost)
return {settled, lost}
