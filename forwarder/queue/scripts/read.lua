#!lua flags=allow-oom
-- Hand new entries to a drain, without waiting for any. When all have the same fields in the same order they come by
-- columns: for who receives them a few long lists are a tenth of the work that a list of lists per entry is.
--
-- KEYS[1] events stream   ARGV[1] group   ARGV[2] the drain's token   ARGV[3] most entries
-- ARGV[4] bytes in the entries' first fields after which no more are read
--
-- Returns {names of the fields, ids, values of the first field, of the second, ...}, or {{}, entries} when fields differ.
local SLICE = 64 -- entries of one read: more is not read of large ones that come after small ones
local WIDEST = 32 -- names and values in an entry that is handed over by columns

local most, room = tonumber(ARGV[3]), tonumber(ARGV[4])
local entries = {}
repeat
  local asked = math.min(SLICE, most - #entries)
  local reply = redis.call('XREADGROUP', 'GROUP', ARGV[1], ARGV[2], 'COUNT', asked, 'STREAMS', KEYS[1], '>')
  local slice = reply and reply[1][2] or {}
  for _, entry in ipairs(slice) do
    entries[#entries + 1] = entry
    room = room - #entry[2][2]
  end
until #slice < SLICE or #entries == most or room <= 0
if #entries == 0 then return {{}, {}} end

local first = entries[1][2]
if #first > WIDEST then return {{}, entries} end
local names, ids, columns = {}, {}, {}
for f = 1, #first, 2 do
  names[#names + 1], columns[#columns + 1] = first[f], {}
end
for i, entry in ipairs(entries) do
  local fields = entry[2]
  if #fields ~= #first then return {{}, entries} end
  for c, name in ipairs(names) do
    if fields[2 * c - 1] ~= name then return {{}, entries} end
    columns[c][i] = fields[2 * c]
  end
  ids[i] = entry[1]
end
return {names, ids, unpack(columns)}
