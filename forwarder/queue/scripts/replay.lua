#!lua
-- One page of a replay: move its letters back onto the queue, count them, and note how far the replay has come, all at
-- once. So whoever goes on after a kill -9 begins behind the last letter that moved, and a page that is sent again
-- because its reply was lost changes nothing. A letter that somebody else replayed or purged is passed over.
--
-- Letters that stood in one entry return in one: an array costs both ends a hundredth of what single events do. Where
-- they go to another destination that was done before (hand_over.lua), and here they only leave.
--
-- KEYS[1] events stream    KEYS[2] ledger hash   KEYS[3] dead stream   KEYS[4] the replay's hash
-- ARGV[1] id               ARGV[2] my token      ARGV[3] life of my lease (ms)   ARGV[4] life of what is known (ms)
-- ARGV[5] cursor before the page                 ARGV[6] cursor behind it
-- ARGV[7] backlog cap (events); '' when the letters go to another destination
-- ARGV[8] letters looked at   ARGV[9] of the selection   ARGV[10] kept: no valid event   ARGV[11] kept: replayed too often
-- ARGV[12] examples of the kept, JSON            ARGV[13] groups; then per group: letters, at (ms), source ('' for none),
-- replays (this one included), and per letter: id, body.
--
-- Returns {what happened, and the fields in SHOWN}: 'moved' | 'full' when the backlog is at its cap | 'lost' when
-- somebody else runs it | 'stale' when its
-- cursor is neither before nor behind the page | its state when it is over.
local SHOWN = {'cursor', 'seen', 'matched', 'moved', 'kept', 'spent', 'gone', 'delivered', 'died'}
local record = redis.call('HMGET', KEYS[4], 'holder', 'cursor', 'state')

local function answer(what)
  return {what, redis.call('HMGET', KEYS[4], unpack(SHOWN))}
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

local here, at = ARGV[7] ~= '', 14
local moved, gone = 0, 0

local function move_group(count)
  local bodies = {}
  for _ = 1, count do
    if redis.call('XDEL', KEYS[3], ARGV[at + 4]) == 1 then
      bodies[#bodies + 1] = ARGV[at + 5]
    else
      gone = gone + 1
    end
    at = at + 2
  end
  return bodies
end

local function add(body, events, first, source, replays)
  local fields = {'body', body, 'events', events, 'at', first, 'replays', replays, 'replay', ARGV[1]}
  if source ~= '' then fields[#fields + 1] = 'source'; fields[#fields + 1] = source end
  if string.byte(body) == 0 then fields[#fields + 1] = 'v'; fields[#fields + 1] = 2 end
  redis.call('XADD', KEYS[1], '*', unpack(fields))
end

local function room_for_all()
  local events, group = 0, 14
  for _ = 1, ARGV[13] do
    events = events + tonumber(ARGV[group])
    group = group + 4 + 2 * tonumber(ARGV[group])
  end
  local pending = tonumber(redis.call('HGET', KEYS[2], 'pending') or '0')
  return events == 0 or pending + events <= tonumber(ARGV[7])
end

if here and not room_for_all() then return answer('full') end
for _ = 1, ARGV[13] do
  local first, source, replays = ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  local bodies = move_group(tonumber(ARGV[at]))
  at = at + 4
  moved = moved + #bodies
  if here and #bodies > 0 then
    if string.byte(bodies[1]) == 0 then -- sealed one by one, and not to be joined here
      for _, body in ipairs(bodies) do add(body, 1, first, source, replays) end
    else
      add(#bodies == 1 and bodies[1] or '[' .. table.concat(bodies, ',') .. ']', #bodies, first, source, replays)
    end
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
