"""How a page looks: in light and dark as the reader's machine is, and on a phone.

Proved by `tests/unit/transfer/test_html.py`.
"""

STYLE = """
:root { --paper: #fff; --ink: #1d1c1d; --soft: #5c5960; --line: #dddbe0; --fill: #f6f5f7; --link: #1059a5;
  --hit: #ffe48a; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #19181b; --ink: #e6e4e8; --soft: #a29fa7; --line: #3a383e; --fill: #232226; --link: #7fb7f2;
    --hit: #6b5500; }
}
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 50rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.5rem; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 0.5rem; border-top: 2px solid var(--line); padding-top: 1rem; }
h1, h2, .text, .file, dd, summary, pre { overflow-wrap: anywhere; }
a { color: var(--link); } .at { text-decoration: none; }
mark { background: var(--hit); color: inherit; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0 1rem; font-size: 0.85rem; color: var(--soft); }
dl, dd { margin: 0; }
.message { border-top: 1px solid var(--line); padding: 0.6rem 0; }
.assistant { background: var(--fill); padding: 0.6rem; border-radius: 0.3rem; }
.message:target { outline: 2px solid var(--link); }
.author { font-weight: 600; } .role, .note, .at, footer { color: var(--soft); font-size: 0.85rem; }
.text { white-space: pre-wrap; unicode-bidi: isolate; }
.file, .note { margin: 0.3rem 0; } .name { font-weight: 500; }
pre { white-space: pre-wrap; background: var(--fill); padding: 0.5rem; margin: 0.3rem 0; font-size: 0.85rem; }
.message pre { background: var(--paper); border: 1px solid var(--line); }
details { margin: 0.3rem 0; } summary { color: var(--soft); font-size: 0.85rem; cursor: pointer; }
img { max-width: 100%; max-height: 30rem; }
.reactions { list-style: none; display: flex; flex-wrap: wrap; gap: 0.4rem; padding: 0; margin: 0.3rem 0; }
.reactions li { border: 1px solid var(--line); border-radius: 1rem; padding: 0 0.6rem; }
@media print { details { display: block; } }
"""
