--- Lists whose members can be taken out wherever they are, in one step: of those who wait, some give up.

local M = {}

---@class codex.List
---@field first? codex.ListMember
---@field last? codex.ListMember

--- Any table, of one list at a time.
---@class codex.ListMember
---@field list? codex.List that it is in
---@field before? codex.ListMember
---@field after? codex.ListMember

--- Puts a table behind all others.
---@param list codex.List
---@param member codex.ListMember
function M.append(list, member)
  local last = list.last
  member.list, member.before, list.last = list, last, member
  if last then
    last.after = member
  else
    list.first = member
  end
end

--- Takes a table out of the list that it is in, if it is in one.
---@param member codex.ListMember
function M.remove(member)
  local list, before, after = member.list, member.before, member.after
  if not list then return end
  if before then
    before.after = after
  else
    list.first = after
  end
  if after then
    after.before = before
  else
    list.last = before
  end
  member.list, member.before, member.after = nil, nil, nil
end

return M
