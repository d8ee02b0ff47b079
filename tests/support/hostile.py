"""Texts of others that terminals, markup languages and encoders take for more than text."""

HOSTILE: dict[str, str] = {
    "closing markup": "[/x]",
    "markup": "[bold red]x[/bold red][link=http://evil.example]y[/link]",
    "markup, escaped": "\\[/x]\\",
    "emoji code": "00:ab:cd :sparkles: :warning:",
    "ESC": "\x1b[31mred\x1b[2J\x1b[H",
    "OSC": "\x1b]0;title\x07\x1b]52;c;ZXZpbA==\x1b\\",
    "C1": "\x9b31m\x9d0;title\x9c",
    "controls": "".join(map(chr, [*range(1, 32), 127])),
    "lines": "first\nntbridge: forged\r\nsecond\u2028third\u2029fourth\x85fifth",
    "bidi": "a\u202egnp.exe\u2066b\u2069\u200f",
    "zero width": "a\u200bb\u200cc\u200dd\ufeffe\u00adf\u2060g",
    "invisible": "\u034f\u3164\u115f\ufe0f\U000e0041\u00a0\u3000",
    "combining": "e" + "\u0301" * 200,
    "wide": "日本語" * 40,
    "long": "x" * 10_000,
    "long and wide": "🙂" * 10_000,
    "empty": "",
    "blank": "   ",
    "lone surrogate": "a\udcffb\ud800",
}

ACTED_UPON = frozenset(
    map(chr, [*range(10), *range(11, 32), *range(127, 160), 0x2028, 0x2029])
) | set(
    "\u202e\u2066\u2069\u200f\u200b\u200c\u200d\ufeff\u00ad\u2060\u034f\u3164\u115f\ufe0f\U000e0041"
)
"""What must not reach a terminal, but for the line breaks and colours that are ours."""
