"""Figures against bars and aims, and how they are shown."""
import datetime
import os
import platform
import statistics
import subprocess

median = statistics.median


def spread(values, digits=0):
    """Median (least-greatest)."""
    return "{0:,.{3}f} ({1:,.{3}f}-{2:,.{3}f})".format(median(values), min(values), max(values), digits)


class Figure:
    """One row. `value` is compared with `bar` and `aim`: at least them, or with `at_most` at most."""

    def __init__(self, name, ours, peer, value, bar, aim, at_most=False, unit="x", note=""):
        self.name, self.ours, self.peer, self.value, self.bar, self.aim = name, ours, peer, value, bar, aim
        self.at_most, self.unit, self.note = at_most, unit, note

    def verdict(self):
        def met(limit):
            return limit is None or (self.value <= limit if self.at_most else self.value >= limit)

        if not met(self.bar):
            return "NOT MET"
        if met(self.aim):
            return "aim met"
        return "no bar; aim not met" if self.bar is None else "bar met"

    def shown(self, number):
        if number is None:
            return "-"
        digits = 4 if abs(number) < 0.01 else 3 if abs(number) < 1 else 2
        return "%s%.*f %s" % ("<= " if self.at_most else ">= ", digits, number, self.unit)

    def cells(self):
        value = self.shown(self.value)[3:]
        return [self.name + (" (%s)" % self.note if self.note else ""), self.ours, self.peer, value, self.shown(self.bar), self.shown(self.aim),
                self.verdict()]


HEAD = ["figure", "ours: median (min-max)", "peer or limit", "value", "first bar", "aim", ""]


def machine():
    """Who measured, with what, when, beside how much else."""
    cpu = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())

    def first_line(*command):
        try:
            return subprocess.run(command, capture_output=True, text=True).stdout.splitlines()[0]
        except (OSError, IndexError):
            return "none"

    return [("date", datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")),
            ("processor", "%s, %d cores seen" % (cpu, os.cpu_count())), ("load", "%.1f %.1f %.1f" % os.getloadavg()),
            ("system", platform.platform()), ("Swift", first_line("swift", "--version")), ("C", first_line("gcc", "--version"))]


def markdown(sections):
    """Rows under their machines; `sections` is a list of (machine rows, figures, skipped lines)."""
    out = []
    for about, figures, skipped in sections:
        out += ["- %s: %s" % row for row in about] + ["", "| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD)]
        out += ["| " + " | ".join(cell.replace("|", "\\|") for cell in figure.cells()) + " |" for figure in figures]
        out += [""] + ["%s  " % line for line in skipped]
    return "\n".join(out) + "\n"
