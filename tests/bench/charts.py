"""Charts as inline SVG: horizontal bars, and dots of several percentiles in a row.

Colours are classes; the page's style sheet gives them values for light and for dark.
"""
import html
import math

WIDTH, LABELS, VALUES, ROW, TOP, BOTTOM = 860, 230, 90, 24, 16, 46
PLOT = WIDTH - LABELS - VALUES


def short(value):
    """A number with three figures."""
    if value == 0:
        return "0"
    for factor, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= factor:
            return f"{value / factor:.3g}{letter}"
    return f"{value:.3g}"


class Axis:
    """The horizontal one: linear from 0, or logarithmic around the values."""

    def __init__(self, values, log):
        positive = [value for value in values if value > 0] or [1]
        self.log = log
        if log:
            self.low = 10 ** math.floor(math.log10(min(positive)))
            self.high = 10 ** math.ceil(math.log10(max(positive) * 1.0001))
        else:
            self.low, self.high = 0, max(positive) * 1.02

    def place(self, value):
        if not self.log:
            return LABELS + PLOT * value / self.high
        share = math.log10(max(value, self.low) / self.low) / math.log10(self.high / self.low)
        return LABELS + PLOT * share

    def ticks(self):
        if self.log:
            steps = round(math.log10(self.high / self.low))
            return [self.low * 10 ** i for i in range(steps + 1)]
        step = 10 ** math.floor(math.log10(self.high))
        step = next(s for s in (step / 5, step / 2, step, step * 2) if self.high / s <= 6)
        return [step * i for i in range(int(self.high / step) + 1)]


def text(x, y, content, *, style="", anchor="start"):
    place = f'x="{x:.1f}" y="{y:.1f}" class="{style}" text-anchor="{anchor}"'
    return f"<text {place}>{html.escape(content)}</text>"


def frame(title, axis, axis_label, count, marks, legend=""):
    """A whole figure around the `marks` of `count` rows."""
    bottom = TOP + ROW * count
    lines = []
    for tick in axis.ticks():
        x = axis.place(tick)
        lines.append(f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{bottom}" class="grid"/>')
        lines.append(text(x, bottom + 16, short(tick), style="tick", anchor="middle"))
    scale = ", logarithmic" if axis.log else ""
    lines.append(text(LABELS + PLOT / 2, bottom + 36, f"{axis_label}{scale}", style="tick", anchor="middle"))
    size = f'viewBox="0 0 {WIDTH} {bottom + BOTTOM}"'
    return (f"<figure><figcaption>{html.escape(title)}</figcaption>{legend}"
            f'<svg {size} role="img" aria-label="{html.escape(title)}">'
            f"{''.join(lines)}{''.join(marks)}</svg></figure>\n")


def bar_chart(title, axis_label, rows, *, log=False):
    """`rows`: (label, value, style), the style one of ours, plain, peer, floor."""
    axis = Axis([value for _, value, _ in rows], log)
    marks = []
    for index, (label, value, style) in enumerate(rows):
        y = TOP + ROW * index
        end = axis.place(value)
        marks.append(text(LABELS - 8, y + 16, label, style="label", anchor="end"))
        marks.append(f'<rect x="{LABELS}" y="{y + 4}" width="{max(end - LABELS, 1):.1f}" height="{ROW - 8}" '
                     f'rx="2" class="{style}"/>')
        marks.append(text(end + 6, y + 16, short(value), style="value"))
    return frame(title, axis, axis_label, len(rows), marks)


DOTS = (("p50", "p50", "dot1"), ("p99", "p99", "dot2"), ("p99.9", "p99.9", "dot3"), ("max", "longest", "dot4"))


def dot_chart(title, axis_label, rows):
    """`rows`: (label, {percentile: value}, style). Logarithmic."""
    axis = Axis([value for _, values, _ in rows for value in values.values()], True)
    marks = []
    for index, (label, values, style) in enumerate(rows):
        y = TOP + ROW * index + ROW / 2
        marks.append(text(LABELS - 8, y + 4, label, style=f"label {style}-label", anchor="end"))
        places = [axis.place(value) for value in values.values()]
        marks.append(f'<line x1="{min(places):.1f}" y1="{y}" x2="{max(places):.1f}" y2="{y}" class="range"/>')
        for key, _, dot in DOTS:
            if key in values:
                marks.append(f'<circle cx="{axis.place(values[key]):.1f}" cy="{y}" r="5" class="{dot}">'
                             f"<title>{key}: {short(values[key])}</title></circle>")
        if "max" in values:
            marks.append(text(max(places) + 9, y + 4, short(values["max"]), style="value"))
    shown = [dot for dot in DOTS if any(dot[0] in values for _, values, _ in rows)]
    legend = "".join('<span><svg width="12" height="12">'
                     f'<circle cx="6" cy="6" r="5" class="{dot}"/></svg> {name}</span>'
                     for _, name, dot in shown)
    return frame(title, axis, axis_label, len(rows), marks, f'<p class="legend">{legend}</p>')
