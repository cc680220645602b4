"""Draws what a command printed as a picture of a terminal: draw.py COMMAND < output > picture.svg

Lines that are too long are broken where a terminal of that width has no room any more, at a blank.
"""

import re
import sys
import textwrap
from xml.sax.saxutils import escape

COLUMNS = 126
# Units of the picture for a column of the font, and for a line.
COLUMN, LINE = 7.1, 18
SIZE = 11.8
LEFT, TOP, BOTTOM = 20, 62, 20

STYLE = """
  .paper { fill: #ffffff; stroke: #d0d7de } .bar { fill: #f6f8fa } .edge { stroke: #d0d7de }
  text { fill: #24292f; font: %spx ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; white-space: pre }
  .label, .head, .title { fill: #6e7781 } .good { fill: #116329 } .bad { fill: #cf222e } .command { font-weight: bold }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #0d1117; stroke: #30363d } .bar { fill: #161b22 } .edge { stroke: #30363d }
    text { fill: #e6edf3 } .label, .head, .title { fill: #8b949e } .good { fill: #3fb950 } .bad { fill: #ff7b72 }
  }
""" % SIZE

# What stands out, the first that fits: how a piece of a line looks.
MARKS = [
    (re.compile(r"^(broker|shop|faults|went wrong|verdict|next|kept) "), "label"),
    (re.compile(r"^ +time orders .*"), "head"),
    (re.compile(r"✗.*"), "bad"),
    (re.compile(r"✓ ready again in [^:]*"), "good"),
    (re.compile(r"\bPASS\b"), "good command"),
    (re.compile(r"\bFAIL\b"), "bad command"),
    (re.compile(r"\b(lost|phantom) 0\b"), "good"),
]


def pieces(line):
    """The line as (text, class or None), one behind the other."""
    found = sorted(
        (match.start(), match.end(), look) for pattern, look in MARKS for match in pattern.finditer(line)
    )
    at = 0
    for start, end, look in found:
        if start < at:
            continue
        if at < start:
            yield line[at:start], None
        yield line[start:end], look
        at = end
    if at < len(line):
        yield line[at:], None


def broken(line):
    """The line as lines that fit; what goes on is indented as the text above it."""
    if len(line) <= COLUMNS:
        return [line]
    indent = re.match(r"^(\S+(?: \S+)*  +| *\S+  (?=✓|✗)| +)?", line).end()
    blanks = " " * indent
    text = textwrap.wrap(line[indent:], COLUMNS - indent, break_long_words=False, break_on_hyphens=False)
    return [line[:indent] + text[0]] + [blanks + more for more in text[1:]]


def main():
    command = sys.argv[1]
    lines = ["$ " + command] + [part for line in sys.stdin.read().rstrip("\n").split("\n") for part in broken(line)]
    width = round(2 * LEFT + COLUMNS * COLUMN)
    height = round(TOP + (len(lines) - 1) * LINE + BOTTOM)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="{escape(command)} and what it prints">',
        f"<style>{STYLE}</style>",
        f'<rect class="paper" x=".5" y=".5" width="{width - 1}" height="{height - 1}" rx="8"/>',
        f'<path class="bar" d="M1 34 V8.5 a7.5 7.5 0 0 1 7.5 -7.5 H{width - 8.5} a7.5 7.5 0 0 1 7.5 7.5 V34 Z"/>',
        f'<path class="edge" d="M1 34 H{width - 1}"/>',
        '<circle cx="20" cy="17" r="5.5" fill="#ff5f57"/><circle cx="38" cy="17" r="5.5" fill="#febc2e"/>'
        '<circle cx="56" cy="17" r="5.5" fill="#28c840"/>',
        f'<text class="title" x="{width / 2}" y="21" text-anchor="middle">{escape(command)}</text>',
    ]
    for number, line in enumerate(lines):
        y = round(TOP + number * LINE, 2)
        at = 0
        for text, look in [(line, "command")] if number == 0 else pieces(line):
            if text.strip():
                # Each piece stands at its own column with its own length: columns stay columns in every font.
                bare = text.lstrip(" ")
                column = at + len(text) - len(bare)
                bare = bare.rstrip(" ")
                shown = f' class="{look}"' if look else ""
                for run, start in spread(bare):
                    x = round(LEFT + (column + start) * COLUMN, 2)
                    length = round(len(run) * COLUMN, 2)
                    out.append(
                        f'<text{shown} x="{x}" y="{y}" textLength="{length}" lengthAdjust="spacingAndGlyphs">'
                        f"{escape(run)}</text>"
                    )
            at += len(text)
    out.append("</svg>")
    print("\n".join(out))


def spread(text):
    """Runs of words with single blanks, and where they begin: what is set in columns is set column by column."""
    return [(match.group(), match.start()) for match in re.finditer(r"\S+(?: \S+)*", text)]


main()
