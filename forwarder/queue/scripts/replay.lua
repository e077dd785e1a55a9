#!lua
-- One page of a replay: move its letters back onto the queue, count them, and note how far the replay has come, all at
-- once. So whoever goes on after a kill -9 begins behind the last letter that moved, and a page that is sent again
-- because its reply was lost changes nothing. A letter that somebody else replayed or purged is passed over.
--
-- Letters of one service return in one entry: an array costs both ends a hundredth of what single events do. Where they
-- go to another destination that was done before (hand_over.lua), and here they only leave.
--
-- A page costs a tenth when it moves as a whole, for which each of its letters must still be there. Redis counts what it
-- ever deleted from the dead stream; less what this replay has moved, that is the witness: while it stays the same,
-- nobody else has taken a letter. (A server that came back without its last writes has lost the last letters first.)
--
-- KEYS[1] events stream    KEYS[2] ledger hash   KEYS[3] dead stream   KEYS[4] the replay's hash
-- ARGV[1] id               ARGV[2] my token      ARGV[3] life of my lease (ms)   ARGV[4] life of what is known (ms)
-- ARGV[5] cursor before the page                 ARGV[6] cursor behind it, the id of the last letter looked at
-- ARGV[7] backlog cap (events); '' when the letters go to another destination
-- ARGV[8] letters looked at   ARGV[9] of the selection   ARGV[10] kept: no valid event   ARGV[11] kept: replayed too often
-- ARGV[12] examples of the kept, JSON            ARGV[13] witness of before the letters were read; '' when not known
-- ARGV[14] groups; then per group: letters, at (ms), ats ('' for none), source ('' for none), replays (this one
-- included), and with commas between them: the ids, the sizes of the bodies, the bodies.
--
-- Returns {what happened, the fields in SHOWN, the witness ('' for none)}: 'moved' | 'full' when the backlog is at its
-- cap | 'lost' when somebody else runs it | 'stale' when its cursor is neither before nor behind the page | its state
-- when it is over.
local SHOWN = {'cursor', 'seen', 'matched', 'moved', 'kept', 'spent', 'gone', 'delivered', 'died'}
local FIRST, WIDTH = 15, 8 -- of the groups
local SLICE = 1000 -- ids per call: Lua's unpack has room for some 8000
local record = redis.call('HMGET', KEYS[4], 'holder', 'cursor', 'state')

local function witness()
  local reply = redis.pcall('XINFO', 'STREAM', KEYS[3])
  if reply.err then return '' end
  local stream = {}
  for i = 1, #reply, 2 do stream[reply[i]] = reply[i + 1] end
  local moved = redis.call('HGET', KEYS[4], 'moved') or 0
  return string.format('%d', stream['entries-added'] - stream['length'] - moved)
end

local function answer(what)
  return {what, redis.call('HMGET', KEYS[4], unpack(SHOWN)), witness()}
end

if record[1] ~= ARGV[2] then
  local over = record[3] ~= 'running' and record[3] ~= 'canary'
  return answer(over and record[3] or 'lost')
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[4], 'lease', string.format('%d', now + ARGV[3]), 'updated', string.format('%d', now))
redis.call('PEXPIRE', KEYS[4], ARGV[4])
if record[2] ~= ARGV[5] then return answer(record[2] == ARGV[6] and 'moved' or 'stale') end

local here, last = ARGV[7] ~= '', FIRST + WIDTH * (ARGV[14] - 1)

local function room_for_all()
  local events = 0
  for at = FIRST, last, WIDTH do events = events + ARGV[at] end
  local pending = tonumber(redis.call('HGET', KEYS[2], 'pending') or '0')
  return events == 0 or pending + events <= tonumber(ARGV[7])
end

local function split(texts)
  local list = {}
  for text in string.gmatch(texts, '[^,]+') do list[#list + 1] = text end
  return list
end

local function is_whole()
  if ARGV[13] == '' or ARGV[13] ~= witness() then return false end
  return #redis.call('XRANGE', KEYS[3], ARGV[6], ARGV[6]) == 1
end

-- What is there of a group goes away: how many letters that were, their bodies and their ats.
local function take_whole(at)
  local ids = split(ARGV[at + 5])
  for first = 1, #ids, SLICE do redis.call('XDEL', KEYS[3], unpack(ids, first, math.min(first + SLICE - 1, #ids))) end
  return #ids, ARGV[at + 7], ARGV[at + 2]
end

local function take_one_by_one(at)
  local sizes, later, bodies, ats, from = split(ARGV[at + 6]), split(ARGV[at + 2]), {}, {}, 1
  local taken = 0
  for i, id in ipairs(split(ARGV[at + 5])) do
    local size = tonumber(sizes[i] or 0)
    if redis.call('XDEL', KEYS[3], id) == 1 then
      taken = taken + 1
      bodies[taken], ats[taken] = string.sub(ARGV[at + 7], from, from + size - 1), later[i]
    end
    from = from + size + 1
  end
  return taken, table.concat(bodies, ','), table.concat(ats, ',')
end

if here and not room_for_all() then return answer('full') end
local take = is_whole() and take_whole or take_one_by_one
local moved, gone = 0, 0
for at = FIRST, last, WIDTH do
  local taken, bodies, ats = take(at)
  moved, gone = moved + taken, gone + ARGV[at] - taken
  if here and taken > 0 then
    local fields = {'body', taken == 1 and bodies or '[' .. bodies .. ']', 'events', taken, 'at', ARGV[at + 1]}
    local version = string.byte(bodies) == 0 and '2' or '' -- in a form; such a group is of one letter
    local others = {'replays', ARGV[at + 4], 'replay', ARGV[1], 'ats', ats, 'source', ARGV[at + 3], 'v', version}
    for i = 1, #others, 2 do
      if others[i + 1] ~= '' then fields[#fields + 1] = others[i]; fields[#fields + 1] = others[i + 1] end
    end
    redis.call('XADD', KEYS[1], '*', unpack(fields))
  end
end

local function count(key, name, increment)
  if tonumber(increment) ~= 0 then redis.call('HINCRBY', key, name, increment) end
end
if here then
  count(KEYS[2], 'replayed', moved)
  count(KEYS[2], 'pending', moved)
else
  count(KEYS[2], 'purged', moved)
  count(KEYS[2], 'purged:moved', moved)
  count(KEYS[2], 'ambiguous', gone) -- they were handed over too
  redis.call('HDEL', KEYS[4], 'sending')
end
count(KEYS[4], 'seen', ARGV[8])
count(KEYS[4], 'matched', ARGV[9])
count(KEYS[4], 'kept', ARGV[10])
count(KEYS[4], 'spent', ARGV[11])
count(KEYS[4], 'moved', moved)
count(KEYS[4], 'gone', gone)
redis.call('HSET', KEYS[4], 'cursor', ARGV[6])
if ARGV[12] ~= '' then redis.call('HSET', KEYS[4], 'examples', ARGV[12]) end
return answer('moved')
