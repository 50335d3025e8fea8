" What stands out in a conversation. Less than Markdown's own syntax, which takes long over long lines.
if exists("b:current_syntax") | finish | endif

syntax match codexUser "^> .*"
syntax match codexHeading "^#\{1,6} .*"
syntax match codexCode "`[^`]\+`"
syntax match codexItem "^    .*"
syntax region codexBlock start="^\z(`\{3,}\).*$" end="^\z1\s*$" keepend

highlight default link codexUser Title
highlight default link codexHeading Title
highlight default link codexCode String
highlight default link codexItem Identifier
highlight default link codexBlock String

" The virtual text.
highlight default link CodexRunning DiagnosticInfo
highlight default link CodexNote Comment
highlight default link CodexPlan Comment
highlight default link CodexPlanActive Title
highlight default link CodexDone Comment
highlight default link CodexFailed DiagnosticError

let b:current_syntax = "codex"
