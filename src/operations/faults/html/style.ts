/** Of a report: light and dark by preference, colour never alone. */
export const STYLE = `
:root { color-scheme: light dark; --ink: #1c2128; --soft: #59636e; --rule: #d8dee4; --ground: #ffffff; --panel: #f6f8fa;
  --accent: #0b62c4; --bad: #c0242f; --good: #1a7f37; --warn: #8a5a00; --area: #0b62c426; --span: #c0242f14; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9aa4af; --rule: #30363d; --ground: #0d1117; --panel: #161b22;
  --accent: #6cb0ff; --bad: #ff8182; --good: #56d364; --warn: #e3b341; --area: #6cb0ff33; --span: #ff818222; } }
* { box-sizing: border-box }
body { margin: 0; background: var(--ground); color: var(--ink); font: 14px/1.5 system-ui, sans-serif; font-variant-numeric: tabular-nums }
main { max-width: 1280px; margin: 0 auto; padding: 32px 20px 64px }
h1 { font-size: 24px; line-height: 1.25; margin: 0 0 4px } h2 { font-size: 18px; margin: 40px 0 8px } h3 { font-size: 15px; margin: 0 0 2px }
p { margin: 4px 0 12px } .soft { color: var(--soft) }
.verdict { font-weight: 600 } .verdict.met { color: var(--good) } .verdict.missed { color: var(--bad) }
.worse { color: var(--bad); font-weight: 600 } .better { color: var(--good) }
.wide { overflow-x: auto; margin: 8px 0 16px }
table { border-collapse: collapse; width: 100%; font-size: 13px }
caption { text-align: left; color: var(--soft); padding-bottom: 6px }
th, td { padding: 5px 8px; border-bottom: 1px solid var(--rule); text-align: right; white-space: nowrap }
th:first-child, td:first-child, .text { text-align: left } td.text { white-space: normal; min-width: 110px }
thead th { color: var(--soft); font-weight: 600; vertical-align: bottom } tbody th { font-weight: 600 }
article { border: 1px solid var(--rule); border-radius: 8px; padding: 16px; margin: 16px 0; background: var(--panel) }
svg { display: block; width: 100%; height: auto; margin: 8px 0 } svg text { font: 11px system-ui, sans-serif; fill: var(--ink) }
svg .unit { fill: var(--soft); font-size: 10px } .lane { fill: none; stroke: var(--rule) } .guide, .tick { stroke: var(--rule) }
.area { fill: var(--area) } .line { fill: none; stroke: var(--accent); stroke-width: 1.6 } .line.thin { stroke-width: .8; opacity: .7 }
.gap { fill: var(--bad) } .under { fill: var(--warn) } .span { fill: var(--span) }
.mark line { stroke: var(--ink); stroke-width: 1.2; stroke-dasharray: 4 3 } .mark.fault line, .mark.over line { stroke: var(--bad) }
.mark.fault line { stroke-dasharray: none } .mark.detected line { stroke: var(--warn); stroke-dasharray: 1 3 }
.mark.available line, .mark.healed line { stroke: var(--good) } .mark.healed line { stroke-dasharray: none }
details { margin-top: 8px } summary { cursor: pointer; color: var(--accent) } details ol { margin: 8px 0; padding-left: 24px }
@media (max-width: 600px) { main { padding: 20px 12px } article { padding: 10px } }
@media print { article { break-inside: avoid } }
`
