-- Neovim with nvim-dap steps through a recording; what it shows is written as JSON.
local asked = vim.json.decode(vim.env.ASKED)
local dap = require("dap")
dap.adapters["rcnn-tracer"] = { type = "executable", command = asked.command, args = { "dap" }, options = { initialize_timeout_sec = 300 } }

local stops = 0
dap.listeners.after.scopes["test"] = function() stops = stops + 1 end

-- Where it stands after a movement: the call, and what is in the window.
local function after(move)
  local before = stops
  move()
  assert(vim.wait(300000, function() return stops > before end), "it never stopped")
  vim.wait(200)
  local frame = dap.session().current_frame
  local values = {}
  for _, variable in ipairs(frame.scopes[1].variables or {}) do values[variable.name] = variable.value end
  return { name = frame.name, line = vim.api.nvim_win_get_cursor(0)[1], file = vim.api.nvim_buf_get_name(0), locals = values }
end

local function typed(command)
  local answer
  dap.session():evaluate({ expression = command, context = "repl" }, function(error, response) answer = error or response end)
  assert(vim.wait(300000, function() return answer end), "no answer")
  return answer.result or answer.message
end

local ok, found = pcall(function()
  local found = { back = {} }
  found.entry = after(function() dap.run({ type = "rcnn-tracer", request = "launch", name = "pass", recording = asked.recording }) end)
  vim.cmd.edit(asked.file)
  vim.api.nvim_win_set_cursor(0, { asked.line, 0 })
  dap.set_breakpoint(asked.condition)
  found.broken = after(dap.continue)
  for i = 1, 2 do found.back[i] = after(dap.step_back) end
  found.typed = typed(asked.typed)
  found.written = after(dap.reverse_continue)
  dap.terminate()
  vim.wait(5000, function() return dap.session() == nil end)
  found.over = dap.session() == nil
  return found
end)
io.stdout:write(vim.json.encode(ok and found or { error = tostring(found) }))
vim.cmd("qall!")
