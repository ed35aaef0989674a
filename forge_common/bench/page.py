"""A report as one HTML page that loads nothing, from anywhere: its own rules forbid it to.

Whatever is text is escaped here; a result may hold what a server said.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from forge_common.bench.chart import svg
from forge_common.bench.charts import charts_of
from forge_common.bench.comparison import comparison_table, difference_table
from forge_common.bench.definitions import definitions
from forge_common.bench.result import BenchResult, remarks
from forge_common.bench.tables import (
    Table,
    failure_table,
    latency_table,
    setting_table,
    throughput_table,
)

STYLE = """
:root { color-scheme: light dark; --ink: #1c2024; --dim: #646b73; --rule: #d9dde1; --paper: #fff;
  --one: #1f6feb; --two: #d9730d; }
@media (prefers-color-scheme: dark) { :root { --ink: #e3e6e9; --dim: #9aa2ab; --rule: #353b42;
  --paper: #15181c; --one: #6cb0ff; --two: #f0a04b; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 84rem; margin: 2rem auto; padding: 0 1.2rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .8rem; border-bottom: 1px solid var(--rule); text-align: right; }
th:first-child, td:first-child, .text td { text-align: left; } th { color: var(--dim); }
.text td { overflow-wrap: anywhere; }
.worse { color: var(--two); } .better { color: var(--one); }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(26rem, 100%), 1fr));
  gap: 1rem 2rem; }
svg { width: 100%; height: auto; font: 11px system-ui, sans-serif; fill: var(--ink); }
.title { font-weight: 600; font-size: 13px; } .tick, .label { fill: var(--dim); }
.middle { text-anchor: middle; } .end { text-anchor: end; }
.grid { stroke: var(--rule); } .line, .dots { fill: none; stroke-width: 1.8; }
.dots { stroke-linecap: round; stroke-width: 4.5; stroke-opacity: .55; }
.series0 { stroke: var(--one); } .series1 { stroke: var(--two); }
.legend0 { fill: var(--one); } .legend1 { fill: var(--two); }
.remarks { border-left: 4px solid var(--two); padding-left: 1rem; }
footer { color: var(--dim); font-size: .85rem; margin-top: 3rem; }
"""
POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def run_page(result: BenchResult) -> str:
    summary = result.summary
    body = [
        _table(setting_table(result), "text"),
        _remarks(remarks(result)),
        "<h2>Results</h2>",
        _table(throughput_table(summary), "text"),
        _table(latency_table(summary)),
        *_table_if_any("What failed", failure_table(summary)),
        _charts({"run": result}),
    ]
    return _page(f"forge-bench: {result.settings.model}", body)


def comparison_page(first: BenchResult, second: BenchResult) -> str:
    both = {"A": first, "B": second}
    body = [_table(comparison_table(first, second))]
    body += _table_if_any("Settings that differ", difference_table(first, second))
    body.append(_charts(both))
    for name, result in both.items():
        body += [
            f"<h2>{name}</h2>",
            _table(setting_table(result), "text"),
            _remarks(remarks(result)),
            *_table_if_any("What failed", failure_table(result.summary)),
        ]
    return _page("forge-bench: B against A", body)


def _page(title: str, body: Iterable[str]) -> str:
    notes = "\n".join(f"<p>{escape(text)}</p>" for text in definitions())
    return "\n".join(
        (
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">',
            '<meta name="viewport" content="width=device-width">',
            f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>",
            f"<h1>{escape(title)}</h1>",
            *body,
            f"<footer><h2>What the words mean</h2>\n{notes}</footer>\n</body>\n</html>\n",
        )
    )


def _charts(results: Mapping[str, BenchResult]) -> str:
    drawn = "\n".join(f"<div>{svg(chart)}</div>" for chart in charts_of(results))
    return f'<h2>Plots</h2>\n<div class="charts">{drawn}</div>'


def _remarks(sentences: Sequence[str]) -> str:
    if not sentences:
        return ""
    return f'<div class="remarks">{"".join(f"<p>{escape(each)}</p>" for each in sentences)}</div>'


def _table_if_any(title: str, table: Table) -> list[str]:
    return [f"<h2>{escape(title)}</h2>", _table(table, "text")] if table.rows else []


def _table(table: Table, kind: str = "") -> str:
    heading = "".join(f"<th>{escape(cell)}</th>" for cell in table.heading)
    rows = "\n".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in table.rows)
    return f'<div class="wide"><table class="{kind}">\n<tr>{heading}</tr>\n{rows}\n</table></div>'


def _cell(text: str) -> str:
    kind = f' class="{text}"' if text in ("better", "worse") else ""
    return f"<td{kind}>{escape(text)}</td>"
