"""build/bench-report.json and the tables of docs/performance.md."""

import json
import re
import time

BEGIN = "<!-- measured: begin (written by scripts/bench) -->"
END = "<!-- measured: end -->"


def write_json(path, machine, arguments, rows, figures, failures):
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({
        "measured_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "command": command_of(arguments),
        "machine": machine,
        "rows": rows,
        "figures": [{"name": figure.name, "measured": figure.measured, "unit": figure.unit, "goal": figure.goal,
                     "holds": figure.holds(), "note": figure.note, "parts": figure.parts} for figure in figures],
        "failures": failures,
    }, indent=2) + "\n")


def command_of(arguments):
    return " ".join(["scripts/bench", *arguments])


def number(value, form="{:.2f}"):
    return form.format(value) if value is not None else "-"


def verdict(row):
    if row["goal"] is None or row["ratio"] is None:
        return ""
    return "reached" if row["ratio"] >= row["goal"] else f"missed by {100 * (1 - row['ratio'] / row['goal']):.0f} %"


def goals_table(rows, figures):
    lines = ["| Workload | Against | Ours | Peer | Ratio (range of the rounds) | Goal | |",
             "| --- | --- | --- | --- | --- | --- | --- |"]
    for row in rows:
        if row["goal"] is None:
            continue
        extremes = " ({:.2f}-{:.2f})".format(*row["spread"]) if row["spread"] else ""
        lines.append(f"| {row['workload']} | {row['peer']} | {number(row['ours_s'])} s | {number(row['peer_s'])} s "
                     f"| {number(row['ratio'])}{extremes} | {row['goal']:g} | {verdict(row)} |")
    for figure in figures:
        lines.append(f"| {figure.name} | - | {figure.measured:g} {figure.unit} | - | - "
                     f"| at most {figure.goal:g} {figure.unit} | {'reached' if figure.holds() else 'missed'} |")
    return lines


def all_table(rows):
    lines = ["| Workload | Peer | Ours | Peer | Ratio | CPU s/GiB ours, peer | Memory of the clients ours, peer |",
             "| --- | --- | --- | --- | --- | --- | --- |"]
    for row in rows:
        settings = f" `{row['settings']}`" if row["settings"] else ""
        lines.append(f"| {row['workload']} | {row['peer']}{settings} | {number(row['ours_s'])} s "
                     f"| {number(row['peer_s'])} s | {number(row['ratio'])} "
                     f"| {number(row['ours_cpu_s_per_gib'])}, {number(row['peer_cpu_s_per_gib'])} "
                     f"| {number(row['ours_memory_mib'], '{:.0f}')}, {number(row['peer_memory_mib'], '{:.0f}')} MiB |")
    return lines


def parts_table(figure):
    columns = list(figure.parts[0])
    lines = [f"### {figure.name[0].upper()}{figure.name[1:]}", "",
             "| " + " | ".join(column.replace("_", " ") for column in columns) + " |", "| --- " * len(columns) + "|"]
    return lines + ["| " + " | ".join(str(row[column]) for column in columns) + " |" for row in figure.parts] + [""]


def markdown(machine, arguments, rows, figures, failures, notes):
    lines = [f"Measured {time.strftime('%Y-%m-%d', time.gmtime())} with `{command_of(arguments)}`.", ""]
    lines += ["| Machine | |", "| --- | --- |", *[f"| {name} | {text} |" for name, text in machine.items()], ""]
    lines += ["### Goals", "", *goals_table(rows, figures), ""]
    lines += ["### Everything", "", *all_table(rows), ""]
    if notes:
        lines += ["### What was compared", "", *[f"* {name}: {note}" for name, note in notes], ""]
    if figures:
        lines += ["### Figures in detail", "", *[f"* {figure.name}: {figure.note}" for figure in figures], ""]
    for figure in figures:
        if figure.parts:
            lines += parts_table(figure)
    if failures:
        lines += ["### Failed", "", *[f"* {failure.splitlines()[0]}" for failure in failures], ""]
    return "\n".join(lines)


def write_markdown(path, text):
    """Replaces what is between the markers; the rest of the document is written by people."""
    document = path.read_text()
    begin, end = document.index(BEGIN) + len(BEGIN), document.index(END)
    path.write_text(f"{document[:begin]}\n{text}\n{document[end:]}")


def rows_for_people(rows):
    return "\n".join(re.sub(r" *\| *", "  ", line).strip() for line in goals_table(rows, [])[2:])
