"""The style sheet of the report: light and dark, wide and narrow, no font or picture from elsewhere."""

CSS = """
:root { color-scheme: light dark;
  --page: #fbfbfa; --card: #ffffff; --ink: #1d2125; --soft: #5b646d; --line: #dfe2e6;
  --kept: #2b7a5b; --dropped: #c2542d; --quarantined: #8a6d00; --quiet: #8fa3b5; --mark: #1d2125; }
@media (prefers-color-scheme: dark) { :root {
  --page: #14171a; --card: #1c2024; --ink: #e7eaed; --soft: #a3adb7; --line: #333a41;
  --kept: #4fb08a; --dropped: #ea8a62; --quarantined: #dcb63c; --quiet: #66798a; --mark: #f2f4f6; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-padding-top: 3.2rem; }
body { margin: 0 auto; max-width: 72rem; padding: 0 1rem 4rem; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.7rem; margin: 1.6rem 0 .2rem; line-height: 1.2; }
h2 { font-size: 1.25rem; margin: 2.4rem 0 .6rem; }
h3 { font-size: 1rem; margin: 1.4rem 0 .4rem; }
p { margin: .4rem 0; } .note, .place, small, figcaption { color: var(--soft); } .note { max-width: 46rem; }
code, pre { font: .86em/1.45 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
nav { position: sticky; top: 0; z-index: 1; background: var(--page); border-bottom: 1px solid var(--line);
  margin: .8rem -1rem 0; padding: .55rem 1rem; overflow-x: auto; white-space: nowrap; font-size: .92rem; }
nav a { color: inherit; margin-right: 1rem; text-underline-offset: .25em; text-decoration-color: var(--quiet); }
:focus-visible { outline: 2px solid var(--kept); outline-offset: 2px; }
.tiles { display: grid; gap: .7rem; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); margin: 1.2rem 0; }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .7rem .9rem; }
.tile b { display: block; font-size: 1.45rem; line-height: 1.25; font-variant-numeric: tabular-nums; }
.tile span { color: var(--soft); font-size: .88rem; }
.tile.kept b { color: var(--kept); } .tile.dropped b { color: var(--dropped); }
.tile.quarantined b { color: var(--quarantined); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .35rem .9rem .35rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { font-weight: 600; color: var(--soft); white-space: nowrap; } .n { text-align: right; white-space: nowrap; }
td { overflow-wrap: break-word; min-width: 3.5rem; } td.n { min-width: 0; }
.bar { display: flex; height: .85rem; min-width: 8rem; background: var(--line); border-radius: 2px; overflow: hidden; }
.bar i { display: block; min-width: 1px; } i.kept, .key.kept { background: var(--kept); }
i.dropped, .key.dropped { background: var(--dropped); } i.quarantined, .key.quarantined { background: var(--quarantined); }
i.rest, .key.quiet { background: var(--quiet); } h4 { font-size: .95rem; margin: 1.2rem 0 .3rem; }
svg.map { height: auto; } svg.map .rest { fill: var(--quiet); fill-opacity: .55; }
svg.map .chosen { fill: var(--kept); fill-opacity: .8; } i.gone { background: transparent; } .key { display: inline-block; width: .8em; height: .8em; border-radius: 2px;
  margin: 0 .35em 0 .9em; } .key:first-child { margin-left: 0; }
.funnel { display: grid; grid-template-columns: 10rem 1fr; gap: .1rem 1rem; margin: .8rem 0; }
.funnel > div { padding: .35rem 0; } .funnel .bar { height: 1.25rem; } .funnel .figures { font-size: .88rem;
  color: var(--soft); font-variant-numeric: tabular-nums; } .funnel b { font-weight: 600; }
details { margin: .35rem 0; } summary { cursor: pointer; padding: .2rem 0; } td details { margin: 0; }
.rule { border-top: 1px solid var(--line); padding: .5rem 0 .3rem; display: grid; gap: .2rem 1.5rem;
  grid-template-columns: 3fr 2fr; } .rule .bar { height: .5rem; margin-top: .3rem; }
.rule + details > summary { font-size: .9rem; color: var(--soft); }
.rule .figures { color: var(--soft); font-size: .9rem; font-variant-numeric: tabular-nums; }
.rule .figures b { color: var(--dropped); }
.example { background: var(--card); border: 1px solid var(--line); border-radius: .4rem; padding: .5rem .7rem;
  margin: .5rem 0; font-size: .9rem; } .example p { margin: 0 0 .2rem; }
.example pre, pre.block { margin: .35rem 0 0; white-space: pre-wrap; overflow-wrap: anywhere; max-height: 22rem;
  overflow: auto; unicode-bidi: plaintext; }
.example.kept { border-left: 4px solid var(--kept); } .example.dropped { border-left: 4px solid var(--dropped); }
pre.block { background: var(--card); border: 1px solid var(--line); border-radius: .4rem; padding: .7rem .9rem;
  max-height: none; }
.charts { display: grid; gap: 1rem 1.4rem; grid-template-columns: repeat(auto-fill, minmax(15.5rem, 1fr)); }
figure { margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: .4rem; padding: .6rem .7rem; }
figcaption { font-size: .82rem; line-height: 1.4; } figcaption b { color: var(--ink); font-size: .92rem; }
svg { display: block; width: 100%; height: 5.5rem; margin: .4rem 0 .1rem; } svg .pass { fill: var(--kept); }
svg .fail { fill: var(--dropped); } svg .base { stroke: var(--quiet); } svg .free { fill: var(--quiet); }
svg .limit { stroke: var(--mark); stroke-width: 1.5; stroke-dasharray: 4 2; vector-effect: non-scaling-stroke; }
.ends { display: flex; justify-content: space-between; font-size: .78rem; color: var(--soft);
  font-variant-numeric: tabular-nums; margin-bottom: .3rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1.2rem; margin: .5rem 0; }
dt { color: var(--soft); } dd { margin: 0; }
@media (max-width: 40rem) { body { font-size: 15px; } .funnel, .rule { grid-template-columns: 1fr; gap: 0; }
  .funnel > div { padding: .1rem 0; } .funnel > div:nth-child(odd) { padding-top: .7rem; }
  dl { grid-template-columns: 1fr; } dd { margin-bottom: .4rem; } .bar { min-width: 5rem; } }
@media print { nav { display: none; } }
"""
