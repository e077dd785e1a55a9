#!lua flags=no-writes
-- Count a page of the entries that wait, by the field that their append wrote; no body leaves the server.
--
-- KEYS[1] events stream   ARGV[1] where the page begins (as XRANGE takes it)   ARGV[2] most entries
--
-- Returns {entries with the field `events`, their events, entries without it, the last id or '' when there was none}.
local page = redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', ARGV[2])
local counted, events, uncounted, last = 0, 0, 0, ''
for _, entry in ipairs(page) do
  local found
  for i = 1, #entry[2], 2 do
    if entry[2][i] == 'events' then found = string.match(entry[2][i + 1], '^%d+$') end
  end
  if found and #found < 16 then
    counted, events = counted + 1, events + tonumber(found)
  else
    uncounted = uncounted + 1
  end
  last = entry[1]
end
return {counted, events, uncounted, last}
