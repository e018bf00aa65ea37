/** How the picture of a mapping looks: wide and narrow, light and dark. */
export const style = `
:root{color-scheme:light dark;--page:#f6f8fa;--box:#fff;--edge:#d0d7de;--ink:#1f2328;--soft:#57606a;--exact:#1a7f37;--settling:#0969da;--lossy:#bc4c00;--link:#8250df;--rows:#57606a}
@media(prefers-color-scheme:dark){:root{--page:#0d1117;--box:#161b22;--edge:#30363d;--ink:#e6edf3;--soft:#9198a1;--exact:#3fb950;--settling:#58a6ff;--lossy:#f0883e;--link:#bc8cff;--rows:#9198a1}}
*{box-sizing:border-box;min-width:0}
body{margin:0 auto;padding:24px;max-width:1280px;background:var(--page);color:var(--ink);font:14px/1.45 system-ui,"PingFang SC","Microsoft YaHei","Noto Sans CJK SC",sans-serif;overflow-wrap:anywhere}
code,.example,.name{font-family:ui-monospace,Menlo,Consolas,"PingFang SC","Microsoft YaHei","Noto Sans Mono CJK SC",monospace;font-size:.93em}
h1{font-size:22px;margin:0 0 8px}h1 small{color:var(--soft);font-size:13px;font-weight:400}
h2{font-size:15px;margin:0;padding:0 0 8px}
ul{list-style:none;margin:0;padding:0}p{margin:0}
.facts li{color:var(--soft)}
.legend{display:flex;flex-wrap:wrap;gap:4px 20px;margin:12px 0 20px;color:var(--soft);font-size:13px}
.legend li{display:flex;align-items:center;gap:6px}.legend b{color:var(--ink);font-weight:600}
.sample{width:34px;border-top:3px solid}.sample.lossy{border-top-style:dashed}
.sample.exact{color:var(--exact)}.sample.settling{color:var(--settling)}.sample.lossy{color:var(--lossy)}
.key{width:14px;height:14px;border:2px solid var(--rows);border-radius:4px}.key.link{border-color:var(--link)}
section{padding:16px;border:1px solid var(--edge);border-radius:12px;margin-bottom:20px}
.part{padding-bottom:12px;color:var(--soft)}.part b{color:var(--ink)}
.row,.sides,.others{display:grid;grid-template-columns:minmax(0,1fr) minmax(0,1.05fr) minmax(0,1fr)}
.there,.here{display:grid;grid-auto-rows:1fr}.sides .there,.others .there{text-align:right}
.cell{padding:5px 0;display:grid;align-items:center}
.box{background:var(--box);border:1px solid var(--edge);border-radius:8px;padding:7px 10px;display:grid;gap:2px}
.place{text-align:right;justify-items:end}.field{justify-items:start}
.none{color:var(--soft);border-style:dashed}
.name{font-weight:600}.meta,.example{color:var(--soft);font-size:12px}.example i{font-style:normal}.example span{white-space:pre-wrap}
.badges{display:flex;flex-wrap:wrap;gap:4px}
.badges li{font-size:11px;padding:0 7px;border:1px solid var(--edge);border-radius:9px;color:var(--soft)}
.badges li:first-child{color:var(--wire);border-color:var(--wire)}
.exact{--wire:var(--exact)}.settling{--wire:var(--settling)}.lossy{--wire:var(--lossy)}.link{--wire:var(--link)}.rows{--wire:var(--rows)}
.wire{position:relative;display:grid;align-items:center;padding:6px 34px}
.wire svg{position:absolute;inset:0;width:100%;height:100%}
.wire path{fill:none;stroke:var(--wire);stroke-width:2;vector-effect:non-scaling-stroke}
.row.lossy>.wire path{stroke-dasharray:6 4}
.head{position:absolute;width:0;height:0;border:6px solid transparent;transform:translateY(-50%)}
.head.in{right:0;top:50%;border-left:10px solid var(--wire);border-right:0}
.head.out{left:0;border-right:10px solid var(--wire);border-left:0}
.boxes{position:relative;display:grid;justify-items:center;gap:4px}
.steps{display:flex;flex-wrap:wrap;gap:4px 5px;justify-content:center;align-items:center;background:var(--page);border-radius:8px}
.tall{flex-direction:column}.then{font-style:normal;color:var(--soft)}
.step{background:var(--box);border:1px solid var(--wire,var(--edge));border-radius:8px;padding:1px 8px;font-size:12.5px;max-width:100%}
.step code{color:var(--soft)}.habit{border:1px dashed var(--edge);color:var(--soft);padding:4px 8px;font-size:12.5px}
summary{cursor:pointer;color:var(--wire)}
details table{border-collapse:collapse;margin:2px 0 4px;font-size:12px}td{padding:0 6px 0 0;vertical-align:top}
td:nth-child(2),.rest td{color:var(--soft)}
.row:hover>.there>.cell>.box,.row:hover>.here>.cell>.box{border-color:var(--wire)}.row:hover>.wire path{stroke-width:3.5}
.group{border:1px solid var(--edge);border-radius:10px;margin:8px -8px;padding:4px 7px}
.inner{border-top:1px dashed var(--edge);margin:4px 0 0;padding:4px 20px 2px}
.others{padding-top:14px;gap:0;font-size:12.5px;color:var(--soft)}.others>div{display:block}
.names{display:flex;flex-wrap:wrap;gap:4px;padding-top:4px}.others .there .names{justify-content:flex-end}
.names li{border:1px dashed var(--edge);border-radius:6px;padding:0 6px}
.route{display:grid;grid-template-columns:minmax(0,1fr) minmax(0,2fr) minmax(0,2fr);gap:4px 16px;padding:8px 12px;margin-bottom:6px;background:var(--box);border:1px solid var(--edge);border-radius:8px}
.to li:before{content:"→ ";color:var(--soft)}
@media(max-width:760px){
.route{grid-template-columns:minmax(0,1fr)}
body{padding:12px}section{padding:10px}
.row,.sides,.others{grid-template-columns:minmax(0,1fr)}
.row{padding:6px 0}.there,.here{grid-auto-rows:auto}.place{text-align:left;justify-items:start}
.sides .there,.others .there{text-align:left}.others .there .names{justify-content:flex-start}
.sides .wire,.others .wire{display:none}.sides .here:before{content:"↕ "}
.cell{padding:2px 0}.others .here{padding-top:8px}
.wire{padding:10px 0 10px 26px}.wire svg,.wire>.head.out:not(.first){display:none}
.wire:before{content:"";position:absolute;left:10px;top:0;bottom:0;border-left:2px solid var(--wire)}
.row.lossy>.wire:before{border-left-style:dashed}
.boxes{justify-items:start}.steps{justify-content:flex-start;background:none}.tall{align-items:flex-start}
.head.in,.head.out{border:6px solid transparent;transform:none;left:5px;right:auto}
.head.in{top:auto;bottom:-2px;border-top:10px solid var(--wire);border-bottom:0}
.head.out{top:-2px!important;border-bottom:10px solid var(--wire);border-top:0}
.inner{padding:4px 0 2px 14px}
}
`;
